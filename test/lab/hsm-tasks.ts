import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeKey, makeToken, onHost, softhsmPath } from './hsm.ts'
import type { Lab } from './lab.ts'
import { runbook } from './runbook.ts'

// What the tests of hsm_probe and pkcs11_key on hosts with SoftHSM2 share.

/** No other test's that runs beside: one of them looks at all processes of this machine. */
export const pin = `canary-pin-${randomBytes(6).toString('hex')}`
export const token = { label: 'lab', pin, soPin: 'canary-so-4711' }
/** The token, with the keys of a seal. */
export async function tokenMade(lab: Lab): Promise<void> {
  makeToken(lab, 'h1', token)
  makeKey(lab, 'h1', token, 'hsm_demo', '01')
  makeKey(lab, 'h1', token, 'hsm_hmac_demo', '02', 'GENERIC:32 --usage-sign')
}

/** All that was printed. */
export const told: string[] = []

interface Told {
  readonly event: string
  readonly host: string
  readonly status: string
  readonly message?: string
  readonly hint?: string
  readonly changes: readonly string[]
}

/** @returns its file */
export function playbook(lab: Lab, plays: readonly object[]): string {
  const file = join(lab.dir, `play-${told.length}.yml`)
  writeFileSync(file, JSON.stringify(plays))
  return file
}

/** Runs tasks as a playbook. The PIN is in the environment. */
export function run(
  lab: Lab,
  tasks: readonly object[],
  options: { command?: string; pin?: string; hosts?: string; plays?: readonly object[] } = {},
) {
  const { command = 'apply', pin: given = pin, hosts = 'h1', plays = [{ hosts, tasks }] } = options
  const args = [command, playbook(lab, plays), '--output', 'ndjson']
  const { status, stdout, stderr } = runbook(args, lab, { env: { LAB_PIN: given } })
  told.push(stdout, stderr)
  const events = stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Told)
  return { status, events, tasks: events.filter((e) => e.event === 'task'), all: stdout + stderr }
}

export const base = { library: softhsmPath, token_label: 'lab', pin_env: 'LAB_PIN' }
export const probe = (more: object = {}) => ({ name: 'probe', hsm_probe: { ...base, ...more } })
export const makes = (more: object) => ({ name: 'key', pkcs11_key: { ...base, ...more } })

/** What the last task says when it fails. */
export function failure(lab: Lab, task: object, given = pin): string {
  const { tasks, status, all } = run(lab, [task], { pin: given })
  assert.is(status, 1, all)
  return `${tasks.at(-1)!.message} | ${tasks.at(-1)!.hint}`
}

export function works(lab: Lab, task: object): string {
  const { status, all } = run(lab, [task])
  assert.is(status, 0, all)
  return all
}

/** How many keys, or halves of pairs, have a label. */
export const labels = (lab: Lab, label: string) =>
  Number(
    onHost(
      lab,
      'h1',
      `LAB_PIN='${pin}' pkcs11-tool --module ${softhsmPath} --token-label lab --login --pin env:LAB_PIN -O 2>/dev/null | grep -c 'label: *${label}$' || :`,
    ),
  )

export function nothingTold(): void {
  for (const text of told) assert.not.ok(text.includes(pin), text.slice(0, 500))
}

/** SoftHSM2 has no OAEP with SHA-256: it encrypts and can't decrypt, and a server with such a seal would be lost. */
export const oaep = (rsa_oaep_hash: string) => ({ label: 'rsa', mechanism: 'CKM_RSA_PKCS_OAEP', rsa_oaep_hash })
export const lost =
  /the key rsa does not work by RSA-PKCS-OAEP: the library does not take these arguments \(CKR_ARGUMENTS_BAD/
