import { isWithin, listingUnknown, type PathChange, pathEffect } from '../effect.ts'
import { type Entry, followed, modeText, parentOf, type Spot, type Stat } from '../reads/entry.ts'
import type { Shell } from '../shell.ts'
import type { Step } from '../step.ts'
import { type Attributes, chown, exactMode, needsOf } from './attributes.ts'
import { rename, renameOut, temporary, temporaryInside } from './beside.ts'

/** Where a file step acts: an entry, or for a link what it leads to (`placeOf`). */
export interface Place {
  readonly path: string
  readonly real: string
  readonly stat: Stat | undefined
}

/** The place itself, or with `follow` what a link there leads to in the end. */
export function placeOf(at: Entry, follow: boolean): Place & Spot {
  return follow && at.leads ? { path: at.leads.real, ...at.leads } : at
}

const isNumber = (text: string) => /^\d+$/.test(text)

/** What is known of a file's owner and mode once these attributes are set. */
function statWith(stat: Partial<Stat>, { owner, group, mode }: Attributes): Partial<Stat> {
  return {
    ...stat,
    ...(owner === undefined
      ? {}
      : isNumber(owner)
        ? { uid: Number(owner), owner: undefined }
        : { uid: undefined, owner }),
    ...(group === undefined
      ? {}
      : isNumber(group)
        ? { gid: Number(group), group: undefined }
        : { gid: undefined, group }),
    ...(mode === undefined ? {} : { mode }),
  }
}

let made = 0

/** Something new: the same as nothing that was there before, and as nothing else that is new. */
const fresh = (): Stat => ({
  type: 'file',
  mode: 0,
  uid: undefined,
  gid: undefined,
  owner: undefined,
  group: undefined,
  size: undefined,
  mtime: undefined,
  links: undefined,
  id: `new ${++made}`,
  target: undefined,
})

/** What is known of something new with these attributes. */
export function newStat(type: Stat['type'], attributes: Attributes, more: Partial<Stat> = {}): Stat {
  const mode = type === 'link' ? { mode: undefined } : {}
  return statWith(
    { ...fresh(), ...more, type, ...(type === 'link' ? { mode: 0o777 } : {}) },
    { ...attributes, ...mode },
  ) as Stat
}

function step(
  summary: string,
  place: Place,
  change: PathChange,
  script: (sh: Shell) => string,
  attributes: Attributes = {},
): Step {
  return {
    summary,
    script,
    needs: needsOf(attributes),
    inline: true,
    effects: [pathEffect(summary, place.real, change, place.stat?.type === 'link')],
  }
}

/** Writes a file beside its place, syncs it, gives it owner and mode, and renames it: whoever looks sees the old file or
 * the new one. What lies there is replaced, a link too. */
export function writeFile(
  place: Place,
  bytes: Buffer,
  attributes: Attributes & { mode: number },
  options: { before?: Buffer | undefined; validate?: readonly string[]; as?: string | undefined } = {},
): Step {
  const summary = `${options.as ?? (place.stat ? 'replace' : 'create')} ${place.path} (${size(bytes.length)})`
  const change: PathChange = { to: 'file', stat: statOfNew(place, bytes.length, attributes), bytes }
  const whole = withOwner(place, attributes)
  return {
    ...step(
      summary,
      place,
      change,
      (sh) => replacing(place, sh.blob(bytes), attributes, options.validate, sh),
      attributes,
    ),
    ...(options.validate || !whole ? {} : { file: { path: place.path, bytes, attributes: whole } }),
    diff: { path: place.path, before: options.before, after: bytes },
  }
}

/** Copies a file of the host, with the care that `writeFile` takes. */
export function copyFile(
  from: { readonly path: string; readonly size: number },
  place: Place,
  attributes: Attributes & { mode: number },
  options: { validate?: readonly string[] } = {},
): Step {
  const summary = `${place.stat ? 'replace' : 'create'} ${place.path} with ${from.path} (${size(from.size)})`
  const change: PathChange = { to: 'file', stat: statOfNew(place, from.size, attributes), bytes: undefined }
  return step(
    summary,
    place,
    change,
    (sh) => replacing(place, sh.word(from.path), attributes, options.validate, sh),
    attributes,
  )
}

function statOfNew(place: Place, bytes: number, attributes: Attributes): Stat {
  const { uid, gid, owner, group } = place.stat?.type === 'file' ? place.stat : fresh()
  return statWith({ ...fresh(), uid, gid, owner, group, size: bytes }, attributes) as Stat
}

