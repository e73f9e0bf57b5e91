import { hashOf } from '../formats/hash.ts'
import { Unknown } from '../unknown.ts'
import type { Read } from './read.ts'
import { capabilitiesKind, outputKind } from './reads/command.ts'
import { type Content, checksumKind, contentKind, type Sum, type SumQuestion, sumKind } from './reads/content.ts'
import { type Entry, entryKind, followed, parentOf, type Spot, type Stat } from './reads/entry.ts'
import { type Tree, treeKind } from './reads/tree.ts'
import { newUnit, type Unit, unitKind } from './reads/unit.ts'

/** What a step does to what is known: for any answer, the answer afterwards. The same answer (by identity) where the step
 * does not touch it; `Unknown` where it may, and nobody can say how. When in doubt: Unknown. */
export interface Effect {
  readonly change: (read: Read, answer: unknown, at: EntryOf) => unknown
}

/** What is known of a path as the step finds it; undefined where nothing is. */
export type EntryOf = (path: string) => Entry | undefined

/** What becomes of the place `real`. */
export type PathChange =
  | { readonly to: 'absent' }
  | { readonly to: 'directory'; readonly stat: Stat }
  /** A new file in the place of whatever was there. `bytes` undefined: not to be known before. */
  | { readonly to: 'file'; readonly stat: Stat; readonly bytes: Buffer | undefined }
  /** `leads`: where it leads in the end; undefined where that was not asked. */
  | { readonly to: 'link'; readonly stat: Stat; readonly leads?: Entry['leads'] }
  /** The same thing with other owner, group or mode. */
  | { readonly to: 'attributes'; readonly stat: Partial<Stat>; readonly id: string | undefined }
  | { readonly to: 'unknown' }

/** @param wasLink a link is at that place before: whatever was reached through links may be elsewhere after. */
export function pathEffect(because: string, real: string, change: PathChange, wasLink = false): Effect {
  const turns = (base: Entry) =>
    (wasLink && change.to !== 'attributes') ||
    change.to === 'unknown' ||
    // a new link changes no way that led somewhere already, or to where nothing is in the way
    (change.to === 'link' && followed(base).obstacle !== undefined)
  const unknown = new Unknown(because)
  return {
    change: (read, answer, at) => {
      if (answer instanceof Unknown) return answer
      if (read.kind === unitKind && change.to !== 'attributes') {
        if (!isUnitFile(real, read.question as string)) return answer
        const bytes = change.to === 'file' ? change.bytes : undefined
        return (bytes && newUnit(answer as Unit, real, bytes)) ?? unknown
      }
      const paths = read.kind.paths?.(read.question)
      if (!paths) return answer
      return paths.reduce<unknown>((now, path) => {
        const base = at(path)
        if (!base) return unknown
        if (now instanceof Unknown) return now
        if (change.to !== 'attributes' && goesUpFrom(base).some((p) => isWithin(p, real))) return unknown
        const nowhere = followed(base).obstacle === 'up-from-nowhere'
        if (nowhere && !(base.leads && isWithin(base.real, real))) return now
        if (turns(base) && base.real !== real && (base.real !== base.path || base.leads))
          return read.kind === treeKind && !related(base, real) ? now : unknown
        return applyTo(read, now, base, real, change, unknown)
      }, answer)
    },
  }
}

/** The directories that the way to a path leads out of by `..`: without them it leads nowhere. Up from where a link stands
 * is no such way, it goes with the link. */
function goesUpFrom({ path, real, stat }: Entry): string[] {
  if (!path.includes('/..') && !stat?.target?.includes('..')) return []
  const target = stat?.target?.replace(/^(\.\.?(\/+|$))+/, '') ?? ''
  return [path, target.startsWith('/') ? target : `${parentOf(real)}/${target}`].flatMap((way) => {
    if (!way.includes('/..')) return []
    const [parts, left]: string[][] = [[], []]
    for (const part of way.split('/')) {
      if (part === '..') left!.push(`/${parts!.join('/')}`)
      if (part === '..') parts!.pop()
      else if (part !== '' && part !== '.') parts!.push(part)
    }
    return left!
  })
}

function related(base: Entry, real: string): boolean {
  return [base.real, followed(base).real].some((p) => isWithin(real, p) || isWithin(p, real))
}

const unitDirectories = /^\/(etc|run|usr\/lib|lib|usr\/local\/lib)\/systemd\/system\//

