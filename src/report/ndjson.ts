import type { Reporter } from './events.ts'
import type { Output } from './output.ts'

/** One event a line, as schemas/events.schema.json describes them. What is for live display only is left out; what commands
 * said is there when more is asked for than changes. */
export function ndjsonReporter(output: Output, options: { readonly verbose: number }): Reporter {
  return {
    report(event) {
      if (event.event === 'progress' || event.event === 'turn') return
      const shown = event.event === 'task' && options.verbose === 0 ? { ...event, said: undefined } : event
      output.write(`${JSON.stringify(shown)}\n`)
    },
    end: () => output.flush(),
  }
}
