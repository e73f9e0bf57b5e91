import { hashOf } from '../formats/hash.ts'
import type { Answers } from '../host/conversation.ts'
import type { Effect } from '../host/effect.ts'
import type { Model } from '../host/model.ts'
import type { Read } from '../host/read.ts'
import { type Content, contentKind, type Sum, sumFor } from '../host/reads/content.ts'
import { type Entry, entryKind } from '../host/reads/entry.ts'
import { Unknown } from '../unknown.ts'

/** What is asked behind steps to see whether the host became what was predicted. */
export interface Verification {
  readonly reads: readonly Read[]
  /** The answers to keep, and the predictions that did not come true. */
  readonly check: (answers: Answers) => { readonly learnt: Answers; readonly wrong: readonly Wrong[] }
  /** What the learnt answers are to. */
  readonly learns: readonly Read[]
}

export interface Wrong {
  readonly read: Read
  readonly difference: string
}

/** Made of a model with planned steps. A file's content is asked for as its hash: what was sent need not come back. */
export function verificationOf(model: Model): Verification {
  const { predicted, unknown } = model.touched()
  const checks = predicted.map(({ read, answer }) => {
    const bytes = read.kind === contentKind ? (answer as Content).bytes : undefined
    return { read, answer, by: bytes === undefined ? read : sumFor(read.question as string, bytes), bytes }
  })
  const check = (answers: Answers) => {
    const learnt = new Map(answers)
    const wrong: Wrong[] = []
    for (const { read, answer, by, bytes } of checks) {
      // behind a step that failed not all is asked
      if (!answers.has(by.key)) continue
      const actual = answers.get(by.key)
      if (by === read) note(wrong, read, read.kind.difference(answer, actual))
      else if (bytes && (actual as Sum).sha256 === hashOf(bytes)) learnt.set(read.key, answer)
      else note(wrong, read, 'its content is not what was written')
    }
    return { learnt, wrong }
  }
  return {
    reads: [...checks.map((c) => c.by), ...unknown.filter((r) => !r.kind.sparing)],
    check,
    learns: [...predicted.map((p) => p.read), ...unknown],
  }
}

function note(wrong: Wrong[], read: Read, difference: string | undefined): void {
  if (difference !== undefined) wrong.push({ read, difference })
}

/** What a read is about, in words. */
export function subject(read: Read): string {
  const paths = read.kind.paths?.(read.question)
  if (read.kind.call) return read.kind.about(read.question)
  return paths?.join(', ') ?? read.key
}

/** Whether these effects touch the answer to that read; that something came or went inside a directory does not count. */
export function touches(model: Model, effects: readonly Effect[], read: Read): boolean {
  return lastTouching(model, [effects], read, false) === 0
}

/** Which of these groups of effects, one after another, is the last to touch the answer to that read; -1 for none.
 * @param exactly only where they say what the answer becomes. */
export function lastTouching(
  model: Model,
  groups: readonly (readonly Effect[])[],
  read: Read,
  exactly: boolean,
): number {
  return model.lastChange(groups, read, (before, after) => {
    if (after instanceof Unknown) return !exactly
    if (read.kind !== entryKind || before instanceof Unknown) return true
    const [was, is] = [(before as Entry).stat, (after as Entry).stat]
    // only what lies inside the directory came or went: it is the same one, of another time
    return !(is?.type === 'directory' && was?.id !== undefined && is.id === was.id && is.mtime !== was.mtime)
  })
}
