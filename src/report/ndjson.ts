import type { Reporter } from './events.ts'
import type { Output } from './output.ts'

/** One event a line, as schemas/events.schema.json describes them. What is for live display only is left out; what commands
 * said is there when more is asked for than changes. */
export function ndjsonReporter(output: Output, options: { readonly verbose: number }): Reporter {
  return {
    report(event) {
      if (event.event === 'progress' || event.event === 'turn') return
      const shown = event.event === 'task' && options.verbose === 0 ? { ...event, said: undefined } : event
      output.write(`${escaped(JSON.stringify(shown))}\n`)
    },
    end: () => output.flush(),
  }
}

/** JSON escapes the control characters of ASCII; those beyond it, and what turns the direction of text, a terminal obeys
 * too. */
function escaped(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
