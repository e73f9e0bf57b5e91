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
  const tasks = plays.reduce((sum, p) => sum + p.queue.entries.length, 0)
  const hosts = new Set(plays.flatMap((p) => p.hosts.map((h) => h.target.name))).size
  console.log(`valid: ${plays.length} plays, ${tasks} tasks and handlers, ${hosts} hosts`)
  return 0
}
