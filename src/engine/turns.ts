import type { Answers } from '../host/conversation.ts'
import type { Read } from '../host/read.ts'

interface Turn {
  /** Settles when the one that asks now has its answer. */
  busy: Promise<void> | undefined
  /** The answer that refused. */
  refused: { readonly answer: unknown } | undefined
  readonly granted: Set<string>
}

/** Whose turn it is to ask what may be refused at a price, over all hosts of a run: of alike questions one goes first; when
 * it was granted those that are the same go too, when it was refused nobody asks again what was not granted. A PIN that is
 * wrong for an HSM is wrong from every host and out of every file, and each try brings its lock closer. */
export class Turns {
  readonly #turns = new Map<string, Turn>()
  /** Answers that hold for the rest of the run. */
  readonly #kept = new Map<string, unknown>()

  /** @param ask what is left to be asked of a host.
   * @throws what `ask` throws */
  async ask(reads: readonly Read[], ask: (reads: readonly Read[]) => Promise<Answers>): Promise<Answers> {
    const isKept = (read: Read) => this.#kept.has(keptAs(read) ?? '')
    const answers = new Map(
      await this.#inTurn(
        reads.filter((r) => !isKept(r)),
        async (left) => {
          const said = await ask(left)
          for (const read of left) {
            const mark = keptAs(read)
            if (mark !== undefined && !this.#kept.has(mark) && read.kind.sparing!.kept!.holds(said.get(read.key)))
              this.#kept.set(mark, said.get(read.key))
          }
          return said
        },
      ),
    )
    // also where another host was quicker
    for (const read of reads) if (isKept(read)) answers.set(read.key, this.#kept.get(keptAs(read)!))
    return answers
  }

  async #inTurn(reads: readonly Read[], ask: (reads: readonly Read[]) => Promise<Answers>): Promise<Answers> {
    const firsts = new Map<string, Read>()
    for (const read of reads) {
      const alike = alikeOf(read)
      if (alike !== undefined && !firsts.has(alike)) firsts.set(alike, read)
    }
    if (firsts.size === 0) return ask(reads)
    const mine: { readonly read: Read; readonly turn: Turn; readonly done: () => void }[] = []
    const instead = new Map<string, unknown>()
    const isLater = (read: Read) => (firsts.get(alikeOf(read) ?? '') ?? read) !== read
    let answers: Answers
    try {
      // in one order everywhere: nobody waits for who waits for him
      for (const [alike, read] of [...firsts].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const entered = await this.#enter(alike, sameOf(read))
        if ('done' in entered) mine.push({ read, ...entered })
        else instead.set(read.key, read.kind.sparing!.instead(entered.answer))
      }
      answers = await ask(reads.filter((r) => !instead.has(r.key) && !isLater(r)))
      for (const { read, turn } of mine) {
        const outcome = read.kind.sparing!.outcome(answers.get(read.key))
        if (outcome === 'granted') turn.granted.add(sameOf(read))
        else if (outcome === 'refused') turn.refused ??= { answer: answers.get(read.key) }
      }
    } finally {
      for (const { done } of mine) done()
    }
    const later = reads.filter(isLater)
    return new Map([...answers, ...instead, ...(later.length > 0 ? await this.#inTurn(later, ask) : [])])
  }

  /** Waits until nobody asks the like, unless the same was granted already.
   * @returns the answer that refused the like, where there was one. */
  async #enter(
    alike: string,
    same: string,
  ): Promise<{ readonly turn: Turn; readonly done: () => void } | { readonly answer: unknown }> {
    const turn = this.#turns.get(alike) ?? { busy: undefined, refused: undefined, granted: new Set() }
    this.#turns.set(alike, turn)
    while (turn.busy && !turn.granted.has(same)) await turn.busy
    if (turn.refused && !turn.granted.has(same)) return turn.refused
    return { turn, done: takeTurn(turn) }
  }
}

const sameOf = (read: Read): string => read.kind.sparing!.same(read.question)

function keptAs({ kind, question }: Read): string | undefined {
  const mark = kind.sparing?.kept?.as(question)
  return mark === undefined ? undefined : `${kind.name} ${mark}`
}

const alikeOf = (read: Read): string | undefined => read.kind.sparing?.alike(read.question)

function takeTurn(turn: Turn): () => void {
  if (turn.busy) return () => {}
  let end = () => {}
  turn.busy = new Promise((resolve) => {
    end = resolve
  })
  return () => {
    turn.busy = undefined
    end()
  }
}