/** Whether systemd may read this file for that unit: its own, its template's, a drop-in's, a link that enables it. */
function isUnitFile(real: string, name: string): boolean {
  if (!unitDirectories.test(real)) return isWithin('/etc/systemd/system', real)
  const template = name.replace(/@.*\./, '@.')
  const type = name.slice(name.lastIndexOf('.') + 1)
  return real.split('/').some((part) => [name, template, type].some((n) => part === n || part === `${n}.d`))
}

/** Whether `path` is `directory` or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

function applyTo(
  read: Read,
  answer: unknown,
  base: Entry,
  real: string,
  change: PathChange,
  unknown: Unknown,
): unknown {
  if (change.to === 'attributes' && isShut(base, real)) return unknown
  if (read.kind === entryKind) return entryAfter(answer as Entry, real, change, unknown)
  if (read.kind === outputKind) return related(base, real) ? unknown : answer
  // a listing through a link is another one when the link is
  if (read.kind === treeKind && base.leads && base.real === real && change.to !== 'attributes') return unknown
  if (read.kind === treeKind) return treeAfter(answer as Tree, followed(base).real, real, change, unknown)
  const [own, final] = [base.real, followed(base).real]
  const hit = real === own || real === final
  const above = !hit && (isWithin(own, real) || isWithin(final, real))
  if (!hit && !above) return sameInode(base, real, change) && read.kind === capabilitiesKind ? unknown : answer
  if (change.to === 'link' && own === real && change.leads && !change.leads.stat)
    return contentAfter(read, answer, { to: 'absent' }, unknown)
  if (change.to === 'unknown' || change.to === 'link') return unknown
  if (above && change.to !== 'absent') return answer
  return contentAfter(read, answer, change, unknown)
}

/** Somebody may not enter a directory on the way; with another owner or mode he may. */
function isShut(base: Entry, real: string): boolean {
  return [base, followed(base)].some((s) => s.obstacle === 'denied' && isWithin(s.real, real))
}

function sameInode(base: Entry, real: string, change: PathChange): boolean {
  const stat = followed(base).stat
  return change.to === 'attributes' && change.id !== undefined && stat?.id === change.id && base.real !== real
}

function contentAfter(read: Read, answer: unknown, change: PathChange, unknown: Unknown): unknown {
  const bytes = change.to === 'file' ? change.bytes : undefined
  if (change.to === 'file' && bytes === undefined) return unknown
  switch (read.kind) {
    case contentKind:
      if (change.to === 'attributes') return (answer as Content).denied ? unknown : answer
      return { bytes, denied: false } satisfies Content
    case sumKind:
      if (change.to === 'attributes') return answer
      return { sha256: bytes && hasSize(read.question as SumQuestion, bytes) ? hashOf(bytes) : undefined } satisfies Sum
    case checksumKind: {
      // what may not be read has no hash, and may be readable after
      if (change.to === 'attributes') return answer ?? unknown
      const { algorithm } = read.question as { algorithm: string }
      return bytes && hashOf(bytes, algorithm)
    }
    case capabilitiesKind:
      // the kernel takes them away with a change of owner
      if (change.to === 'attributes') return 'owner' in change.stat || 'group' in change.stat ? unknown : answer
      return answer === undefined ? undefined : ''
    default:
      return unknown
  }
}

/** A host gives no hash of a file that has not the size which was asked for. */
function hasSize({ size }: SumQuestion, bytes: Buffer): boolean {
  return size === undefined || size === bytes.length
}

function entryAfter(e: Entry, real: string, change: PathChange, unknown: Unknown): Entry | Unknown {
  if (isWithin(e.real, real)) {
    if (change.to === 'link' && e.real === real && change.leads)
      return { ...e, stat: change.stat, anchor: parentOf(real), obstacle: undefined, leads: change.leads }
    const spot = spotAfter(e, real, change)
    if (!spot) return unknown
    const kept = change.to === 'attributes' || (e.real !== real && change.to === 'directory')
    return kept ? behindAfter({ ...e, ...spot }, real, change, unknown) : { ...e, ...spot, leads: undefined }
  }
  if (e.leads && isWithin(e.leads.real, real)) return behindAfter(e, real, change, unknown)
  if (change.to === 'attributes') return e.stat?.id !== undefined && e.stat.id === change.id ? unknown : e
  const stat = e.real === parentOf(real) && e.stat ? timeless(e.stat) : e.stat
  return stat === e.stat ? e : { ...e, stat }
}

