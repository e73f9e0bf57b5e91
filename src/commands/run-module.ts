import { stringify } from 'yaml'
import { coerce } from '../language/coerce.ts'
import { loadRun, modulesFor } from './load.ts'
import type { RunningOptions } from './options.ts'
import { runPlays } from './run-plays.ts'
import { UsageError } from './usage-error.ts'

/** `runbook run MODULE key=value…`: a play of one task on the hosts of --limit. */
export async function runModuleCommand(
  module: string,
  parameters: readonly string[],
  options: RunningOptions & { check?: true },
): Promise<number> {
  if (options.limit === undefined) throw new UsageError('name the hosts with -l, `-l all` for every host')
  const pairs = parameters.map((p) => /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(p))
  const free = pairs.some((p) => p === null)
  const schema = (await modulesFor(['.'])).get(module)?.params.properties ?? {}
  const value = free
    ? parameters.join(' ')
    : Object.fromEntries(pairs.map((p) => [p![1], coerce(p![2], schema[p![1]!] ?? {}, true)]))
  const task = { name: `run ${module}`, [module]: parameters.length === 0 ? null : value }
  const text = stringify([{ name: 'ad hoc', hosts: options.limit, tasks: [task] }])
  const { plays, extra } = await loadRun([{ path: 'command-line', text }], { ...options, limit: undefined } as never)
  const mode = options.check ? 'check' : 'apply'
  const verbose = Math.max(1, options.verbose)
  return runPlays(mode, plays, [], extra, { ...options, verbose, whole: true })
}
