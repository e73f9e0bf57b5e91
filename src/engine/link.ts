import { type Answers, Conversation } from '../host/conversation.ts'
import { type Facts, factsRead } from '../host/facts.ts'
import type { Become } from '../host/open.ts'
import type { Read } from '../host/read.ts'
import { ConnectError, type Connection } from '../transport/stream.ts'

/** A host's connection and the shells on it, one for each user; opened when they are first needed, kept for the run. */
export class HostLink {
  readonly #connect: () => Promise<Connection>
  readonly #become: (user: string) => Become | undefined
  readonly #facts = new Map<string, Facts>()
  readonly #talks = new Map<string, Promise<Conversation>>()
  readonly #open = new Set<Conversation>()
  readonly #killed: Promise<never>
  #interrupt: (e: ConnectError) => void = () => {}
  #connection: Promise<Connection> | undefined
  #stopped = false

  /** @param become how to be that user; the empty name is the connection's own. */
  constructor(connect: () => Promise<Connection>, become: (user: string) => Become | undefined) {
    this.#connect = connect
    this.#become = become
    this.#killed = new Promise((_, reject) => {
      this.#interrupt = reject
    })
    this.#killed.catch(() => {})
  }

  facts(user: string): Facts | undefined {
    return this.#facts.get(user)
  }

  get trips(): number {
    return [...this.#open].reduce((sum, talk) => sum + talk.trips, 0)
  }

  /** Asks as that user. The first time it opens the shell, and sends its facts and these reads ahead of it.
   * @throws ConnectError, SessionLost */
  async ask(user: string, reads: readonly Read[]): Promise<Answers> {
    const talk = await this.talk(user)
    if (this.#facts.has(user)) return talk.ask(reads)
    const answers = await talk.ask([...reads, factsRead])
    this.#facts.set(user, answers.get(factsRead.key) as Facts)
    return answers
  }

  /** Starts connecting before anything is asked; whoever asks first hears of a failure. */
  connectAhead(): void {
    this.#connection ??= this.#connect()
    this.#connection.catch(() => {})
  }

  talk(user: string): Promise<Conversation> {
    const known = this.#talks.get(user)
    if (known) return known
    const opening = this.#openTalk(user)
    this.#talks.set(user, opening)
    return opening
  }

  async #openTalk(user: string): Promise<Conversation> {
    this.#connection ??= this.#connect()
    const talk = await Conversation.open(
      await Promise.race([this.#connection, this.#killed]),
      user === '' ? undefined : this.#become(user),
    )
    this.#open.add(talk)
    if (this.#stopped) talk.stop()
    return talk
  }

  /** No further step starts. */
  stop(): void {
    this.#stopped = true
    for (const talk of this.#open) talk.stop()
  }

  async close(): Promise<void> {
    await this.#end((talk) => talk.close())
  }

  /** Ends at once, with what runs on the host. */
  async kill(): Promise<void> {
    this.#interrupt(new ConnectError('lost', 'interrupted while connecting'))
    await this.#end((talk) => talk.kill())
  }

  async #end(end: (talk: Conversation) => Promise<void>): Promise<void> {
    await Promise.all([...this.#open].map(end))
    // one that is still being made is not waited for
    const pending = new Promise<undefined>((resolve) => setImmediate(resolve, undefined))
    const connection = await Promise.race([this.#connection?.catch(() => undefined), pending])
    await connection?.close()
  }
}
