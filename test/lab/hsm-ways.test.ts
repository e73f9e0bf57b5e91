import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { onHost, rootOf, softhsmPath } from './hsm.ts'
import { failure, nothingTold, pin, probe, run, tokenMade } from './hsm-tasks.ts'
import type { Lab } from './lab.ts'
import { labSuite } from './suite.ts'

// Which way hsm_probe takes to a token where host and controller have the library, and that no other token is taken for it.

/** On host and controller; what each finds by it is another matter. */
const dir = mkdtempSync('/var/tmp/hsm-ways-')
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const [conf, elsewhere] = [join(dir, 'softhsm.conf'), join(dir, 'p11.so')]
const tokens = '/var/lib/softhsm/tokens'
const ask = (more: object = {}) => probe({ environment: { SOFTHSM2_CONF: conf }, ...more })
const toController = (tokenDir: string) => writeFileSync(conf, `directories.tokendir = ${tokenDir}\n`)

function answer(lab: Lab, more: object) {
  const { status, tasks, all } = run(lab, [
    { ...ask(more), register: 'seen' },
    { debug: { msg: 'by <%= seen.way %>' } },
  ])
  assert.is(status, 0, all)
  assert.is(tasks.length, 2)
  return all
}

const flags = (lab: Lab) => onHost(lab, 'h1', `pkcs11-tool --module ${softhsmPath} -L | grep 'token flags'`)

async function made(lab: Lab): Promise<void> {
  await tokenMade(lab)
  onHost(lab, 'h1', `mkdir -p ${dir} && echo 'directories.tokendir = ${tokens}' >${conf} && chmod a+rx ${dir}`)
}

async function another(lab: Lab): Promise<void> {
  assert.match(answer(lab, {}), /by pkcs11-tool on the host/, 'the controller has no configuration')
  // of the same label and PIN
  onHost(lab, 'h1', `cp -r ${tokens} ${tokens}.one && rm -r ${tokens}/*`)
  await tokenMade(lab)
  onHost(lab, 'h1', `mv ${tokens} ${tokens}.two && mv ${tokens}.one ${tokens}`)
  toController(join(rootOf(lab, 'h1'), `${tokens}.two`))
  assert.match(answer(lab, {}), /by pkcs11-tool on the host/)
  assert.match(answer(lab, { from: 'controller' }), /by pkcs11js on the controller/)
}

async function theSame(lab: Lab): Promise<void> {
  toController(join(rootOf(lab, 'h1'), tokens))
  const all = answer(lab, { keys: [{ label: 'hsm_demo' }] })
  assert.match(all, /keys that work: hsm_demo \(AES-GCM\)/)
  assert.match(all, /by pkcs11js on the controller/)
  assert.match(answer(lab, { from: 'host' }), /by pkcs11-tool on the host/)
  onHost(lab, 'h1', `printf %s ${pin} >/root/pin`)
  assert.match(answer(lab, { pin_env: undefined, pin_file: '/root/pin' }), /by pkcs11-tool on the host/)
  assert.match(failure(lab, ask(), 'wrong-pin'), /the PIN is wrong \(CKR_PIN_INCORRECT from C_Login\)/)
  assert.match(flags(lab), /user PIN count low/)
  assert.not.match(flags(lab), /final user PIN try/)
  for (const from of ['auto', 'host', 'controller'])
    assert.match(failure(lab, ask({ from }), 'wrong-pin'), /counts wrong PINs.*: it was not tried/, from)
  answer(lab, { risk_lockout: true })
}

async function blind(lab: Lab): Promise<void> {
  onHost(lab, 'h1', 'mv /usr/bin/pkcs11-tool /usr/bin/pkcs11-tool.away')
  const all = answer(lab, {})
  assert.match(all, /the host has no pkcs11-tool: the controller’s library was asked, which tells nothing of the host/)
  assert.match(all, /by pkcs11js on the controller/)
  const unnamed = ask({ token_label: undefined })
  assert.match(failure(lab, unnamed), /the host has no pkcs11-tool \| install opensc/, 'any token might be meant')
  assert.match(failure(lab, ask({ from: 'host' })), /the host has no pkcs11-tool/)
  assert.match(failure(lab, ask({ token_label: 'other' })), /the host has no pkcs11-tool/)
  onHost(lab, 'h1', 'mv /usr/bin/pkcs11-tool.away /usr/bin/pkcs11-tool')
  onHost(lab, 'h1', `mv ${softhsmPath} ${softhsmPath}.away`)
  assert.match(answer(lab, {}), /the host has no \S*libsofthsm2\.so: the controller’s library was asked/)
  onHost(lab, 'h1', `mv ${softhsmPath}.away ${softhsmPath}`)
  assert.match(failure(lab, ask({ library: elsewhere })), /there is no \S*p11\.so on the host/)
  assert.match(
    failure(lab, ask({ library: elsewhere, from: 'controller' })),
    /there is no \S*p11\.so on the controller/,
  )
  // what the host has and can't use is not passed over
  onHost(lab, 'h1', `echo none >${elsewhere}`)
  writeFileSync(elsewhere, '')
  assert.match(failure(lab, ask({ library: elsewhere })), /invalid ELF header|file too short/)
}

labSuite(
  1,
  [
    ['the token of these tests is made', made],
    ['the controller sees another token of that label: the host is asked', another],
    ['it sees the same: it is asked, and a wrong PIN is tried once', theSame],
    ['the host has nothing to look with', blind],
    ['the PIN is in nothing that was said', async () => nothingTold()],
  ],
  () => {
    if (!existsSync(softhsmPath)) return `there is no ${softhsmPath} here`
    try {
      createRequire(import.meta.url)('pkcs11js')
      return undefined
    } catch {
      return 'pkcs11js was not built'
    }
  },
)
