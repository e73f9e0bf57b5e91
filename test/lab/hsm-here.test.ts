import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { makeStandIn } from './pkcs11-stand-in.ts'
import { watchProcesses } from './process-watch.ts'
import { runbook } from './runbook.ts'
import { secretsIn } from './secret-forms.ts'

// hsm_probe on the controller: pkcs11js in a process of its own, with SoftHSM2 of this machine.

const library = '/usr/lib/softhsm/libsofthsm2.so'
const salt = randomBytes(6).toString('hex')
const pin = `canary-pin-${salt}`

function missing(): string | undefined {
  for (const command of ['softhsm2-util', 'pkcs11-tool', 'gcc'])
    if (spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0) return `there is no ${command} here`
  if (!existsSync(library)) return `there is no ${library} here`
  try {
    createRequire(import.meta.url)('pkcs11js')
  } catch (e) {
    return `pkcs11js was not built: ${(e as Error).message.split('\n')[0]}`
  }
  return undefined
}

const reason = missing()
if (reason !== undefined && process.env.LAB_MUST_RUN) throw new Error(reason)
function check(name: string, body: () => void | Promise<void>): void {
  if (reason === undefined) test(name, body)
  else {
    console.log(`SKIP ${name}: ${reason}`)
    test.skip(name)
  }
}

const dir = mkdtempSync(join(tmpdir(), 'hsm-here-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const conf = join(dir, 'softhsm.conf')
const env = { SOFTHSM2_CONF: conf, LAB_PIN: pin }

function must(command: string, ...args: string[]): void {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } })
  if (done.status !== 0) throw new Error(`${command}: ${done.stdout}${done.stderr}`)
}

