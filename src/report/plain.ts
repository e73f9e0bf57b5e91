import type { Reporter } from './events.ts'
import { type LineOptions, teller } from './lines.ts'
import type { Output } from './output.ts'

/** Lines for logs and pipes: what changed, failed, or is not known; with `verbose` every task. */
export function plainReporter(output: Output, options: LineOptions): Reporter {
  const tell = teller(options)
  return {
    report(event) {
      for (const line of tell(event)) output.write(`${line}\n`)
    },
    end: () => output.flush(),
  }
}
