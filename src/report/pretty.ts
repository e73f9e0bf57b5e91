import { Listr } from 'listr2'
import type { Event, Reporter } from './events.ts'
import { type LineOptions, linesOf } from './lines.ts'
import type { Output, TextStream } from './output.ts'
import { clip, plural, safeLine } from './screen-text.ts'

const mostRows = 20

interface Row {
  readonly host: string
  doing: string
  done: number
  ended: (() => void) | undefined
}

/** A live row for every host while a play runs, above it what changed and failed; the recap at the end. */
export function prettyReporter(output: Output, stream: TextStream, options: LineOptions): Reporter {
  let live: Live | undefined
  let last: Promise<unknown> = Promise.resolve()
  const tell = (event: Event) => {
    const lines = linesOf(event, options)
    if (lines.length > 0) live?.held.push(...lines)
  }
  const finish = () => {
    const ending = live
    live = undefined
    if (!ending) return
    last = last.then(async () => {
      for (const line of await ending.end()) output.write(`${line}\n`)
    })
  }
  return {
    report(event) {
      if (event.event === 'play') {
        finish()
        for (const line of linesOf(event, options)) last = last.then(() => output.write(`${line}\n`))
        live = new Live(event.hosts, event.tasks.length, stream)
      } else if (event.event === 'recap') {
        finish()
        for (const line of linesOf(event, options)) last = last.then(() => output.write(`${line}\n`))
      } else {
        live?.note(event)
        tell(event)
      }
    },
    async end() {
      finish()
      await last
      await output.flush()
    },
  }
}

/** The rows of one play, drawn by listr2. What is told meanwhile is held until they are gone. */
class Live {
  readonly held: string[] = []
  readonly #rows = new Map<string, Row>()
  readonly #tasks: number
  readonly #columns: number
  readonly #drawn: Promise<unknown>

  constructor(hosts: readonly string[], tasks: number, stream: TextStream) {
    this.#tasks = tasks
    this.#columns = stream.columns ?? 80
    for (const host of hosts) this.#rows.set(host, { host, doing: 'connecting', done: 0, ended: undefined })
    const shown = [...this.#rows.values()].slice(0, mostRows)
    const more = hosts.length - shown.length
    const list = new Listr(
      shown.map((row) => ({
        title: this.#title(row),
        task: (_: unknown, task: { title: string }) =>
          new Promise<void>((resolve) => {
            const timer = setInterval(() => {
              task.title = this.#title(row)
            }, 100)
            row.ended = () => {
              clearInterval(timer)
              task.title = this.#title(row)
              resolve()
            }
          }),
      })),
      {
        concurrent: true,
        rendererOptions: { clearOutput: true, collapseErrors: false },
        registerSignalListeners: false,
      },
    )
    if (more > 0) this.held.push(`(${plural(more, 'more host')} without a row)`)
    this.#drawn = list.run()
  }

  note(event: Event): void {
    if (event.event !== 'task' && event.event !== 'progress' && event.event !== 'host') return
    const row = this.#rows.get(event.host)
    if (!row) return
    if (event.event === 'progress') row.doing = `${event.task}: ${event.step}`
    else if (event.event === 'task') {
      row.done += 1
      row.doing = event.task
    } else row.doing = event.status
  }

  async end(): Promise<string[]> {
    // listr2 starts its tasks in a later turn
    await new Promise((r) => setImmediate(r))
    for (const row of this.#rows.values()) row.ended?.()
    await this.#drawn
    return this.held
  }

  #title(row: Row): string {
    const text = `${row.host}  ${Math.min(row.done, this.#tasks)}/${this.#tasks}  ${row.doing}`
    return clip(safeLine(text), Math.max(20, this.#columns - 4))
  }
}