/** Shell text that puts what it reads from `source` (a word) in the place. */
function replacing(
  place: Place,
  source: string,
  attributes: Attributes & { mode: number },
  validate: readonly string[] | undefined,
  sh: Shell,
): string {
  const check = validate === undefined ? '' : validation(validate, sh)
  const whole = withOwner(place, attributes)
  // what validates a file may do so as somebody else
  const inside = validate === undefined && (attributes.mode & 0o004) === 0
  return `${(inside ? temporaryInside : temporary)(place.path, sh)}
set -C; : >"$t" || exit 1; set +C
e=$(LC_ALL=C dd if=${source} of="$t" bs=65536 conv=fsync 2>&1) || { echo "it could not be written: $e" | head -n 1 >&2; exit 1; }
${whole ? '' : keepOwner}${chown(whole ?? attributes, '', '"$t"', sh)}chmod ${exactMode(attributes.mode)} "$t" || exit 1
${check}${inside ? renameOut(place.path, sh) : rename}`
}

/** What is to be set of a new file that takes the place of another: whose that was, it stays. Undefined where only the host
 * can say whose it is. */
function withOwner(place: Place, attributes: Attributes & { mode: number }) {
  const { owner, group } = attributes
  if (place.stat?.type !== 'file' || (owner !== undefined && group !== undefined)) return attributes
  const { uid, gid } = place.stat
  if (uid === undefined || gid === undefined) return undefined
  return { ...attributes, owner: owner ?? String(uid), group: group ?? String(gid) }
}

/** What it replaces says whose it is. */
const keepOwner = `o=$(stat -c %u:%g -- "$p") && chown "$o" "$t" || exit 1\n`

function validation(argv: readonly string[], sh: Shell): string {
  const words = argv.map((w) => w.split('%s').map(sh.word).join('"$t"'))
  return `PATH=$PATH:/usr/sbin:/sbin
${words.join(' ')} || { echo "the new content of $p did not pass its validation" >&2; exit 1; }
`
}

/** Keeps a copy of a file beside it, named with the time; its name is what the step says. */
export function backupFile(place: Place): Step {
  return {
    summary: `back up ${place.path}`,
    effects: [listingUnknown(`back up ${place.path}`, parentOf(place.real))],
    harmless: true,
    captured: true,
    inline: true,
    script: (sh) =>
      `p=${sh.word(place.path)}; n=$p.$$.$(date +%Y-%m-%d@%H:%M:%S~); cp -p -- "$p" "$n" && printf %s "$n"`,
  }
}

/** Makes one directory; its parent has to be there. It has its mode at once, where it need not be given away before: nobody
 * sees it half made. */
export function makeDirectory(place: Place, attributes: Attributes & { mode: number }): Step {
  const isGiven = attributes.owner !== undefined || attributes.group !== undefined || attributes.mode > 0o777
  const umask = isGiven ? '077' : (0o777 & ~attributes.mode).toString(8).padStart(3, '0')
  const stat = statWith({ ...fresh(), type: 'directory' }, attributes) as Stat
  return step(
    `create directory ${place.path}`,
    place,
    { to: 'directory', stat },
    (sh) => {
      const p = sh.word(place.path)
      return `umask ${umask}; n=; mkdir -- ${p} && n=1 || { test -d ${p} && test ! -L ${p}; } || exit 1
${chown(attributes, '', p, sh, `{ test -z "$n" || rmdir -- ${p}; exit 1; }`)}chmod ${exactMode(attributes.mode)} ${p}`
    },
    attributes,
  )
}

/** The directories that are missing above a path, outermost first. */
export function missingParents(at: Pick<Spot, 'real' | 'anchor'>): Place[] {
  const missing: Place[] = []
  for (let real = parentOf(at.real); real !== at.anchor && real !== '/'; real = parentOf(real))
    missing.unshift({ path: real, real, stat: undefined })
  return missing
}

/** Makes a symbolic link in the place of what may be there (a directory has to be removed before).
 * @param to what it points to, where that was asked. */
export function makeLink(place: Place, target: string, attributes: Attributes = {}, to?: Entry): Step {
  const stat = statWith({ ...fresh(), type: 'link', mode: 0o777, target }, { ...attributes, mode: undefined }) as Stat
  const leads = to && spotBehind(place, followed(to))
  return step(
    `link ${place.path} to ${target}`,
    place,
    { to: 'link', stat, leads },
    (sh) => {
      return `${temporary(place.path, sh)}
ln -s -- ${sh.word(target)} "$t" || exit 1
${chown(attributes, '-h ', '"$t"', sh)}${rename}`
    },
    attributes,
  )
}

