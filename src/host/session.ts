import { randomBytes } from 'node:crypto'
import type { CommandStream } from '../transport/stream.ts'
import { scriptHead } from './bootstrap.ts'
import { fromBytes } from './bytes.ts'

/** The end of one script: its exit status and all it wrote on fd 3. */
export interface ScriptEnd {
  readonly status: number
  /** Milliseconds, as this end saw it. */
  readonly ms: number
  readonly timedOut: boolean
  readonly output: Buffer
}

/** The stream ended where an answer was due: nothing is known of what ran then. */
export class SessionLost extends Error {
  readonly code: number | undefined
  constructor(message: string, code: number | undefined) {
    super(message)
    this.code = code
  }
}

export function newNonce(): string {
  return randomBytes(16).toString('hex')
}

/** Seconds within which the loop has to say that it is there. */
const patience = 30
/** Seconds that ending it may take; after that the stream is cut. */
const grace = 4

/** The longest noise before the loop's first line that is waited for, in bytes. */
const longestNoise = 1 << 20

const lineBreak = Buffer.from('\n')

/** No line that ends a script is longer. */
const longestMark = 128

/** Why the loop ended by itself, by its exit code (bootstrap.ts). */
const endings: Readonly<Record<number, string>> = {
  93: 'the shell on the host was killed',
  94: 'there is no room for what was sent: TMPDIR or /tmp on the host is full',
  95: 'no FIFO can be made in TMPDIR or /tmp on the host',
  96: 'neither `dd` nor `head` on the host reads exactly',
  97: 'no private directory can be made in TMPDIR or /tmp on the host',
  129: 'the shell on the host was told to end',
}

/** Whether an exit code is one that the loop itself ends with. */
export function isLoopEnding(code: number): boolean {
  return code in endings
}

/** The status of a step that was passed over. */
export const notStarted = 98

const passedOver: ScriptEnd = { status: notStarted, ms: 0, timedOut: false, output: Buffer.alloc(0) }

interface Pending {
  readonly name: string
  /** The script that it is a part of, the one that says last that it ended. */
  readonly script: string
  readonly timeout: number | undefined
  readonly onStart: (() => void) | undefined
  started: number
  timer: NodeJS.Timeout | undefined
  timedOut: boolean
  readonly resolve: (end: ScriptEnd) => void
  readonly reject: (e: Error) => void
}

/** The controller's end of the loop in bootstrap.ts. Frames are sent ahead freely; scripts end in the order they were sent. */
export class Session {
  readonly #stream: CommandStream
  readonly #nonce: string
  #queue: Pending[] = []
  #received: Buffer[] = []
  /** The end of what was received: marks are looked for in it and what comes next. */
  #tail: Buffer = Buffer.alloc(0)
  #started = false
  #lost: SessionLost | undefined
  #count = 0
  readonly ready: Promise<void>
  #markReady: () => void = () => {}
  #markFailed: (e: Error) => void = () => {}

  constructor(stream: CommandStream, nonce: string, startTimeout = patience) {
    this.#stream = stream
    this.#nonce = nonce
    this.ready = new Promise((resolve, reject) => {
      this.#markReady = resolve
      this.#markFailed = reject
    })
    // who never awaits `ready` hears of the loss from the scripts
    this.ready.catch(() => {})
    stream.output.on('data', (data: Buffer) => this.#receive(data))
    stream.output.on('error', () => {})
    const late = setTimeout(() => {
      this.#lose(undefined, `the login shell did not start it within ${startTimeout} s${this.#noise()}`)
      stream.destroy()
    }, startTimeout * 1000)
    this.ready.finally(() => clearTimeout(late)).catch(() => {})
    void stream.ended.then(({ code }) => this.#lose(code))
  }

  /** Whether the loop on the host has said anything. */
  get started(): boolean {
    return this.#started
  }

  /** Stores bytes on the host; gives the file's path as a shell word for scripts of this session. */
  blob(bytes: Buffer): string {
    const name = `b${++this.#count}`
    this.#send('b', name, bytes)
    return `"$d/${name}"`
  }

  /** Queues steps that share a script, each a text that leaves its status in $e. As for `step`, and none has a time limit.
   * One that leaves $j set is done together with the next: no order to stop comes between. One that only looks holds up
   * no other that looks when it fails. */
  steps(
    parts: readonly {
      readonly text: Buffer
      readonly onStart?: (() => void) | undefined
      readonly looks?: true | undefined
    }[],
  ): Promise<ScriptEnd>[] {
    const name = `a${++this.#count}`
    const last = parts.length - 1
    const ends = parts.map(({ onStart }, i) =>
      this.#await({ name: i === last ? name : `${name}.${i}`, script: name, timeout: undefined, onStart }),
    )
    const between = (i: number) => {
      const [fails, goesOn] = parts[i]!.looks
        ? ['f=$e', parts[i + 1]!.looks ? '' : `test -z "$f" || exit ${notStarted}\n`]
        : ['exit $e', '']
      return `\ntest $e = 0 || ${fails}\nprintf '\\n%s\\n' "${this.#nonce} ${name}.${i} $e" >&3\n${goesOn}test ! -e "$d/x" || test -n "$j" || exit ${notStarted}\n`
    }
    const end = '\ntest -z "$f" || : >"$d/z"\nexit $e'
    this.#sendScript(
      name,
      Buffer.concat([
        Buffer.from('j= f=\n'),
        ...parts.flatMap(({ text }, i) => [text, Buffer.from(i === last ? end : between(i))]),
      ]),
    )
    return ends
  }

  /** Queues a script; it may use fd 3, $d, and blobs sent before.
   * @throws SessionLost (as a rejection) when the stream ends before the script did. */
  run(script: string | Buffer): Promise<ScriptEnd> {
    return this.#enqueue(`s${++this.#count}`, script)
  }

  /** Queues a step: passed over (status `notStarted`) when one before it failed since the last `run`, or after `stop`.
   * @param timeout seconds from its start, after which it is ended.
   * @param onStart called when the script before it has ended. */
  step(script: string | Buffer, timeout?: number, onStart?: () => void): Promise<ScriptEnd> {
    return this.#enqueue(`a${++this.#count}`, script, timeout, onStart)
  }

  #enqueue(name: string, script: string | Buffer, timeout?: number, onStart?: () => void): Promise<ScriptEnd> {
    const end = this.#await({ name, script: name, timeout, onStart })
    this.#sendScript(name, script)
    return end
  }

