import { spawn } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { newAuthority } from '../host/certificates.ts'
import {
  libraryPath,
  makeKey,
  makeToken,
  onHost,
  placeLibrary,
  putTokensBack,
  rootOf,
  softhsmPath,
  takeTokensAway,
} from './hsm.ts'
import type { Lab } from './lab.ts'
import { placeStandIn } from './pkcs11-stand-in.ts'
import { runbook, startRunbook, until } from './runbook.ts'
import { labSuite } from './suite.ts'

// hsm_probe and pkcs11_key on hosts with SoftHSM2.

const pin = 'canary-pin-4711'
const token = { label: 'lab', pin, soPin: 'canary-so-4711' }
const told: string[] = []

interface Told {
  readonly event: string
  readonly host: string
  readonly status: string
  readonly message?: string
  readonly hint?: string
  readonly changes: readonly string[]
}

function playbook(lab: Lab, tasks: readonly object[], hosts: string): string {
  const file = join(lab.dir, `play-${told.length}.yml`)
  writeFileSync(file, JSON.stringify([{ hosts, tasks }]))
  return file
}

/** Runs tasks as a playbook. The PIN is in the environment. */
function run(lab: Lab, tasks: readonly object[], options: { command?: string; pin?: string; hosts?: string } = {}) {
  const { command = 'apply', pin: given = pin, hosts = 'h1' } = options
  const args = [command, playbook(lab, tasks, hosts), '--output', 'ndjson']
  const { status, stdout, stderr } = runbook(args, lab, { env: { LAB_PIN: given } })
  told.push(stdout, stderr)
  const events = stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Told)
  return { status, events, tasks: events.filter((e) => e.event === 'task'), all: stdout + stderr }
}

const base = { library: softhsmPath, token_label: 'lab', pin_env: 'LAB_PIN' }
const probe = (more: object = {}) => ({ name: 'probe', hsm_probe: { ...base, ...more } })
const makes = (more: object) => ({ name: 'key', pkcs11_key: { ...base, ...more } })

/** What the last task says when it fails. */
function failure(lab: Lab, task: object, given = pin): string {
  const { tasks, status, all } = run(lab, [task], { pin: given })
  assert.is(status, 1, all)
  return `${tasks.at(-1)!.message} | ${tasks.at(-1)!.hint}`
}

function works(lab: Lab, task: object): void {
  const { status, all } = run(lab, [task])
  assert.is(status, 0, all)
}

const counted = '/opt/stand-in/counts.so'
const logins = (lab: Lab, host = 'h1') => {
  const { stdout } = lab.run(host, ['sh', '-c', `cat ${counted}.logins 2>/dev/null`])
  return stdout.split('\n').length - 1
}

const labels = (lab: Lab, label: string) =>
  Number(
    onHost(
      lab,
      'h1',
      `LAB_PIN='${pin}' pkcs11-tool --module ${softhsmPath} --token-label lab --login --pin env:LAB_PIN -O 2>/dev/null | grep -c 'label: *${label}$' || :`,
    ),
  )

async function worksTest(lab: Lab): Promise<void> {
  placeLibrary(lab, 'h1')
  makeToken(lab, 'h1', token)
  makeKey(lab, 'h1', token, 'hsm_demo', '01')
  makeKey(lab, 'h1', token, 'hsm_hmac_demo', '02', 'GENERIC:32 --usage-sign')
  const keys = [{ label: 'hsm_demo' }, { label: 'hsm_hmac_demo', use: 'sign' }]
  const tasks = [
    { ...probe({ library: libraryPath, keys, mechanisms: ['CKM_AES_GCM', '0x1085'] }), register: 'seen' },
    { debug: { msg: '<%= [seen.way, seen.token.label, seen.keys[1].id, seen.login].join() %>' } },
  ]
  for (const command of ['check', 'apply']) {
    const { status, all, events } = run(lab, tasks, { command })
    assert.is(status, 0, all)
    assert.ok(
      all.includes('keys that work: hsm_demo (AES-CBC-PAD in place of AES-GCM), hsm_hmac_demo (SHA256-HMAC)'),
      all,
    )
    assert.ok(all.includes('pkcs11-tool on the host,lab,02,true'), all)
    assert.not.ok(events.some((e) => e.status === 'changed'))
  }
  onHost(lab, 'h1', `printf '%s\\n' '${pin}' >/root/pin; chmod 600 /root/pin`)
  const fromFile = run(lab, [probe({ pin_env: undefined, pin_file: '/root/pin', keys })])
  assert.is(fromFile.status, 0, fromFile.all)
  assert.match(fromFile.all, /\/root\/pin ends in a line break/)
  onHost(lab, 'h1', ': >/root/pin')
  assert.match(failure(lab, probe({ pin_env: undefined, pin_file: '/root/pin' })), /is empty \| .*not tried/)
  assert.match(failure(lab, probe({ pin_env: undefined, pin_file: '/root/none' })), /there is no \/root\/none/)
  assert.match(failure(lab, probe({ pin_env: 'NO_SUCH_PIN' })), /environment has no NO_SUCH_PIN/)
}

