import type { ReadyPlay } from '../engine/prepare.ts'
import { plural } from '../report/screen-text.ts'
import { loadRun } from './load.ts'
import type { RunningOptions } from './options.ts'
import { runPlays } from './run-plays.ts'

/** `runbook apply` and `runbook check`. */
export async function applyCommand(
  mode: 'apply' | 'check',
  paths: readonly string[],
  options: RunningOptions,
): Promise<number> {
  const { plays, extra } = await loadRun(paths, options)
  return runPlays(mode, plays, paths, extra, options)
}

/** `runbook validate`: everything that can be wrong without a host. */
export async function validateCommand(paths: readonly string[], options: RunningOptions): Promise<number> {
  const { plays } = await loadRun(paths, options)
  const sum = (of: (play: ReadyPlay) => number) => plays.reduce((total, play) => total + of(play), 0)
  const tasks = sum(({ queue }) => queue.handlersFrom)
  const handlers = sum(({ queue }) => queue.entries.length) - tasks
  const hosts = new Set(plays.flatMap((p) => p.hosts.map((h) => h.target.name))).size
  const parts = [
    plural(plays.length, 'play'),
    plural(tasks, 'task'),
    plural(handlers, 'handler'),
    plural(hosts, 'host'),
  ]
  console.log(`valid: ${parts.join(', ')}`)
  return 0
}
