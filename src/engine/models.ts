import type { Effect } from '../host/effect.ts'
import type { Facts } from '../host/facts.ts'
import { Model } from '../host/model.ts'
import type { Read } from '../host/read.ts'
import { account } from '../host/reads/account.ts'
import type { View } from './instance.ts'

/** What is known of one host, for each user that asks: the answers may differ, the planned steps are the same. */
export class Models {
  readonly #models = new Map<string, Model>()
  readonly #facts: (user: string) => Facts | undefined
  #log: Effect[] = []
  #kept = 0

  constructor(facts: (user: string) => Facts | undefined) {
    this.#facts = facts
  }

  of(user: string): Model {
    let model = this.#models.get(user)
    if (!model) {
      model = new Model()
      model.add(this.#log)
      this.#models.set(user, model)
    }
    return model
  }

  all(): Iterable<[user: string, model: Model]> {
    return this.#models
  }

  view(user: string): View {
    const model = this.of(user)
    return { has: (read) => model.has(read), get: (read) => model.get(read), facts: this.#facts(user) }
  }

  facts(user: string): Facts | undefined {
    return this.#facts(user)
  }

  /** The host says that there is no such user. */
  lacks(user: string): void {
    const reads = [account(user), account(user, true)]
    this.of('').learn(reads, new Map(reads.map((r) => [r.key, undefined])))
  }

  /** Whether there is no such user, planned steps taken into account. */
  isAbsent(user: string): boolean {
    const model = this.of('')
    return model.has(account(user)) && model.get(account(user)) === undefined
  }

  /** That a user who is not there yet will be, in words; undefined where no planned step makes him. */
  coming(user: string): string | undefined {
    for (const model of this.#models.values())
      for (const shadow of [false, true]) {
        if (model.brings(account(user, shadow))) return `the user ${user} is made`
      }
    return undefined
  }

  add(effects: readonly Effect[]): void {
    this.#log.push(...effects)
    for (const model of this.#models.values()) model.add(effects)
  }

  /** Forgets the planned steps, but for those that are kept. */
  takeBack(): void {
    this.#log.length = this.#kept
    for (const model of this.#models.values()) model.takeBack(this.#kept)
  }

  /** Nothing will be applied: what follows is planned upon what is planned so far. */
  keep(): void {
    this.#kept = this.#log.length
  }

  /** The planned steps were sent: what they touch is not known until it is learnt again. */
  settle(): void {
    this.#log = []
    for (const model of this.#models.values()) model.settle()
  }

  /** Time has passed: nothing is known but the facts. */
  forget(): void {
    this.#models.clear()
    this.#log = []
  }

  learn(user: string, reads: readonly Read[], answers: ReadonlyMap<string, unknown>): void {
    this.of(user).learn(reads, answers)
  }
}

/** Reads by user, each once. */
export class ReadsByUser {
  readonly #reads = new Map<string, Map<string, Read>>()

  add(user: string, reads: Iterable<Read>): void {
    const own = this.#reads.get(user) ?? new Map<string, Read>()
    for (const read of reads) own.set(read.key, read)
    this.#reads.set(user, own)
  }

  get users(): string[] {
    return [...this.#reads.keys()]
  }

  of(user: string): Read[] {
    return [...(this.#reads.get(user)?.values() ?? [])]
  }
}
