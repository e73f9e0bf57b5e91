import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeToken, onHost, rootOf, softhsmPath } from './hsm.ts'
import type { Lab } from './lab.ts'
import { watchProcesses } from './process-watch.ts'
import { startRunbook } from './runbook.ts'
import { secretsIn } from './secret-forms.ts'
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

const soPin = 'canary-so-4711'
const flags = (lab: Lab, label: string) =>
  onHost(lab, 'h1', `pkcs11-tool --module ${softhsmPath} -L | grep -A 9 'label *: ${label}$' | grep flags`)

labSuite(1, [
  [
    'any PIN arrives as it is, and no process has it as an argument or in its environment',
    async (lab) => {
      const pins = {
        'an Object': `canary '"$x\`\\%!ÿ€ 4711`,
        longest: `canary-${'x'.repeat(119)}`,
        plain: 'canary-plain-4711',
      }
      for (const [label, pin] of Object.entries(pins))
        makeToken(lab, 'h1', { label, soPin, pin: pin.replaceAll("'", `'\\''`) })
      const watch = await watchProcesses()
      for (const [label, pin] of Object.entries(pins)) {
        const { status, all } = await tried(lab, label, pin)
        assert.is(status, 0, all)
        assert.equal(secretsIn(all, { pin }), [])
      }
      const { processes } = await watch.end()
      assert.ok(processes.some((p) => p.includes('pkcs11-tool')))
      assert.equal(
        processes.flatMap((p) => secretsIn(p, pins)),
        [],
      )
      assert.is(onHost(lab, 'h1', 'ls /tmp | grep runbook || :'), '')
    },
  ],
  [
    'a PIN that the tool would cut is not tried',
    async (lab) => {
      const long = `canary-${'y'.repeat(120)}`
      makeToken(lab, 'h1', { label: 'long', soPin, pin: long })
      const refused = /cannot take this PIN: .*126 bytes \| .*not tried/
      assert.match((await tried(lab, 'long', long)).says, refused)
      for (const text of ['canary-plain-4711\r\n', 'canary-plain-4711\nmore', 'canary\u0003-plain']) {
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
      const { says } = await tried(lab, 'plain', 'canary-plain-4711')
      onHost(lab, 'h1', 'mv /usr/bin/script.away /usr/bin/script')
      assert.match(says, /the host has no `script`.* \| install util-linux/)
    },
  ],
])
