import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeToken, onHost, rootOf, softhsmPath } from './hsm.ts'
import type { Lab } from './lab.ts'
import { startRunbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// How a PIN comes to pkcs11-tool on a host: as it is, unseen, or not at all.

interface Told {
  readonly event: string
  readonly message?: string
  readonly hint?: string
}

/** Probes a token with a PIN, and makes a key with it. */
async function tried(lab: Lab, label: string, pin: string | { readonly file: string }) {
  const file = join(lab.dir, 'play.yml')
  const given = typeof pin === 'string' ? { pin } : { pin_file: pin.file }
  const params = { library: softhsmPath, token_label: label, ...given }
  const tasks = [{ hsm_probe: params }, { pkcs11_key: { ...params, label: 'a key' } }]
  writeFileSync(file, JSON.stringify([{ hosts: 'h1', tasks }]), { mode: 0o600 })
  const done = await startRunbook(['apply', file, '--output', 'ndjson'], lab).ended
  const events = done.stdout.split('\n').flatMap((l) => (l.startsWith('{') ? [JSON.parse(l) as Told] : []))
  const last = events.filter((e) => e.event === 'task').at(-1)
  return { status: done.status, says: `${last?.message} | ${last?.hint}`, all: done.stdout + done.stderr }
}

const salt = randomBytes(4).toString('hex')
const soPin = 'canary-so-4711'
const plain = `canary-plain-4711${salt}`
const long = `canary-${salt}${'y'.repeat(120)}`
const pins = { 'an Object': `canary '"$x\`\\%!ÿ€ ${salt}`, longest: `canary-${salt}${'x'.repeat(111)}`, plain }
const flags = (lab: Lab, label: string) =>
  onHost(lab, 'h1', `pkcs11-tool --module ${softhsmPath} -L | grep -A 9 'label *: ${label}$' | grep flags`)

labSuite(
  1,
  [
    [
      'any PIN arrives as it is, and no process has it as an argument or in its environment',
      async (lab) => {
        for (const [label, pin] of Object.entries(pins))
          makeToken(lab, 'h1', { label, soPin, pin: pin.replaceAll("'", `'\\''`) })
        for (const [label, pin] of Object.entries(pins)) {
          const { status, all } = await tried(lab, label, pin)
          assert.is(status, 0, all)
        }
        assert.is(onHost(lab, 'h1', 'ls /tmp | grep runbook || :'), '')
      },
    ],
    [
      'a PIN that the tool would cut is not tried',
      async (lab) => {
        makeToken(lab, 'h1', { label: 'long', soPin, pin: long })
        const refused = /cannot take this PIN: .*126 bytes \| .*not tried/
        assert.match((await tried(lab, 'long', long)).says, refused)
        for (const text of [`${plain}\r\n`, `${plain}\nmore`, 'canary\u0003-plain']) {
          writeFileSync(join(rootOf(lab, 'h1'), 'root/pin'), text, { mode: 0o600 })
          assert.match((await tried(lab, 'plain', { file: '/root/pin' })).says, refused, JSON.stringify(text))
        }
        for (const label of ['long', 'plain']) assert.not.match(flags(lab, label), /count low/)
      },
    ],
    [
      'without `script` there is no way that hides the PIN, and so none',
      async (lab) => {
        onHost(lab, 'h1', 'mv /usr/bin/script /usr/bin/script.away')
        const { says } = await tried(lab, 'plain', plain)
        onHost(lab, 'h1', 'mv /usr/bin/script.away /usr/bin/script')
        assert.match(says, /the host has no `script`.* \| install util-linux/)
      },
    ],
  ],
  undefined,
  // what must be found nowhere, as an argument or in the environment of a process least of all
  { secrets: () => ({ ...pins, long }) },
)
