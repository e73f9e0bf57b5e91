import type { Reporter } from '../report/events.ts'
import { quietOutput } from '../report/output.ts'
import type { RunningOptions } from './options.ts'

/** The reporter that was asked for. Live rows need a terminal that can move its cursor, and somebody who looks at it. */
export async function reporterFor(options: RunningOptions, mode: 'apply' | 'check'): Promise<Reporter> {
  const { stdout, stderr, env } = process
  const terminal = stdout.isTTY && env.TERM !== 'dumb'
  const watched = terminal && !isSet(env.CI)
  const { verbose, whole = false } = options
  const kind = options.output ?? (watched ? 'pretty' : 'plain')
  const output = quietOutput(stdout)
  if (kind === 'ndjson') return (await import('../report/ndjson.ts')).ndjsonReporter(output, { verbose })
  const color = !env.NO_COLOR && (terminal || isSet(env.FORCE_COLOR))
  const lines = { color, verbose, whole, check: mode === 'check' }
  if (kind === 'pretty' && terminal)
    return (await import('../report/pretty.ts')).prettyReporter(output, [stdout, stderr], lines)
  return (await import('../report/plain.ts')).plainReporter(output, lines)
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false'].includes(value)
}
