import type { TextStream } from './output.ts'

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is meant
const erasing = /^(?:\x1b\[2K|\x1b\[1A|\x1b\[G)*/
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is meant
const cursor = /\x1b\[\?25[hl]/g

type Stream = TextStream & { write: (...args: never[]) => boolean }

/** A terminal that shows rows below everything else that is written to it. While rows are drawn, what anybody writes to its
 * streams waits for the next drawing and goes above them. */
export class Screen {
  readonly #stream: Stream
  readonly #streams: readonly Stream[]
  readonly #own = new Map<Stream, Stream['write']>()
  #above = ''
  #drawn = 0

  /** @param streams all that lead to this terminal, the one for the rows first. */
  constructor(...streams: readonly [TextStream, ...TextStream[]]) {
    this.#streams = streams.filter((s) => s.isTTY) as Stream[]
    this.#stream = streams[0] as Stream
  }

  /** What draws rows writes here: each time what erases the rows before, then the new ones. */
  get rows(): object {
    const stream = this.#stream
    return {
      isTTY: true,
      get columns() {
        return stream.columns
      },
      get rows() {
        return stream.rows
      },
      write: (text: string) => this.#draw(text),
    }
  }

  /** Holds what is written from here on. */
  take(): void {
    if (this.#own.size > 0) return
    process.on('exit', this.#leave)
    for (const stream of this.#streams) {
      this.#own.set(stream, stream.write)
      stream.write = (...args: unknown[]) => this.#hold(args)
    }
    this.#write(hideCursor)
  }

  giveBack(): void {
    if (this.#own.size === 0) return
    process.off('exit', this.#leave)
    this.#write(this.#above + showCursor)
    this.#above = ''
    this.#drawn = 0
    for (const [stream, write] of this.#own) stream.write = write
    this.#own.clear()
  }

  /** The process ends while rows are drawn: they go, what is held is shown. */
  readonly #leave = () => {
    this.#write('\x1b[2K\x1b[1A'.repeat(this.#drawn) + (this.#drawn > 0 ? '\x1b[2K\x1b[G' : ''))
    this.giveBack()
  }

  #draw(text: string): boolean {
    const erase = erasing.exec(text)![0]
    const rows = text.slice(erase.length)
    this.#write(erase + this.#above + rows)
    this.#above = ''
    this.#drawn = rows.split('\n').length - 1
    return true
  }

  #hold(args: readonly unknown[]): boolean {
    const [chunk] = args
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString()
    this.#above += text.replace(cursor, '')
    const done = args.findLast((a) => typeof a === 'function') as (() => void) | undefined
    if (done) queueMicrotask(done)
    return true
  }

  #write(text: string): void {
    if (text !== '') (this.#own.get(this.#stream) ?? this.#stream.write).call(this.#stream, ...([text] as never[]))
  }
}
