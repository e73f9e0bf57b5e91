import { Channel } from '../host/channel.ts'
import { type Answers, Conversation } from '../host/conversation.ts'
import { type Facts, factsOf, type QuickFacts, quickFacts, type SlowFacts, slowFacts } from '../host/facts.ts'
import type { Become } from '../host/open.ts'
import type { Read } from '../host/read.ts'
import { ConnectError, type Connection } from '../transport/stream.ts'
import { UnknownValue } from '../unknown.ts'
import { factsWanted } from './instance.ts'

/** A host's connection, the shells on it, one for each user, and the streams to addresses; opened when they are first
 * needed, kept for the run. */
export class HostLink {
  readonly #connect: () => Promise<Connection>
  readonly #become: (user: string) => Become | undefined
  readonly #facts = new Map<string, Facts>()
  /** Undefined for a user whose slow facts something looked at before they were asked for. */
  readonly #slow = new Map<string, SlowFacts | undefined>()
  readonly #talks = new Map<string, Promise<Conversation>>()
  readonly #open = new Set<Conversation>()
  readonly #killed: Promise<never>
  #interrupt: (e: ConnectError) => void = () => {}
  #connection: Promise<Connection> | undefined
  /** What calls go by, whoever the user is. */
  #channel: Channel | undefined
  #stopped = false
  /** Round trips of shells that are gone. */
  #freed = 0

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
    return [...this.#open].reduce((sum, talk) => sum + talk.trips, this.#freed)
  }

  /** Whether there are facts to ask for as that user. */
  lacksFacts(user: string): boolean {
    return !this.#facts.has(user) || (this.#slow.has(user) && this.#slow.get(user) === undefined)
  }

  /** Asks as that user. The first time it opens the shell, and sends its facts and these reads ahead of it.
   * @param all also the facts that take programs of their own; without it they are asked for once something looked at them.
   * @throws ConnectError, SessionLost */
  async ask(user: string, reads: readonly Read[], all: boolean): Promise<Answers> {
    const talk = await this.talk(user)
    const quick = !this.#facts.has(user)
    const slow = this.#slow.get(user) === undefined && (all || this.#slow.has(user))
    const asked = talk.ask([...reads, ...(quick ? [quickFacts] : []), ...(slow ? [slowFacts] : [])])
    const answers = await asked.catch((e) => this.#failed(user, talk, e))
    if (slow) this.#slow.set(user, answers.get(slowFacts.key) as SlowFacts)
    if (quick)
      this.#facts.set(
        user,
        factsOf(answers.get(quickFacts.key) as QuickFacts, () => this.#slowFacts(user)),
      )
    return answers
  }

  /** A user that is not there yet may be there later. */
  #failed(user: string, talk: Conversation, e: unknown): never {
    if (e instanceof ConnectError && e.reason === 'no-user') {
      this.#talks.delete(user)
      this.#open.delete(talk)
    }
    throw e
  }

  #slowFacts(user: string): SlowFacts {
    const known = this.#slow.get(user)
    if (known) return known
    this.#slow.set(user, undefined)
    throw new UnknownValue(factsWanted)
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

  /** Ends the shell of a user; it is opened again when something is asked as him. */
  async free(user: string): Promise<void> {
    const talk = await this.#talks.get(user)
    if (!talk) return
    this.#talks.delete(user)
    this.#open.delete(talk)
    this.#freed += talk.trips
    await talk.close()
  }

  async #openTalk(user: string): Promise<Conversation> {
    this.#connection ??= this.#connect()
    const connection = await Promise.race([this.#connection, this.#killed])
    this.#channel ??= new Channel(connection)
    const talk = await Conversation.open(connection, user === '' ? undefined : this.#become(user), this.#channel)
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
    this.#channel?.close()
    // one that is still being made is not waited for
    const pending = new Promise<undefined>((resolve) => setImmediate(resolve, undefined))
    const connection = await Promise.race([this.#connection?.catch(() => undefined), pending])
    await connection?.close()
  }
}