  #await(script: Pick<Pending, 'name' | 'script' | 'timeout' | 'onStart'>): Promise<ScriptEnd> {
    const end = new Promise<ScriptEnd>((resolve, reject) => {
      if (this.#lost) return reject(this.#lost)
      this.#queue.push({ ...script, resolve, reject, started: 0, timer: undefined, timedOut: false })
      if (this.#queue.length === 1) this.#begin()
    })
    // a session may be lost before its scripts are waited for
    end.catch(() => {})
    return end
  }

  #sendScript(name: string, script: string | Buffer): void {
    if (!this.#lost) this.#send('s', name, Buffer.concat([Buffer.from(scriptHead), Buffer.from(script)]))
  }

  /** The first of the queue runs now, as far as this end can tell. */
  #begin(): void {
    const first = this.#queue[0]
    if (!first || !this.#started) return
    first.started = performance.now()
    first.onStart?.()
    if (first.timeout === undefined) return
    first.timer = setTimeout(() => {
      first.timedOut = true
      this.#stream.input.write(`t ${first.name} 0\n`)
    }, first.timeout * 1000)
  }

  /** Tells scripts that look at $d/x to start no further step. */
  stop(): void {
    this.#stream.input.write('x\n')
  }

  /** Ends the loop when all that was queued is done. */
  async close(): Promise<void> {
    if (!this.#lost) this.#stream.input.end('q\n')
    await this.#ended()
  }

  /** Ends at once, and with it what runs on the host. */
  async kill(): Promise<void> {
    this.#lose(undefined, 'it was interrupted')
    this.#stream.input.end()
    await this.#ended()
  }

  async #ended(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, grace * 1000)
    })
    await Promise.race([this.#stream.ended, late])
    clearTimeout(timer)
    this.#stream.destroy()
  }

  #send(kind: 'b' | 's', name: string, bytes: Buffer): void {
    const head = Buffer.from(`${kind} ${name} ${bytes.length}\n`)
    // in one packet where it fits
    if (bytes.length < 30_000) this.#stream.input.write(Buffer.concat([head, bytes, lineBreak]))
    else for (const part of [head, bytes, lineBreak]) this.#stream.input.write(part)
  }

  #receive(data: Buffer): void {
    if (this.#lost) return
    this.#received.push(data)
    // each byte is looked at once, however much a script says
    const near = Buffer.concat([this.#tail, data])
    this.#tail = near.subarray(-longestMark)
    if (!this.#started && !this.#start()) return
    if (near.includes(this.#nonce)) this.#takeEnds()
  }

  #takeEnds(): void {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const end = this.#takeEnd()
      if (!end) return
      const { name, status, output } = end
      this.#queue.shift()
      clearTimeout(next.timer)
      next.resolve({ status, output, ms: performance.now() - next.started, timedOut: next.timedOut })
      // a script that ended at one of its parts did not come to the others
      while (name === next.script && this.#queue[0]?.script === name) this.#queue.shift()!.resolve(passedOver)
      this.#begin()
    }
  }

  #start(): boolean {
    const all = Buffer.concat(this.#received)
    const mark = Buffer.from(`${this.#nonce}\n`)
    const at = all.indexOf(mark)
    this.#received = at === -1 ? [all.subarray(-longestNoise)] : [all.subarray(at + mark.length)]
    if (at === -1) return false
    this.#started = true
    this.#markReady()
    this.#begin()
    return true
  }

  #takeEnd(): { name: string; status: number; output: Buffer } | undefined {
    const all = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received)
    this.#received = [all]
    const mark = Buffer.from(`\n${this.#nonce} `)
    const at = all.indexOf(mark)
    const close = at === -1 ? -1 : all.indexOf(10, at + mark.length)
    if (close === -1) return undefined
    this.#received = [all.subarray(close + 1)]
    const [name, status] = all
      .subarray(at + mark.length, close)
      .toString('latin1')
      .split(' ')
    return { name: name!, status: Number(status), output: all.subarray(0, at) }
  }

  /** What a login said instead of starting the loop. */
  #noise(): string {
    const text = fromBytes(Buffer.concat(this.#received).subarray(-500)).trim()
    return text === '' ? '' : `; it said: ${text}`
  }

  #lose(code: number | undefined, why?: string): void {
    if (this.#lost) return
    const said = fromBytes(Buffer.from(this.#stream.errors(), 'latin1')).trim()
    const own = code === undefined ? undefined : endings[code]
    const reason = own === undefined ? said || `the connection ended${this.#started ? '' : this.#noise()}` : own
    this.#lost = new SessionLost(why ?? (own === undefined || said === '' ? reason : `${own} (${said})`), code)
    this.#markFailed(this.#lost)
    for (const p of this.#queue) {
      clearTimeout(p.timer)
      p.reject(this.#lost)
    }
    this.#queue = []
  }
}
