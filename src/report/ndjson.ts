import type { Reporter } from './events.ts'
import type { Output } from './output.ts'

/** One event a line, as schemas/events.schema.json describes them; `progress` is for live display only and left out. */
export function ndjsonReporter(output: Output): Reporter {
  return {
    report(event) {
      if (event.event !== 'progress') output.write(`${JSON.stringify(event)}\n`)
    },
    end: () => output.flush(),
  }
}
