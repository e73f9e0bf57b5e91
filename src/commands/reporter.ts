import type { Reporter } from '../report/events.ts'
import { quietOutput } from '../report/output.ts'
import type { RunningOptions } from './options.ts'

/** The reporter that was asked for; live on a terminal, plain elsewhere. */
export async function reporterFor(options: RunningOptions, mode: 'apply' | 'check'): Promise<Reporter> {
  const { stdout, env } = process
  const kind = options.output ?? (stdout.isTTY && env.TERM !== 'dumb' ? 'pretty' : 'plain')
  const output = quietOutput(stdout)
  if (kind === 'ndjson') return (await import('../report/ndjson.ts')).ndjsonReporter(output)
  const color = !env.NO_COLOR && (stdout.isTTY || Boolean(env.FORCE_COLOR && env.FORCE_COLOR !== '0'))
  const lines = { color, verbose: options.verbose > 0, check: mode === 'check' }
  if (kind === 'pretty') return (await import('../report/pretty.ts')).prettyReporter(output, stdout, lines)
  return (await import('../report/plain.ts')).plainReporter(output, lines)
}