check('the token of these tests is made', () => {
  mkdirSync(join(dir, 'tokens'))
  writeFileSync(conf, `directories.tokendir = ${dir}/tokens\n`)
  must('softhsm2-util', '--init-token', '--free', '--label', 'here', '--so-pin', 'canary-so', '--pin', pin)
  const login = ['--module', library, '--token-label', 'here', '--login', '--pin', 'env:LAB_PIN']
  const make = (...args: string[]) => must('pkcs11-tool', ...login, ...args)
  make('--keygen', '--key-type', 'AES:32', '--label', 'aes', '--id', '01', '--sensitive')
  make('--keygen', '--key-type', 'GENERIC:32', '--label', 'mac', '--id', '02', '--sensitive', '--usage-sign')
  make('--keypairgen', '--key-type', 'RSA:2048', '--label', 'rsa', '--id', '03')
  make('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'ec', '--id', '04', '--usage-sign')
})

const told: string[] = []

function run(params: object, given = pin, more: Record<string, string> = {}) {
  const task = { library, token_label: 'here', pin_env: 'LAB_PIN', environment: { SOFTHSM2_CONF: conf }, ...params }
  const tasks = [{ hsm_probe: task, register: 'seen' }, { debug: { msg: 'way: <%= seen.way %>' } }]
  const file = join(dir, 'play.yml')
  writeFileSync(file, JSON.stringify([{ hosts: 'localhost', tasks }]))
  const done = runbook(['check', file, '--output', 'plain'], undefined, { env: { LAB_PIN: given, ...more } })
  told.push(done.stdout, done.stderr)
  return { status: done.status, all: done.stdout + done.stderr }
}

function works(params: object, pattern: RegExp): void {
  const { status, all } = run(params)
  assert.is(status, 0, all)
  assert.match(all, pattern)
}

function fails(params: object, pattern: RegExp, given?: string): void {
  const { status, all } = run(params, given)
  assert.is(status, 1, all)
  assert.match(all, pattern)
}

check('keys are tried by the mechanism of the seal itself', () => {
  const keys = [
    { label: 'aes' },
    { label: 'aes', mechanism: '0x1085' },
    { label: 'mac', use: 'sign' },
    { label: 'rsa', mechanism: 'CKM_RSA_PKCS_OAEP', rsa_oaep_hash: 'sha1' },
    { label: 'rsa', use: 'sign', mechanism: 'CKM_SHA256_RSA_PKCS' },
    { label: 'ec', use: 'sign', mechanism: 'CKM_ECDSA' },
  ]
  works({ keys, mechanisms: ['CKM_AES_GCM'] }, /way: pkcs11js on the controller/)
  works(
    { keys },
    /aes \(AES-GCM\), aes \(AES-CBC-PAD\), mac \(SHA256-HMAC\), rsa \(RSA-PKCS-OAEP\), rsa \(SHA256-RSA-PKCS\), ec \(ECDSA\)/,
  )
  works({ from: 'host', keys: [{ label: 'aes' }] }, /way: pkcs11-tool on the host/)
  // SoftHSM2 has no OAEP with SHA-256: what is lost after an init with such a seal is found before
  fails(
    { keys: [{ label: 'rsa', mechanism: 'CKM_RSA_PKCS_OAEP' }] },
    /does not work by RSA-PKCS-OAEP: .*CKR_ARGUMENTS_BAD/,
  )
  fails({ keys: [{ label: 'mac' }] }, /does not work by AES-GCM/)
  fails({ keys: [{ label: 'none' }] }, /there is no key none/)
})

check('a program that is started here has no secret of the environment', async () => {
  const secrets = { pin, token: `canary-token-${salt}`, identity: `canary-identity-${salt}` }
  const given = { VAULT_TOKEN: secrets.token, RUNBOOK_AGE_IDENTITY: secrets.identity }
  const watch = await watchProcesses()
  run({ keys: [{ label: 'aes' }] }, pin, given)
  run({ keys: [{ label: 'aes' }], from: 'host', pin_env: undefined, pin }, pin, given)
  const { processes } = await watch.end()
  const has = (wanted: Readonly<Record<string, string>>, program: RegExp) => {
    const seen = processes.filter(
      ({ args, environment }) => program.test(args.join(' ')) && environment.includes(`SOFTHSM2_CONF=${conf}`),
    )
    assert.ok(seen.length > 0, `${program}`)
    return seen.flatMap(({ environment }) => environment.flatMap((e) => secretsIn(e, wanted)))
  }
  assert.equal(has(secrets, /hsm-child\.js/), [])
  assert.equal(has({ token: secrets.token, identity: secrets.identity }, /pkcs11-tool/), [])
})

/** Makes a key that may sign only: pkcs11-tool makes none with SoftHSM2. */
const signer = `const { PKCS11, ...c } = require('pkcs11js')
const p = new PKCS11()
p.load(process.argv[1])
p.C_Initialize()
const slot = p.C_GetSlotList(true).find((s) => p.C_GetTokenInfo(s).label.trim() === 'here')
const session = p.C_OpenSession(slot, c.CKF_SERIAL_SESSION | c.CKF_RW_SESSION)
p.C_Login(session, 1, process.env.LAB_PIN)
const is = { CKA_CLASS: c.CKO_SECRET_KEY, CKA_TOKEN: true, CKA_SENSITIVE: true, CKA_KEY_TYPE: c.CKK_AES, CKA_VALUE_LEN: 16,
  CKA_LABEL: 'signer', CKA_ID: Buffer.from([9]), CKA_SIGN: true, CKA_VERIFY: true, CKA_ENCRYPT: false, CKA_DECRYPT: false }
p.C_GenerateKey(session, { mechanism: c.CKM_AES_KEY_GEN }, Object.entries(is).map(([k, value]) => ({ type: c[k], value })))
p.C_Finalize()`

check('a key of another size or usage is not the one that is wanted', () => {
  must(process.execPath, '-e', signer, library)
  const key = {
    library,
    token_label: 'here',
    pin_env: 'LAB_PIN',
    environment: { SOFTHSM2_CONF: conf },
    label: 'signer',
  }
  const says = (more: object) => {
    const file = join(dir, 'key.yml')
    writeFileSync(file, JSON.stringify([{ hosts: 'localhost', tasks: [{ pkcs11_key: { ...key, ...more } }] }]))
    const done = runbook(['check', file, '--output', 'plain'], undefined, { env: { LAB_PIN: pin } })
    return `${done.status} ${done.stdout}${done.stderr}`
  }
  assert.match(says({ type: 'AES:32' }), /^1 .*the key signer is there, and is AES:16, not AES:32/s)
  assert.match(says({ type: 'AES:16' }), /^1 .*the key signer is there, and is not for encrypt: it may verify/s)
  assert.match(says({ type: 'AES:16', usage: ['sign'] }), /^0 /)
})

check('a wrong PIN, tried once; then the token says so', () => {
  const at = join(dir, 'counts.so')
  makeStandIn(at, at, 0)
  const logins = () => readFileSync(`${at}.logins`, 'utf8').split('\n').length - 1
  fails({ library: at }, /the PIN is \S+ \(CKR_PIN_INCORRECT from C_Login\)/, 'no such pin')
  assert.is(logins(), 1)
  fails({ library: at }, /counts wrong PINs since the last login: it was not tried/)
  assert.is(logins(), 1)
  works({ library: at, risk_lockout: true }, /the login and random numbers work/)
  const locked = join(dir, 'locked.so')
  makeStandIn(locked, locked, 0x40000)
  fails({ library: locked }, /says that its PIN is locked: it was not tried/)
  assert.not.ok(existsSync(`${locked}.logins`))
})

check('a file that holds more than a PIN is not tried', () => {
  const at = join(dir, 'pin')
  writeFileSync(at, `${pin}\n`, { mode: 0o600 })
  works({ pin_env: undefined, pin_file: at }, /ends in a line break/)
  writeFileSync(at, `${pin}\nand more\n`)
  fails({ pin_env: undefined, pin_file: at }, /cannot take this PIN: it has several lines.*\n.*not tried/s)
})

check('a library that crashes, hangs, lacks something or is none takes nothing down', () => {
  const made = (does: 'aborts' | 'hangs' | 'lacks') => {
    const at = join(dir, `${does}.so`)
    makeStandIn(at, at, does)
    return at
  }
  fails({ library: made('aborts') }, /ended the program that used it, by signal 6 \(C_Initialize\)/)
  fails({ library: made('hangs'), timeout: 5 }, /did not answer in time \(C_Initialize\)/)
  fails({ library: made('lacks') }, /needs what the controller does not have: libpart-of-runbook\.so/)
  fails({ library: conf }, /invalid ELF header|file too short/)
  fails({ library: '/nowhere.so' }, /there is no \/nowhere\.so/)
})

check('the token away, and back', () => {
  renameSync(join(dir, 'tokens'), join(dir, 'away'))
  fails({}, /CKR_GENERAL_ERROR from C_Initialize/)
  renameSync(join(dir, 'away'), join(dir, 'tokens'))
  works({}, /the login and random numbers work/)
  fails({ token_label: 'other' }, /no token labelled other/)
})

check('the PIN is in nothing that was said', () => {
  for (const text of told) assert.not.ok(text.includes(pin), text)
})

test.run()
