import { type Failure, fail, type Plan } from './contract.ts'
import { hashOf } from './formats/hash.ts'
import { splitWords } from './formats/shell-words.ts'
import { fromBytes } from './host/bytes.ts'
import type { Content, Sum } from './host/reads/content.ts'
import type { Entry, Spot } from './host/reads/entry.ts'
import { parentOf } from './host/reads/entry.ts'
import type { Step } from './host/step.ts'
import {
  backupFile,
  copyFile,
  makeDirectory,
  missingParents,
  type Place,
  placeOf,
  writeFile,
} from './host/steps/files.ts'
import { attributesShown, type Ownership, ownershipMissing, ownershipOfNew, ownershipSteps } from './ownership.ts'
import { Unknown } from './unknown.ts'

/** A file that is to have exactly this content, owner and mode. */
export interface Placing {
  readonly at: Entry
  /** What is known of the content there: its hash, or itself. */
  readonly now: Sum | Content
  /** The content, or the file of the host that has it, with its hash. */
  readonly bytes: Buffer | { readonly path: string; readonly sha256: string | undefined; readonly size: number }
  readonly sha256?: string
  readonly want: Ownership
  /** Of the user, octal text. */
  readonly umask: string
  readonly follow?: boolean
  /** Keeps a copy of what is replaced, beside it or, a path being given, beside that. */
  readonly backup?: boolean | string
  /** A command that looks at the new content, `%s` being its path; as text or in words. */
  readonly validate?: string | readonly string[] | undefined
  /** Missing directories above it: `make` them, or they are `made` by steps before; otherwise they are an error. */
  readonly parents?: 'make' | 'made' | undefined
  /** The content must not be shown, or only what is made of it so: undefined for nothing. */
  readonly secret?: boolean | ((content: Buffer) => Buffer | undefined)
}

/** Why nothing can be at a place. */
export function inTheWay({ path, anchor, obstacle }: Place & Spot): Failure | undefined {
  if (obstacle === 'not-a-directory') return fail(`${anchor} is in the way of ${path} and is no directory`)
  if (obstacle === 'loop') return fail(`${path} is where a link leads that leads to itself`)
  if (obstacle === 'up-from-nowhere') return fail(`the way to ${path} goes up from a directory that is not there`)
  if (obstacle === 'denied') return fail(`the directory ${anchor} may not be entered`, { hint: '`become: true`' })
  return undefined
}

/** Why nothing can be made at a place: something is in the way, or the directory above is not there. */
export function wayBarred(at: Place & Spot): Failure | undefined {
  const blocked = inTheWay(at)
  if (blocked || missingParents(at).length === 0) return blocked
  return fail(`the directory ${parentOf(at.path)} does not exist`, {
    hint: 'make it first: `file: { path: …, state: directory }`',
  })
}

/** The steps that place a file; none where it is so already. */
export function placeFile(p: Placing): Step[] | Failure {
  const place = placeOf(p.at, p.follow ?? false)
  const want = { ...p.want, umask: Number.parseInt(p.umask, 8) }
  if (place.stat?.type === 'directory') return fail(`${p.at.path} is a directory`)
  const barred = p.parents ? inTheWay(place) : wayBarred(place)
  if (barred) return barred
  if (place.stat?.type === 'file' && isSame(p)) return ownershipSteps(place, want)
  const attributes = place.stat?.type === 'file' ? changed(place.stat, want) : ownershipOfNew(want, 0o666 & ~want.umask)
  const options =
    p.validate === undefined ? {} : { validate: typeof p.validate === 'string' ? splitWords(p.validate) : p.validate }
  const before = 'bytes' in p.now ? p.now.bytes : undefined
  const write =
    'path' in p.bytes
      ? copyFile(p.bytes, place, attributes, options)
      : writeFile(place, p.bytes, attributes, { before, ...options })
  const { diff, ...hidden } = write
  const shown = diff && shownOf(diff, p.secret ?? false)
  const parents = (p.parents === 'make' ? missingParents(place) : []).map((m) =>
    makeDirectory(m, ownershipOfNew({}, 0o777 & ~want.umask, true)),
  )
  return [
    ...parents,
    ...(p.backup && leadsToFile(p.at, place)
      ? [backupFile(p.backup === true ? place : { ...place, path: p.backup })]
      : []),
    shown ? { ...hidden, diff: shown } : hidden,
  ]
}

function shownOf(diff: NonNullable<Step['diff']>, secret: NonNullable<Placing['secret']>): Step['diff'] {
  if (typeof secret === 'boolean') return secret ? undefined : diff
  const [before, after] = [diff.before && secret(diff.before), diff.after && secret(diff.after)]
  const isWhole = (diff.before === undefined) === (before === undefined) && after !== undefined
  return isWhole ? { ...diff, before, after } : undefined
}

function leadsToFile(at: Entry, place: Place): boolean {
  return place.stat?.type === 'link' ? at.leads?.stat !== undefined : place.stat !== undefined
}

function isSame({ now, bytes, sha256 }: Placing): boolean {
  const there = 'bytes' in now ? now.bytes && hashOf(now.bytes) : now.sha256
  if ('path' in bytes) return there !== undefined && there === bytes.sha256
  if ('bytes' in now) return now.bytes?.equals(bytes) ?? false
  return there === (sha256 ?? hashOf(bytes))
}

function changed(stat: NonNullable<Entry['stat']>, want: Ownership) {
  const { owner, group, mode } = ownershipMissing(stat, want)
  return { owner, group, mode: mode ?? stat.mode }
}

/** A plan of one placed file, with what Ansible's modules give back of it: where it is, whose, its size and SHA-1. */
export function placedPlan(p: Placing, more: Readonly<Record<string, unknown>> = {}): Plan | Failure {
  const steps = placeFile(p)
  if ('failed' in steps) return steps
  const place = placeOf(p.at, p.follow ?? false)
  const there = place.stat?.type === 'file' ? place.stat : undefined
  const want = { ...p.want, umask: Number.parseInt(p.umask, 8) }
  const { mode } = ownershipOfNew(want, there?.mode ?? 0o666 & ~want.umask)
  const { bytes } = p
  const result = {
    dest: place.path,
    state: 'file',
    ...attributesShown(there, mode, want),
    ...('path' in bytes ? { size: bytes.size } : { size: bytes.length, checksum: hashOf(bytes, 'sha1') }),
    ...more,
  }
  return withBackup(steps, 'backup_file', result)
}

/** A plan of steps that may make a backup, whose name the result has under `name`. */
export function withBackup(steps: readonly Step[], name: string, result: Readonly<Record<string, unknown>>): Plan {
  const at = steps.findIndex((s) => s.captured)
  if (at === -1) return { steps, result }
  const later = new Unknown(`the name of the copy: ${steps[at]!.summary}`)
  return {
    steps,
    result: { ...result, [name]: later },
    afterwards: (ends) => ({ [name]: fromBytes(ends[at]?.stdout ?? Buffer.alloc(0)) }),
  }
}
