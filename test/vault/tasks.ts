import * as assert from 'uvu/assert'
import { type Ran, type RanOptions, run } from '../engine/scratch.ts'
import type { Bao } from './bao.ts'

// Tasks run against a real server as the engine runs them, this machine being the host.

export type Task = Readonly<Record<string, unknown>>

/** Tasks of one play; each that names a module of Vault is told where the server is. */
export function playOf(bao: Bao, tasks: readonly Task[]): string {
  const at = { address: bao.address, token: bao.rootToken }
  const told = tasks.map((task) =>
    Object.fromEntries(
      Object.entries(task).map(([k, v]) => [k, k.startsWith('vault_') ? { ...at, ...(v as object) } : v]),
    ),
  )
  return JSON.stringify([{ hosts: 'all', gather_facts: false, tasks: told }])
}

/** How each task went, and what it did. */
export const lines = (ran: Ran) =>
  ran.tasks.map(
    (t) =>
      `${t.status}${t.changes.length > 0 ? ` ${t.changes.join('; ')}` : ''}${t.message && t.status !== 'skipped' ? `: ${t.message}` : ''}`,
  )

/** What check tells is what apply does, a second apply does nothing, nothing is warned of, and no token is shown.
 * @returns the lines of the apply. */
export async function converges(bao: Bao, tasks: readonly Task[], options: RanOptions = {}): Promise<string[]> {
  const text = playOf(bao, tasks)
  const checked = await run('check', text, options)
  const applied = await run('apply', text, options)
  const again = await run('apply', text, options)
  assert.equal(lines(applied), lines(checked))
  assert.equal(
    again.tasks.map((t) => [t.status, t.message]),
    again.tasks.map(() => ['ok', undefined]),
  )
  for (const ran of [checked, applied, again]) {
    assert.equal(ran.warnings, [])
    assert.not(JSON.stringify(ran.events).includes(bao.rootToken))
  }
  return lines(applied)
}

export async function apply(bao: Bao, tasks: readonly Task[], options: RanOptions = {}): Promise<Ran> {
  return run('apply', playOf(bao, tasks), options)
}