/** What lies below the place of a link is nowhere any more. */
function spotBehind(place: Place, to: Spot): Spot {
  if (!isWithin(to.real, place.real)) return to
  return { real: to.real, anchor: place.real, obstacle: 'not-a-directory', stat: undefined }
}

/** Makes a hard link to an existing file. */
export function makeHardLink(place: Place, target: Place): Step {
  const made = step(
    `hard-link ${place.path} to ${target.path}`,
    place,
    { to: 'file', stat: { ...(target.stat ?? fresh()), links: undefined }, bytes: undefined },
    (sh) => `${temporary(place.path, sh)}\nln -- ${sh.word(target.path)} "$t" || exit 1\n${rename}`,
  )
  return made
}

/** Removes whatever is there, a directory with all below it. A link goes itself, what it leads to stays. */
export function remove(place: Place): Step {
  const what = place.stat?.type === 'directory' ? 'directory ' : ''
  return step(`remove ${what}${place.path}`, place, { to: 'absent' }, (sh) => `rm -rf -- ${sh.word(place.path)}`)
}

/** Removes a directory that has nothing in it. */
export function removeEmptyDirectory(place: Place): Step {
  const summary = `remove empty directory ${place.path}`
  return step(summary, place, { to: 'absent' }, (sh) => `rmdir -- ${sh.word(place.path)}`)
}

/** Sets owner, group or mode of what is there; of a link itself only owner and group. */
export function setAttributes(place: Place, attributes: Attributes): Step {
  const { owner, group, mode } = attributes
  const parts = [
    ...(owner === undefined && group === undefined
      ? []
      : [`owner ${owner ?? ''}${group === undefined ? '' : `:${group}`}${was(place.stat, attributes)}`]),
    ...(mode === undefined ? [] : [`mode ${modeText(mode)}${place.stat ? ` (was ${modeText(place.stat.mode)})` : ''}`]),
  ]
  const isLink = place.stat?.type === 'link'
  // the kernel takes setuid and setgid away with the owner: the mode is set again
  const mended = mode ?? (place.stat && place.stat.mode & 0o6000 ? place.stat.mode : undefined)
  const change: PathChange = { to: 'attributes', stat: statWith({}, attributes), id: place.stat?.id }
  return step(
    `set ${parts.join(' and ')} of ${place.path}`,
    { ...place, stat: undefined },
    change,
    (sh) => {
      const p = sh.word(place.path)
      return `${chown(attributes, isLink ? '-h ' : '', p, sh)}${mended === undefined || isLink ? ':' : `chmod ${exactMode(mended)} ${p}`}`
    },
    attributes,
  )
}

function was(stat: Stat | undefined, { owner, group }: Attributes): string {
  if (!stat) return ''
  const old = [owner === undefined ? undefined : stat.owner, group === undefined ? undefined : stat.group]
  if (old.every((o) => o === undefined)) return ''
  return ` (was ${old[0] ?? ''}${group === undefined ? '' : `:${old[1] ?? ''}`})`
}

/** Makes an empty file. */
export function makeEmptyFile(place: Place, attributes: Attributes & { mode: number }): Step {
  return { ...writeFile(place, Buffer.alloc(0), attributes), summary: `create ${place.path} (empty)` }
}

/** A time to set: seconds since 1970, or the moment the step runs. */
export type Time = number | 'now'

/** Sets the times of what is there, of a link its own; undefined leaves one. */
export function setTimes(place: Place, times: { access: Time | undefined; modification: Time | undefined }): Step {
  const { access, modification } = times
  const mtime = modification === 'now' ? undefined : (modification ?? place.stat?.mtime)
  const change: PathChange = { to: 'attributes', stat: { mtime }, id: place.stat?.id }
  const made = step(`touch ${place.path}`, { ...place, stat: undefined }, change, (sh) => {
    const set = (flag: string, at: Time | undefined) =>
      at === undefined ? ':' : `touch -h ${flag} ${at === 'now' ? '' : `-d @${at} `}-- ${sh.word(place.path)} || exit 1`
    return `${set('-a', access)}\n${set('-m', modification)}`
  })
  return access === 'now' || modification === 'now' ? { ...made, acts: true } : made
}

function size(bytes: number): string {
  return bytes < 10_000
    ? `${bytes} byte${bytes === 1 ? '' : 's'}`
    : bytes < 10_000_000
      ? `${Math.round(bytes / 1000)} kB`
      : `${Math.round(bytes / 1e6)} MB`
}