/** SoftHSM2 marks a token after one wrong PIN, until somebody logs in. */
const unmark = (lab: Lab) => works(lab, probe({ risk_lockout: true }))

async function wrongPin(lab: Lab): Promise<void> {
  placeStandIn(lab, 'h1', counted, 0)
  const library = { library: counted }
  assert.match(failure(lab, probe(library), 'wrong-pin'), /the PIN is wrong \(CKR_PIN_INCORRECT.* \| correct it before/)
  assert.is(logins(lab), 1, 'one login')
  assert.match(failure(lab, probe(library), 'wrong-pin'), /counts wrong PINs since the last login: it was not tried/)
  assert.is(logins(lab), 1, 'the token says it: nobody tries')
  assert.match(failure(lab, makes({ ...library, label: 'new' })), /it was not tried/)
  unmark(lab)

  // a token that does not tell: then the run remembers
  placeStandIn(lab, 'h1', counted, 'forgets')
  onHost(lab, 'h1', `rm -f ${counted}.logins`)
  const ignored = (more: object) => ({ ...probe({ ...library, ...more }), ignore_errors: true })
  const twice = [
    ignored({}),
    { command: 'true' },
    ignored({ mechanisms: ['AES-CBC'] }),
    makes({ ...library, label: 'x' }),
  ]
  const { tasks } = run(lab, twice, { pin: 'wrong-pin' })
  assert.match(tasks[0]!.message!, /the PIN is wrong/)
  for (const i of [2, 3]) assert.match(tasks[i]!.message!, /was refused before in this run, and was not tried again/)
  assert.is(logins(lab), 1, 'one login')
  unmark(lab)

  // who is told to risk it tries once, however often the task is tried
  onHost(lab, 'h1', `rm -f ${counted}.logins`)
  const tried = {
    ...probe({ ...library, risk_lockout: true }),
    register: 'r',
    until: '!r.failed',
    retries: 3,
    delay: 0,
  }
  assert.match(run(lab, [tried], { pin: 'wrong-pin' }).tasks.at(-1)!.message!, /refused before .*\(tried 4 times\)/)
  assert.is(logins(lab), 1, 'one login')
  unmark(lab)
}

/** One HSM that two hosts see: the same token, with the same serial. */
async function sharedToken(lab: Lab): Promise<void> {
  const tokens = 'var/lib/softhsm/tokens'
  onHost(lab, 'h2', 'chmod a+rX /etc/softhsm; chmod a+rx /var/lib/softhsm')
  cpSync(join(rootOf(lab, 'h1'), tokens), join(rootOf(lab, 'h2'), tokens), { recursive: true })
  for (const host of ['h1', 'h2']) {
    placeStandIn(lab, host, counted, 0)
    onHost(lab, host, `rm -f ${counted}.logins`)
  }
  const { tasks, status } = run(lab, [probe({ library: counted })], { hosts: 'all', pin: 'wrong-pin' })
  assert.is(status, 1)
  const messages = tasks.map((t) => t.message).sort()
  assert.match(messages[0]!, /the PIN is wrong/)
  assert.match(messages[1]!, /was refused before in this run/)
  assert.is(logins(lab, 'h1') + logins(lab, 'h2'), 1, 'one login for both')
  unmark(lab)
  const right = run(lab, [probe({ library: counted, risk_lockout: true })], { hosts: 'all' })
  assert.is(right.status, 0, right.all)
}

async function flags(lab: Lab): Promise<void> {
  const path = '/opt/stand-in/flags.so'
  const cases = [
    [0x40000, /says that its PIN is locked: it was not tried \| the security officer/],
    [0x20000, /has one last try of the PIN left: it was not tried/],
    [0x10000, /counts wrong PINs/],
  ] as const
  for (const [flag, pattern] of cases) {
    placeStandIn(lab, 'h1', path, flag)
    assert.match(failure(lab, probe({ library: path })), pattern)
    assert.is(lab.run('h1', ['test', '-e', `${path}.logins`]).status, 1, 'nobody tried')
  }
  works(lab, probe({ library: path, risk_lockout: true }))
}

async function away(lab: Lab): Promise<void> {
  takeTokensAway(lab, 'h1')
  assert.match(failure(lab, probe()), /CKR_GENERAL_ERROR from C_Initialize.* \| its configuration, the directory/)
  putTokensBack(lab, 'h1')
  works(lab, probe())
  assert.match(failure(lab, probe({ token_label: 'other' })), /no token labelled other \| there are: lab \(slot \d+\)/)
  assert.match(failure(lab, probe({ token_label: undefined, slot: 7 })), /there is no slot 7 \| there are: lab/)
  onHost(
    lab,
    'h1',
    'sed "s/^slots.mech.*/slots.mechanisms = CKM_AES_CBC_PAD,CKM_SHA256/" /etc/softhsm/softhsm2.conf >/root/no-gcm.conf',
  )
  const environment = { SOFTHSM2_CONF: '/root/no-gcm.conf' }
  const lacking = probe({ environment, mechanisms: ['CKM_AES_GCM', 'CKM_AES_CBC_PAD'] })
  assert.match(failure(lab, lacking), /the token does not have CKM_AES_GCM \| firmware, licence/)
  assert.match(failure(lab, probe({ environment, keys: [{ label: 'hsm_demo' }] })), /does not have AES-GCM/)
}

async function keys(lab: Lab): Promise<void> {
  makeKey(lab, 'h1', token, 'double', '11')
  makeKey(lab, 'h1', token, 'double', '12')
  assert.match(
    failure(lab, probe({ keys: [{ label: 'double' }] })),
    /there are 2 keys double on the token \| which of them/,
  )
  assert.match(
    failure(lab, probe({ keys: [{ label: 'none' }] })),
    /no key none on the token \| the labels there are: .*hsm_demo/,
  )
  assert.match(
    failure(lab, probe({ pin_env: undefined, keys: [{ label: 'hsm_demo' }] })),
    /after a login: there is no PIN/,
  )
  const wrongKey = probe({ keys: [{ label: 'hsm_hmac_demo', mechanism: 'AES-CBC-PAD' }] })
  assert.match(failure(lab, wrongKey), /does not work by AES-CBC-PAD: the key is of another type/)
  assert.match(failure(lab, makes({ label: 'double' })), /there are 2 keys double/)
  assert.match(failure(lab, makes({ label: 'hsm_hmac_demo' })), /is GENERIC, not AES/)
}

async function libraries(lab: Lab): Promise<void> {
  const at = (name: string) => `/opt/stand-in/${name}.so`
  placeStandIn(lab, 'h1', at('aborts'), 'aborts')
  assert.match(
    failure(lab, probe({ library: at('aborts') })),
    /ended the program that used it, by signal 6 .* \| the library crashes/,
  )
  placeStandIn(lab, 'h1', at('hangs'), 'hangs')
  assert.match(
    failure(lab, probe({ library: at('hangs'), timeout: 2 })),
    /did not answer in time .* \| it may be waiting for an HSM/,
  )
  placeStandIn(lab, 'h1', at('lacks'), 'lacks')
  assert.match(
    failure(lab, probe({ library: at('lacks') })),
    /needs what the host does not have: libpart-of-runbook\.so \| install/,
  )
  assert.match(failure(lab, probe({ library: '/etc/passwd' })), /invalid ELF header \| .*architecture/)
  assert.match(failure(lab, probe({ library: '/nowhere.so' })), /there is no \/nowhere\.so on the host/)
}

async function makesKeys(lab: Lab): Promise<void> {
  const tasks = [
    makes({ label: 'made', id: 'A1' }),
    makes({ label: 'mac made', type: 'GENERIC:32' }),
    makes({ label: 'pair', type: 'RSA:2048', usage: ['encrypt', 'sign'] }),
    makes({ label: 'curve', type: 'EC:prime256v1' }),
    probe({
      keys: [
        { label: 'made' },
        { label: 'mac made', use: 'sign' },
        { label: 'pair', use: 'sign', mechanism: 'CKM_SHA256_RSA_PKCS' },
        { label: 'curve', use: 'sign', mechanism: 'CKM_ECDSA' },
      ],
    }),
  ]
  const changes = (ran: ReturnType<typeof run>) => ran.tasks.flatMap((t) => t.changes)
  const checked = run(lab, tasks, { command: 'check' })
  assert.is(checked.status, 2, checked.all)
  assert.is(labels(lab, 'made'), 0, 'check makes nothing')
  const applied = run(lab, tasks)
  assert.is(applied.status, 0, applied.all)
  assert.equal(changes(applied), changes(checked))
  assert.is(changes(applied).length, 4)
  const again = run(lab, tasks)
  assert.is(again.status, 0, again.all)
  assert.equal(changes(again), [])
  assert.is(labels(lab, 'made'), 1)
}

/** The library comes in the same run: check says that it can't know yet, apply looks when it is there. */
async function fresh(lab: Lab): Promise<void> {
  const library = '/opt/fresh/p11.so'
  const tasks = [
    { file: { path: '/opt/fresh', state: 'directory' } },
    { copy: { src: softhsmPath, dest: library, remote_src: true } },
    probe({ library, keys: [{ label: 'hsm_demo' }] }),
    makes({ library, label: 'fresh' }),
    probe({ library, keys: [{ label: 'fresh' }] }),
  ]
  const checked = run(lab, tasks, { command: 'check' })
  assert.equal(
    checked.tasks.map((t) => t.status),
    ['changed', 'changed', 'unknown', 'unknown', 'unknown'],
    checked.all,
  )
  const applied = run(lab, tasks)
  assert.equal(
    applied.tasks.map((t) => t.status),
    ['changed', 'changed', 'ok', 'changed', 'ok'],
    applied.all,
  )
  const again = run(lab, tasks)
  assert.equal(
    again.tasks.map((t) => t.status),
    ['ok', 'ok', 'ok', 'ok', 'ok'],
    again.all,
  )
}

/** Several controllers find no key at the same time: one stays. */
async function race(lab: Lab): Promise<void> {
  const file = playbook(lab, [makes({ label: 'raced' })], 'h1')
  const runs = [1, 2, 3, 4].map(() => startRunbook(['apply', file], lab, { LAB_PIN: pin }))
  const ends = await Promise.all(runs.map((r) => r.ended))
  for (const { status, stdout, stderr } of ends) {
    told.push(stdout, stderr)
    assert.ok(status === 0 || status === 1, stdout + stderr)
  }
  // SoftHSM2 itself may fail one that lists while others write
  assert.ok(ends.some((e) => e.status === 0))
  assert.is(labels(lab, 'raced'), 1)
  const after = run(lab, [makes({ label: 'raced' })])
  assert.is(after.status, 0, after.all)
  assert.equal(after.tasks[0]!.changes, [])
}

async function vendorsTool(lab: Lab): Promise<void> {
  onHost(lab, 'h1', 'mv /usr/bin/pkcs11-tool /usr/bin/pkcs11-tool.away')
  try {
    assert.match(failure(lab, probe({ library: libraryPath })), /the host has no pkcs11-tool \| install opensc/)
    const bare = { hsm_probe: { library: libraryPath } }
    const { status, all } = run(lab, [bare])
    assert.is(status, 0, all)
    assert.match(all, /configTest: a stand-in of the lab/)
    assert.match(all, /only the vendor’s configTest was asked/)
  } finally {
    onHost(lab, 'h1', 'mv /usr/bin/pkcs11-tool.away /usr/bin/pkcs11-tool')
  }
}

/** A port with mutual TLS as an HSM has it, found through an sshd; openssl stands in for the HSM. */
async function port(lab: Lab): Promise<void> {
  const address = lab.hosts[0]!.address
  const authority = newAuthority()
  const [own, client] = [authority.issue(`IP:${address}`), authority.issue('DNS:client')]
  const at = (name: string) => join(lab.dir, name)
  const files = {
    'ca.pem': authority.ca,
    'own.pem': own.cert,
    'own.key': own.key,
    'me.pem': client.cert,
    'me.key': client.key,
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(at(name), text, { mode: 0o600 })
    writeFileSync(join(rootOf(lab, 'h1'), 'root', name), text, { mode: 0o600 })
  }
  const serve = ['s_server', '-accept', `${address}:9100`, '-cert', at('own.pem'), '-key', at('own.key')]
  const server = spawn(
    'openssl',
    [...serve, '-CAfile', at('ca.pem'), '-Verify', '2', '-verify_return_error', '-quiet'],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  try {
    await until(
      'the port listens',
      () => lab.run('h1', ['sh', '-c', `ss -ltn | grep -q '${address}:9100 '`]).status === 0,
    )
    const tls = (more: object) => ({ name: 'port', hsm_probe: { address, tls_ca: at('ca.pem'), ...more } })
    const { status, all } = run(lab, [
      tls({ tls_cert: at('me.pem'), tls_key: at('me.key') }),
      tls({ remote_src: true, tls_ca: '/root/ca.pem', tls_cert: '/root/me.pem', tls_key: '/root/me.key', ...base }),
    ])
    assert.is(status, 0, all)
    assert.match(all, /9100 answers, by TLSv1\.3; SoftHSM/)
    assert.match(failure(lab, tls({})), /demands a client certificate, and none is given/)
    assert.match(
      failure(lab, tls({ tls_cert: at('me.pem'), tls_key: at('own.key') })),
      /certificate is not for this key/,
    )
    assert.match(
      failure(lab, tls({ remote_src: true, tls_ca: '/root/none.pem' })),
      /there is no \/root\/none\.pem on the host/,
    )
    assert.match(failure(lab, tls({ port: 9 })), /:9\b.* \|/)
  } finally {
    server.kill()
  }
}

/** Every few milliseconds, what processes have as arguments; and in the end what files others may read. */
async function secret(lab: Lab): Promise<void> {
  const seen = new Set<string>()
  const looking = setInterval(() => {
    for (const id of readdirSync('/proc'))
      if (/^\d+$/.test(id))
        try {
          seen.add(readFileSync(`/proc/${id}/cmdline`, 'latin1'))
        } catch {
          // it has ended
        }
  }, 5)
  const file = playbook(lab, [probe({ keys: [{ label: 'hsm_demo' }] }), makes({ label: 'unseen' })], 'h1')
  const { status, stdout, stderr } = await startRunbook(['apply', file, '--diff'], lab, { LAB_PIN: pin }).ended
  clearInterval(looking)
  told.push(stdout, stderr)
  assert.is(status, 0, stdout + stderr)
  assert.ok(
    [...seen].some((line) => line.includes('pkcs11-tool')),
    'it looked while pkcs11-tool ran',
  )
  for (const line of seen) assert.not.ok(line.includes(pin), line)
  for (const text of told) assert.not.ok(text.includes(pin), text.slice(0, 500))
  const left = lab.run('h1', ['sh', '-c', `grep -rl '${pin}' /tmp /run /var/log /root 2>/dev/null`]).stdout
  assert.is(left, '')
}

labSuite(2, [
  ['a token that works, by check and apply; the PIN from the environment or a file', worksTest],
  ['a wrong PIN is tried once', wrongPin],
  ['a wrong PIN is tried once by all hosts that see one HSM', sharedToken],
  ['a token that is near its lock is not tried, unless told', flags],
  ['the token away, another one, no such mechanism', away],
  ['keys: two of one label, none, of another type', keys],
  ['libraries that crash, hang, lack something, are none', libraries],
  ['keys are made as check says, once', makesKeys],
  ['a library that is installed by the same run', fresh],
  ['keys that are made at the same time: one stays', race],
  ['where only the vendor’s tool is', vendorsTool],
  ['the port of an HSM, its TLS, and ours', port],
  ['the PIN is in no argument, output or file', secret],
])
