import { Unknown } from '../unknown.ts'
import type { Effect, EntryOf } from './effect.ts'
import type { Read } from './read.ts'
import { type Entry, entry, entryKind } from './reads/entry.ts'

interface Known {
  readonly read: Read
  readonly answer: unknown
}

/** What is known of a host: the answers it gave, overlaid with the effects of the steps planned since. */
export class Model {
  #base = new Map<string, Known>()
  #log: Effect[] = []
  /** By read key what an entry is after each effect, as far as it was asked. */
  #entries = new Map<string, (Entry | Unknown)[]>()
  /** Answers worked out so far, each with how many effects it holds. */
  #now = new Map<string, { upTo: number; answer: unknown }>()

  /** Whether the host has answered this, whatever planned steps make of the answer. */
  has(read: Read): boolean {
    return this.#base.has(read.key)
  }

  /** The answer as it will be after the planned steps; undefined where it was never asked, `Unknown` where a step makes it so. */
  get<A>(read: Read<A>): A | Unknown | undefined {
    const base = this.#base.get(read.key)
    if (!base) return undefined
    // what only an apply may ask, and what holds for the run, no step changes
    if (base.answer instanceof Unknown || read.kind.sparing?.kept?.holds(base.answer as A)) return base.answer as A
    if (read.kind === entryKind) return this.#entryAfter(read.key, base.answer, this.#log.length) as A | Unknown
    let { upTo, answer } = this.#now.get(read.key) ?? { upTo: 0, answer: base.answer }
    if (upTo < this.#log.length) {
      for (; upTo < this.#log.length; upTo++) {
        const at = upTo
        answer = this.#log[at]!.change(read, answer, (path) => this.#knownEntry(path, at))
      }
      this.#now.set(read.key, { upTo, answer })
    }
    return answer as A | Unknown
  }

  /** Whether a planned step brings an answer, or may, where there was none. */
  brings(read: Read): boolean {
    const base = this.#base.get(read.key)
    return base !== undefined && base.answer === undefined && this.get(read) !== undefined
  }

  /** A planned step's effects, in order. */
  add(effects: readonly Effect[]): void {
    this.#log.push(...effects)
  }

  get planned(): number {
    return this.#log.length
  }

  /** Forgets the effects planned after that many. */
  takeBack(planned: number): void {
    if (planned === this.#log.length) return
    this.#log.length = planned
    this.#now.clear()
    for (const history of this.#entries.values()) history.length = Math.min(history.length, planned + 1)
  }

  learn(reads: readonly Read[], answers: ReadonlyMap<string, unknown>): void {
    for (const read of reads) {
      if (!answers.has(read.key)) continue
      this.#base.set(read.key, { read, answer: answers.get(read.key) })
      this.#now.delete(read.key)
      this.#entries.delete(read.key)
    }
  }

  /** What the planned steps touch: the reads whose answers they predict, and those they make unknown. */
  touched(): { readonly predicted: readonly (Known & { answer: unknown })[]; readonly unknown: readonly Read[] } {
    const predicted: Known[] = []
    const unknown: Read[] = []
    for (const { read, answer } of this.#base.values()) {
      const now = this.get(read)
      if (now === answer) continue
      if (now instanceof Unknown) unknown.push(read)
      else predicted.push({ read, answer: now })
    }
    return { predicted, unknown }
  }

  /** The planned steps were sent: what they touch is no longer known, until it is learnt again. */
  settle(): void {
    const { predicted, unknown } = this.touched()
    for (const r of [...predicted.map((p) => p.read), ...unknown]) this.#base.delete(r.key)
    this.#log = []
    this.#now.clear()
    this.#entries.clear()
  }

  /** Which of these groups of effects, each upon the ones before it, is the last to change the answer to a read, as
   * things were before all planned steps; -1 for none.
   * @param counts whether a change is one that matters. */
  lastChange(
    groups: readonly (readonly Effect[])[],
    read: Read,
    counts: (before: unknown, after: unknown) => boolean,
  ): number {
    const base = this.#base.get(read.key)
    if (base === undefined) return -1
    let answer = base.answer
    let last = -1
    for (const [i, effects] of groups.entries())
      for (const effect of effects) {
        const after = effect.change(read, answer instanceof Unknown ? base.answer : answer, this.#entryOf)
        if (after !== answer && after !== base.answer && counts(answer, after)) last = i
        answer = after
      }
    return last
  }

  /** An entry as it is after that many of the planned effects: a link may have been replaced by then. Undefined where that is
   * not known. */
  #knownEntry(path: string, effects: number): Entry | undefined {
    const { key } = entry(path)
    const base = this.#base.get(key)?.answer
    const now = base && this.#entryAfter(key, base, effects)
    return now instanceof Unknown ? undefined : (now as Entry | undefined)
  }

  #entryAfter(key: string, base: unknown, effects: number): Entry | Unknown {
    const history = this.#entries.get(key) ?? [base as Entry]
    this.#entries.set(key, history)
    for (let i = history.length - 1; i < effects; i++) {
      const now = history[i]!
      const asked = now instanceof Unknown ? undefined : entry(now.path)
      history.push(
        asked === undefined ? now : (this.#log[i]!.change(asked, now, () => now as Entry) as Entry | Unknown),
      )
    }
    return history[effects]!
  }

  readonly #entryOf: EntryOf = (path) => this.#base.get(entry(path).key)?.answer as Entry | undefined
}

/** The reads, and for all that is about paths the entries the model tells places by. */
export function withEntries(reads: readonly Read[]): Read[] {
  const all = new Map<string, Read>()
  for (const read of reads) {
    all.set(read.key, read)
    if (read.kind === entryKind) continue
    for (const path of read.kind.paths?.(read.question) ?? []) {
      const at = entry(path)
      all.set(at.key, at)
    }
  }
  return [...all.values()]
}
