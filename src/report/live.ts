import { createWritable, DefaultRenderer, Listr, ListrEventType, ListrLogger, ProcessOutput, Spinner } from 'listr2'
import type { PlayRows } from './rows.ts'
import type { Screen } from './screen.ts'

/** Loads what listr2 draws with, which it does by itself only when it first draws: a busy run would delay that by seconds. */
export async function prepareToDraw(): Promise<void> {
  const nowhere = createWritable(() => {}) as unknown as NodeJS.WriteStream
  const processOutput = new ProcessOutput(nowhere, nowhere)
  await new Listr([], {
    renderer: Rows,
    registerSignalListeners: false,
    rendererOptions: { logger: new ListrLogger({ processOutput }) },
  }).run()
}

/** Draws the rows of a play by listr2 until `stop`; resolves when they are gone. What stop gives rejects never.
 * Rows are drawn by the spinner's clock alone: listr2 would redraw all of them on every event. */
export function drawRows(rows: PlayRows, screen: Screen): { stop: () => Promise<void> } {
  const followers = new Set<() => void>()
  const list = new Listr(
    Array.from({ length: rows.count }, (_, i) => ({
      title: ' ',
      task: (_context: unknown, { task }: { task: { title?: string } }) =>
        new Promise<void>((resolve, reject) => {
          list.events.off(ListrEventType.SHOULD_REFRESH_RENDER)
          const follow = () => {
            const { text, state } = rows.row(i)
            task.title = text
            if (state === 'going') return
            followers.delete(follow)
            if (state === 'done') resolve()
            else reject(new Error(text))
          }
          followers.add(follow)
          follow()
        }),
    })),
    {
      renderer: Rows,
      concurrent: true,
      exitOnError: false,
      registerSignalListeners: false,
      rendererOptions: {
        clearOutput: true,
        collapseErrors: false,
        showErrorMessage: false,
        formatOutput: 'truncate',
        spinner: new Clock(() => {
          for (const follow of followers) follow()
        }),
        logger: new ListrLogger({ useIcons: true, processOutput: new Stage(screen) }),
      },
    },
  )
  // a terminal that went away is no failure of the run
  const drawn = list.run().catch(() => {})
  return {
    stop: async () => {
      rows.end()
      for (const follow of followers) follow()
      await drawn
    },
  }
}

/** Whether this is a terminal was asked before. */
class Rows extends DefaultRenderer {
  static override nonTTY = true
}

class Clock extends Spinner {
  readonly #tick: () => void

  constructor(tick: () => void) {
    super()
    this.#tick = tick
  }

  override start(draw: () => void): void {
    super.start(() => {
      this.#tick()
      draw()
    }, 100)
  }
}

/** listr2's way to the terminal, led over the screen. */
class Stage extends ProcessOutput {
  readonly #screen: Screen

  constructor(screen: Screen) {
    super()
    this.#screen = screen
  }

  override get stdout(): NodeJS.WriteStream {
    return this.#screen.rows as NodeJS.WriteStream
  }

  override hijack(): void {
    this.#screen.take()
  }

  override release(): void {
    this.#screen.giveBack()
  }
}