/** A link may lead to where something changes, also to a directory that it is in itself. */
function behindAfter(e: Entry, real: string, change: PathChange, unknown: Unknown): Entry | Unknown {
  if (!e.leads || !isWithin(e.leads.real, real)) return e
  const leads = spotAfter(e.leads, real, change)
  return leads ? { ...e, leads } : unknown
}

/** A directory in which something came or went. */
function timeless(stat: Stat): Stat {
  const { mtime, links, size } = stat
  const known = mtime !== undefined || links !== undefined || size !== undefined
  return known ? { ...stat, mtime: undefined, links: undefined, size: undefined } : stat
}

/** A place at or below one that changes; undefined where nobody can say what becomes of it. */
function spotAfter(s: Spot, real: string, change: PathChange): Spot | undefined {
  const own = s.real === real
  switch (change.to) {
    case 'unknown':
    case 'link':
      return undefined
    case 'attributes':
      if (!own) return s
      return s.stat ? { ...s, stat: { ...s.stat, ...change.stat } } : undefined
    case 'absent':
      if (own) return { ...s, stat: undefined }
      return {
        ...s,
        anchor: isWithin(s.anchor, real) ? parentOf(real) : s.anchor,
        obstacle: undefined,
        stat: undefined,
      }
    case 'directory':
      if (own) return { ...s, stat: change.stat, anchor: parentOf(real), obstacle: undefined }
      return isWithin(real, s.anchor) || s.obstacle === 'not-a-directory'
        ? { ...s, anchor: real, obstacle: undefined }
        : s
    case 'file':
      if (own) return { ...s, stat: change.stat, anchor: parentOf(real), obstacle: undefined }
      return { ...s, anchor: real, obstacle: 'not-a-directory', stat: undefined }
  }
}

function treeAfter(tree: Tree, root: string, real: string, change: PathChange, unknown: Unknown): Tree | Unknown {
  if (isWithin(root, real)) {
    if (change.to === 'absent' || change.to === 'file') return new Map()
    return change.to === 'directory' || change.to === 'attributes' ? tree : unknown
  }
  if (!isWithin(real, root)) return tree
  if (change.to === 'unknown') return unknown
  const path = real.slice(root === '/' ? 1 : root.length + 1)
  const old = tree.get(path)
  if (change.to === 'attributes') return old ? new Map(tree).set(path, { ...old, ...change.stat }) : tree
  const next = new Map([...tree].filter(([p]) => !isWithin(p, path)))
  return change.to === 'absent' ? next : next.set(path, change.stat)
}

/** One answer is exactly this afterwards. */
export function answerEffect<A>(read: Read<A>, after: A): Effect {
  return { change: (r, answer) => (r.key === read.key ? after : answer) }
}

/** Something of an unknown name comes into a directory: what was listed of it may be other. */
export function listingUnknown(because: string, real: string): Effect {
  return unknownEffect(because, ({ kind, question }, _, at) => {
    if (kind !== treeKind && kind !== outputKind) return false
    return kind.paths!(question).some((path) => {
      const base = at(path)
      return !base || [base.real, followed(base).real].some((p) => isWithin(real, p))
    })
  })
}

/** Answers that may be other ones afterwards. */
export function unknownEffect(because: string, touches: (read: Read, answer: unknown, at: EntryOf) => boolean): Effect {
  const unknown = new Unknown(because)
  return { change: (read, answer, at) => (touches(read, answer, at) ? unknown : answer) }
}

/** What is answered by calls may be other afterwards: all of it, whatever the address, since a server may have several.
 * Answers that are known exactly come behind it, by `answerEffect`. */
export function callsUnknown(because: string, touches: (read: Read, answer: unknown) => boolean = () => true): Effect {
  return unknownEffect(because, (read, answer) => read.kind.call !== undefined && touches(read, answer))
}

/** What it touches may be as it makes it, or as it was. */
export function perhapsEffect(because: string, effect: Effect): Effect {
  const unknown = new Unknown(because)
  return { change: (read, answer, at) => (effect.change(read, answer, at) === answer ? answer : unknown) }
}

/** Nothing at all is known afterwards: a command that may do anything. */
export function anythingEffect(because: string): Effect {
  return unknownEffect(because, () => true)
}
