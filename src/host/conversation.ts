import type { Connection } from '../transport/stream.ts'
import { toBytes } from './bytes.ts'
import { runCall } from './call.ts'
import { Channel } from './channel.ts'
import { type Become, openSession, startFailure } from './open.ts'
import { askCalls, composeRequest, type Read } from './read.ts'
import { parseCaptured, stepScript, stepScripts } from './script.ts'
import { notStarted, type ScriptEnd, type Session, SessionLost } from './session.ts'
import { type Shell, shellWith } from './shell.ts'
import { neverStarted, type ShellStep, type Step, type StepEnd } from './step.ts'

export type Answers = ReadonlyMap<string, unknown>

/** A step to run, with what the engine wants to know of it. */
export interface Order {
  readonly step: Step
  /** Seconds. */
  readonly timeout: number | undefined
  readonly onStart?: () => void
}

/** What is asked of a host and told to it, as one user. All that the shell does goes down one session, in order, without
 * waiting; calls go beside it. */
export class Conversation {
  readonly #session: Session
  readonly #become: Become | undefined
  readonly #channel: Channel
  readonly #killed = new AbortController()
  #stopped = false
  #trips = 0
  /** Nothing was waited for yet: what is sent still goes ahead of the shell. */
  #ahead = true
  /** A step failed, and nothing was asked since. */
  #halted = false

  private constructor(session: Session, become: Become | undefined, channel: Channel) {
    this.#session = session
    this.#become = become
    this.#channel = channel
  }

  /** @param channel what calls go by; it is not closed with the conversation.
   * @throws ConnectError */
  static async open(
    connection: Connection,
    become?: Become,
    channel: Channel = new Channel(connection),
  ): Promise<Conversation> {
    return new Conversation(await openSession(connection, become), become, channel)
  }

  /** Round trips since the shell was opened: its replies that were waited for, except those to what was sent ahead. */
  get trips(): number {
    return this.#trips
  }

