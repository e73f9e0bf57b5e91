import { spawn } from 'node:child_process'
import type { Running } from './runbook.ts'

// A controller that is killed at a moment of a first run.

export type Moment =
  /** Since the start. */
  | { readonly kind: 'bare'; readonly ms: number }
  /** Since the intent to initialise was written. */
  | { readonly kind: 'intent'; readonly ms: number }
  /** The server is initialised, its answer has not been read. */
  | { readonly kind: 'initialised' }

/** A small generator of numbers in 0 … 1, the same for the same seed. */
export function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Kills a run that has just been started.
 * @param store of the server that it initialises, which is at `url`.
 * @returns whether it was alive until then. */
export async function killedAt(
  moment: Moment,
  { child, ended }: Running,
  { store, url }: { readonly store: string; readonly url: string },
): Promise<boolean> {
  const about = JSON.stringify({ pid: child.pid, intent: `${store}.intent`, url, moment })
  const killer = spawn(process.execPath, ['-e', killing, about], { stdio: 'inherit' })
  const { signal } = await ended
  killer.kill()
  return signal === 'SIGKILL'
}

/** A process of its own: this one stands still for a while when it looks into a host. From the intent on a run goes on for a
 * millisecond at a time, much less than an answer takes, where it is to end before it has read the one to its call. */
const killing = `const { pid, intent, url, moment } = JSON.parse(process.argv[1])
const { existsSync } = require('node:fs')
const pause = (ms) => new Promise((r) => setTimeout(r, ms))
const initialised = () => fetch(url + '/v1/sys/init').then((r) => r.json()).then((s) => s.initialized, () => false)
const kill = async () => {
  if (moment.kind !== 'bare') while (!existsSync(intent)) await pause(1)
  if (moment.kind !== 'initialised') return pause(moment.ms)
  for (process.kill(pid, 'SIGSTOP'); await pause(80), !(await initialised()); process.kill(pid, 'SIGSTOP')) {
    process.kill(pid, 'SIGCONT')
    await pause(1)
  }
}
kill().then(() => process.kill(pid, 'SIGKILL'))`

/** Says how often a server was initialised, as its journal tells. */
export const countInits = `journalctl --sync; journalctl --no-pager -u vault | grep -c 'security barrier initialized' || :`
