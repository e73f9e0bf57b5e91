import type { Reporter } from './events.ts'
import { type LineOptions, teller } from './lines.ts'
import { drawRows, prepareToDraw } from './live.ts'
import type { Output, TextStream } from './output.ts'
import { PlayRows } from './rows.ts'
import { Screen } from './screen.ts'

const mostRows = 20

/** For a terminal: the lines of the plain reporter, and below them, while a play runs, live rows of its hosts.
 * @param streams all that lead to the terminal, the one to report on first. */
export async function prettyReporter(
  output: Output,
  streams: readonly [TextStream, ...TextStream[]],
  options: LineOptions,
): Promise<Reporter> {
  await prepareToDraw()
  const tell = teller(options)
  const screen = new Screen(...streams)
  let rows: PlayRows | undefined
  let ended: Promise<void> = Promise.resolve()
  let stop = async () => {}
  const begin = (shown: PlayRows) => {
    const began = ended.then(() => drawRows(shown, screen))
    stop = async () => (await began).stop()
  }
  const finish = () => {
    const last = stop
    stop = async () => {}
    rows = undefined
    ended = ended.then(last)
  }
  return {
    report(event) {
      if (event.event === 'recap' || event.event === 'play') finish()
      const lines = tell(event).map((line) => `${line}\n`)
      // rows may still be there: what is told goes above them
      output.write(lines.join(''))
      rows?.note(event)
      if (event.event !== 'play' || event.hosts.length === 0) return
      rows = new PlayRows(event, Math.max(1, Math.min(mostRows, (streams[0].rows ?? 24) - 4)))
      begin(rows)
    },
    async end() {
      finish()
      await ended
      await output.flush()
    },
  }
}