  /** @throws ConnectError, SessionLost */
  async ask(reads: readonly Read[]): Promise<Answers> {
    return joined(await Promise.all([this.#askShell(reads), askCalls(reads, this.#channel)]))
  }

  /** Runs steps in order and asks behind them; what the shell does of it is one trip where no call comes between. The first
   * step that fails stops those behind it; what is read by the shell is answered all the same, calls are not made: they may
   * wait long for what was not done. `ends` settle one by one; they reject, with
   * a ConnectError, only where the shell never started. */
  apply(orders: readonly Order[], reads: readonly Read[]): { ends: Promise<StepEnd>[]; answers: Promise<Answers> } {
    if (!orders.some((o) => o.step.call) && !reads.some((r) => r.kind.call)) {
      const sent = this.#applyShell(orders, reads)
      void Promise.all(sent.ends).then(
        () => this.#channel.renew(),
        () => {},
      )
      return sent
    }
    const slots = orders.map(newSlot)
    const answers = this.#applyInTurn(slots, reads)
    answers.catch((e: Error) => {
      for (const { reject } of slots) reject(e)
    })
    return { ends: slots.map((s) => s.end), answers }
  }

  /** Steps of the shell and calls alternate, each once those before have ended. */
  async #applyInTurn(slots: readonly Slot[], reads: readonly Read[]): Promise<Answers> {
    const parts = alternating(slots)
    let behind: Promise<Answers> | undefined
    let going = true
    for (const part of parts) {
      if (going && part[0]!.order.step.call) going = await this.#callAll(part)
      else if (going) {
        const last = part === parts.at(-1)
        const sent = this.#applyShell(
          part.map((s) => s.order),
          last ? reads.filter((r) => !r.kind.call) : [],
        )
        for (const [i, { follow }] of part.entries()) follow(sent.ends[i]!)
        going = (await Promise.all(sent.ends)).every((end) => end.outcome === 'done')
        this.#channel.renew()
        if (last) behind = sent.answers
      } else for (const { follow } of part) follow(Promise.resolve(neverStarted))
    }
    const calls = going ? askCalls(reads, this.#channel) : new Map()
    return joined(await Promise.all([behind ?? this.#askShell(reads), calls]))
  }

  /** @returns whether all are done. */
  async #callAll(slots: readonly Slot[]): Promise<boolean> {
    let going = true
    for (const { order, follow } of slots) {
      const end: StepEnd =
        going && !this.#stopped ? await runCall(order, this.#channel, this.#killed.signal) : neverStarted
      follow(Promise.resolve(end))
      going = end.outcome === 'done'
    }
    return going
  }

  async #askShell(reads: readonly Read[]): Promise<Answers> {
    const shell = reads.filter((r) => !r.kind.call)
    return shell.length === 0 ? new Map() : this.#waited(this.#send(shell))
  }

  #applyShell(
    orders: readonly Order[],
    reads: readonly Read[],
  ): { ends: Promise<StepEnd>[]; answers: Promise<Answers> } {
    if (this.#halted) this.#session.run(':').catch(() => {})
    this.#halted = false
    const ends = inScripts(orders).flatMap((part) =>
      part.length === 1 ? [this.#run(part[0]!)] : this.#runTogether(part),
    )
    for (const end of ends) end.catch(() => {})
    const answers = reads.length === 0 ? Promise.all(ends).then((all) => this.#halt(all)) : this.#send(reads)
    const waited = this.#waited(answers)
    waited.catch(() => {})
    return { ends, answers: waited }
  }

  /** After a failure the host starts no step until it was asked something. */
  #halt(ends: readonly StepEnd[]): Answers {
    this.#halted = ends.some((end) => end.outcome !== 'done')
    return new Map()
  }

  /** No further step starts. */
  stop(): void {
    this.#stopped = true
    this.#session.stop()
  }

  async close(): Promise<void> {
    await this.#session.close()
  }

  /** Ends at once, with what runs on the host. */
  async kill(): Promise<void> {
    this.#killed.abort()
    await this.#session.kill()
  }

  async #send(reads: readonly Read[]): Promise<Answers> {
    const request = composeRequest(reads, (bytes) => this.#session.blob(bytes))
    const end = await this.#session.run(request.script)
    return request.parse(end.output)
  }

  #run({ step, timeout, onStart }: Order): Promise<StepEnd> {
    const script = `${stepScript(step as ShellStep, this.#shell)}\nexit $e`
    const limit = timeout ?? step.timeout
    return this.#endOf(step, this.#session.step(toBytes(script), limit, onStart), limit)
  }

  #runTogether(orders: readonly Order[]): Promise<StepEnd>[] {
    const scripts = stepScripts(
      orders.map((o) => o.step as ShellStep),
      this.#shell,
    )
    const ends = this.#session.steps(
      orders.map(({ step, onStart }, i) => ({ text: toBytes(scripts[i]!), onStart, looks: step.looks })),
    )
    return orders.map(({ step }, i) => this.#endOf(step, ends[i]!))
  }

  get #shell(): Shell {
    return shellWith((bytes) => this.#session.blob(bytes))
  }

  async #endOf(step: Step, ended: Promise<ScriptEnd>, limit?: number): Promise<StepEnd> {
    try {
      const end = await ended
      return { ...stepEnd(step, end), ...(end.timedOut ? { limit } : {}) }
    } catch (e) {
      if (!(e instanceof SessionLost)) throw e
      // a shell that ended by itself started nothing; one that fell silent may have
      if (!this.#session.started && e.code !== undefined) throw startFailure(e, this.#become)
      return { outcome: 'lost', status: undefined, stdout: none, stderr: Buffer.from(e.message), ms: 0 }
    }
  }

  async #waited<T>(reply: Promise<T>): Promise<T> {
    const ahead = this.#ahead
    if (ahead)
      queueMicrotask(() => {
        this.#ahead = false
      })
    else this.#trips++
    try {
      return await reply
    } catch (e) {
      if (e instanceof SessionLost && !this.#session.started) throw startFailure(e, this.#become)
      throw e
    }
  }
}

/** An order whose end is not known yet. */
interface Slot {
  readonly order: Order
  readonly end: Promise<StepEnd>
  readonly follow: (end: Promise<StepEnd>) => void
  readonly reject: (e: Error) => void
}

function newSlot(order: Order): Slot {
  let slot: Omit<Slot, 'order' | 'end'> | undefined
  const end = new Promise<StepEnd>((resolve, reject) => {
    slot = { follow: resolve, reject }
  })
  // who waits for the answers hears of it
  end.catch(() => {})
  return { order, end, ...slot! }
}

/** Steps of the shell in a row, and calls in a row. */
function alternating(slots: readonly Slot[]): Slot[][] {
  const parts: Slot[][] = []
  for (const slot of slots) {
    const before = parts.at(-1)?.[0]?.order.step
    if (before && Boolean(before.call) === Boolean(slot.order.step.call)) parts.at(-1)!.push(slot)
    else parts.push([slot])
  }
  return parts
}

function joined(all: readonly Answers[]): Answers {
  return new Map(all.flatMap((answers) => [...answers]))
}

/** Bytes of files that one script waits for before it starts. */
const mostTogether = 600_000

/** Steps in a row that share a script: starting one takes longer than most of them. */
function inScripts(orders: readonly Order[]): Order[][] {
  const scripts: Order[][] = []
  let room = 0
  for (const order of orders) {
    const { step, timeout } = order
    const alone = !step.inline || (timeout ?? step.timeout) !== undefined
    const size = 1000 + (step.file?.bytes.length ?? 0)
    if (alone || size > room) scripts.push([order])
    else scripts.at(-1)!.push(order)
    room = alone ? 0 : size > room ? mostTogether - size : room - size
  }
  return scripts
}

const none = Buffer.alloc(0)

function stepEnd(step: Step, end: ScriptEnd): StepEnd {
  const outcome = end.timedOut
    ? 'timed-out'
    : end.status === notStarted && end.output.length === 0
      ? 'not-started'
      : end.status === 0
        ? 'done'
        : 'failed'
  const output = step.captured ? parseCaptured(end.output) : { stdout: none, stderr: end.output }
  return { outcome, status: end.status, ms: end.ms, ...output }
}
