import { splitWords } from './formats/shell-words.ts'
import type { Content, Sum } from './host/reads/content.ts'
import { sumOf } from './host/reads/content.ts'
import type { Entry, Spot } from './host/reads/entry.ts'
import { parentOf } from './host/reads/entry.ts'
import type { Step } from './host/step.ts'
import { backupFile, makeDirectory, missingParents, type Place, placeOf, writeFile } from './host/steps/files.ts'
import { type Failure, fail } from './module.ts'
import { type Ownership, ownershipMissing, ownershipOfNew, ownershipSteps } from './ownership.ts'

/** A file that is to have exactly this content, owner and mode. */
export interface Placing {
  readonly at: Entry
  /** What is known of the content there: its hash, or itself. */
  readonly now: Sum | Content
  readonly bytes: Buffer
  readonly sha256?: string
  readonly want: Ownership
  /** Of the user, octal text. */
  readonly umask: string
  readonly follow?: boolean
  readonly backup?: boolean
  /** A command that looks at the new content, `%s` being its path. */
  readonly validate?: string | undefined
  /** Missing directories above it: `make` them, or they are `made` by steps before; otherwise they are an error. */
  readonly parents?: 'make' | 'made' | undefined
  /** The content must not be shown. */
  readonly secret?: boolean
}

/** The steps that place a file; none where it is so already. */
export function placeFile(p: Placing): Step[] | Failure {
  const place = placeOf(p.at, p.follow ?? false)
  if (place.stat?.type === 'directory') return fail(`${p.at.path} is a directory`)
  const blocked = inTheWay(place)
  if (blocked) return blocked
  const missing = missingParents(place)
  if (missing.length > 0 && p.parents === undefined)
    return fail(`the directory ${parentOf(place.path)} does not exist`, {
      hint: 'make it first: `file: { path: …, state: directory }`',
    })
  if (place.stat?.type === 'file' && isSame(p)) return ownershipSteps(place, p.want)
  const standard = 0o666 & ~Number.parseInt(p.umask, 8)
  const attributes = place.stat?.type === 'file' ? changed(place.stat, p.want) : ownershipOfNew(p.want, standard)
  const before = 'bytes' in p.now ? p.now.bytes : undefined
  const write = writeFile(place, p.bytes, attributes, {
    before,
    ...(p.validate === undefined ? {} : { validate: splitWords(p.validate) }),
  })
  const { diff: _, ...hidden } = write
  const parents = (p.parents === 'make' ? missing : []).map((m) =>
    makeDirectory(m, ownershipOfNew({}, 0o777 & ~Number.parseInt(p.umask, 8), true)),
  )
  return [...parents, ...(p.backup && place.stat ? [backupFile(place)] : []), p.secret ? hidden : write]
}

/** Why nothing can be at a place. */
export function inTheWay({ path, anchor, obstacle }: Place & Spot): Failure | undefined {
  if (obstacle === 'not-a-directory') return fail(`${anchor} is in the way of ${path} and is no directory`)
  if (obstacle === 'loop') return fail(`${path} is where a link leads that leads to itself`)
  if (obstacle === 'denied') return fail(`the directory ${anchor} may not be entered`, { hint: '`become: true`' })
  return undefined
}

function isSame({ now, bytes, sha256 }: Placing): boolean {
  if ('bytes' in now) return now.bytes?.equals(bytes) ?? false
  return now.sha256 === (sha256 ?? sumOf(bytes))
}

function changed(stat: NonNullable<Entry['stat']>, want: Ownership) {
  const { owner, group, mode } = ownershipMissing(stat, want)
  return { owner, group, mode: mode ?? stat.mode }
}
