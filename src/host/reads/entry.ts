import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import { inGroups, type Shell } from '../shell.ts'

export type FileType = 'file' | 'directory' | 'link' | 'fifo' | 'socket' | 'block' | 'character' | 'other'

/** What lies at a path. A field that is undefined in a prediction is one nobody can know before. */
export interface Stat {
  readonly type: FileType
  /** The low twelve bits. */
  readonly mode: number
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** The account's name; the number as text where it has none. */
  readonly owner: string | undefined
  readonly group: string | undefined
  /** Bytes. */
  readonly size: number | undefined
  /** Seconds since 1970, with a fraction. */
  readonly mtime: number | undefined
  /** How many names this file has. */
  readonly links: number | undefined
  /** Device and inode: equal for two names of one file. */
  readonly id: string | undefined
  /** Where a link points, as it is written. */
  readonly target: string | undefined
}

/** A place on a host, and what is there. */
export interface Spot {
  /** With every link followed that stands above it: two paths with the same `real` are one place. */
  readonly real: string
  /** The nearest directory above it that exists, really. */
  readonly anchor: string
  /** What is in the way between anchor and place: a directory that may not be entered, something that is none, a link that
   * leads to itself, a `..` of a directory that is not there. */
  readonly obstacle: 'denied' | 'not-a-directory' | 'loop' | 'up-from-nowhere' | undefined
  /** Undefined where nothing is. */
  readonly stat: Stat | undefined
}

/** A path on a host: the place that it is, and what is at the path itself. */
export interface Entry extends Spot {
  /** As asked, without doubled or trailing slashes. */
  readonly path: string
  /** For a link: where it leads in the end; `stat` is undefined for a dangling one. */
  readonly leads: Spot | undefined
}

/** What a path is once links are followed. */
export function followed(entry: Entry): Spot {
  return entry.leads ?? entry
}

/** By path as written: the same ones are asked about over and over, for every host. */
const asked = new Map<string, Read<Entry>>()

/** Asks what is at an absolute path. */
export function entry(path: string): Read<Entry> {
  const known = asked.get(path) ?? read(entryKind, cleanPath(path))
  asked.set(path, known)
  return known
}

/** @throws Error for a path that is not absolute: parameters of host paths are made so before a module sees them. */
export function cleanPath(path: string): string {
  if (!path.startsWith('/')) throw new Error(`a path on a host has to be absolute here: ${path}`)
  return path.replace(/\/(\.?\/)+/g, '/').replace(/(.)\/\.?$/, '$1') || '/'
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The `-printf` format of one record, and how it is parsed. */
export const recordFormat = '%y\\0%m\\0%U\\0%G\\0%u\\0%g\\0%s\\0%T@\\0%n\\0%D:%i\\0%l\\0'
const recordFields = 11

export function parseRecord(fields: readonly string[], at: number): Stat {
  const [type, mode, uid, gid, owner, group, size, mtime, links, id, target] = fields.slice(at, at + recordFields)
  return {
    type: types[type!] ?? 'other',
    mode: Number.parseInt(mode!, 8) & 0o7777,
    uid: Number(uid),
    gid: Number(gid),
    owner: owner!,
    group: group!,
    size: Number(size),
    mtime: Number(mtime),
    links: Number(links),
    id: id!,
    target: type === 'l' ? target! : undefined,
  }
}

const types: Record<string, FileType> = {
  f: 'file',
  d: 'directory',
  l: 'link',
  p: 'fifo',
  s: 'socket',
  b: 'block',
  c: 'character',
}

export const recordLength = recordFields

/** For a `find` that has no -printf: the same record by stat and readlink. */
export const recordFunction = `Z() { case $(stat -c %F -- "$1") in *link) t=l;; regular*) t=f;; directory) t=d;; fifo) t=p;; socket) t=s;; block*) t=b;; char*) t=c;; *) t=U;; esac
printf '%s\\0' $t; stat -c '%a %u %g %U %G %s %Y %h %d:%i' -- "$1" | { read -r a b c e f g h i j; printf '%s\\0' "$a" "$b" "$c" "$e" "$f" "$g" "$h" "$i" "$j"; }
if test $t = l; then l=$(readlink -- "$1"; echo x); printf '%s\\0' "\${l%?x}"; else printf '\\0'; fi; }`

/** Says for a directory where it really is, or how far the way to it goes. cd needs no process of its own. */
const climb = `C() { a=$1 r=; while :; do
if cd -P -- "$a" 2>/dev/null; then printf '+\\0%s\\0%s\\0' "$PWD" "$r"; return; fi
if test -d "$a"; then printf '!\\0%s\\0%s\\0' "$a" "$r"; return; fi
if test -e "$a" || test -L "$a"; then printf '/\\0%s\\0%s\\0' "$a" "$r"; return; fi
r=/\${a##*/}$r; a=\${a%/*}; test -n "$a" || a=/; done; }`

/** Says where a dangling link leads, as `climb` does, and the last name: link by link, since readlink -f never ends for one
 * that leads below itself. */
const chase = `L() { p=$1 n=0; while test -L "$p"; do
if test $n = 40; then printf 'N\\0@\\0\\0\\0\\0'; return; fi
t=$(readlink -- "$p"; echo x); t=\${t%?x}; case $t in /*) p=$t;; *) p=\${p%/*}/$t;; esac
while case $p in ?*/) :;; *) false;; esac; do p=\${p%/}; done; n=$((n+1)); done
printf 'N\\0'; a=\${p%/*}; C "\${a:-/}"; printf '%s\\0' "\${p##*/}"; }`

/** Says of the paths that are links where they lead. */
const follow = (record: string) => `F() { for l; do test -L "$l" || continue; cd /; printf '%s\\0' "$l"
if test ! -e "$l"; then L "$l"
elif test -n "$G"; then readlink -fz -- "$l"; find -L "$l" -maxdepth 0 -printf ${record}
else t=$(readlink -f -- "$l"; echo x); t=\${t%?x}; printf '%s\\0' "$t"; Z "$t"; fi; done; }`

function script(paths: readonly string[], sh: Shell): string {
  const parents = [...new Set(paths.map(parentOf))]
  const each = (list: readonly string[], run: (words: string) => string) =>
    inGroups(list)
      .map((group) => run(sh.words(group)))
      .join('\n')
  return `${climb}
${chase}
${recordFunction}
${follow(sh.word(recordFormat))}
${each(parents, (words) => `for p in ${words}; do C "$p"; done >&3`)}
cd /
X() { if test -n "$G"; then find "$@" -maxdepth 0 -printf ${sh.word(`%p\\0${recordFormat}`)} 2>/dev/null
else for p; do if test -e "$p" || test -L "$p"; then printf '%s\\0' "$p"; Z "$p"; fi; done; fi; }
${each(paths, (words) => `X ${words} >&3`)}
printf 'leads\\0' >&3
${each(paths, (words) => `F ${words} >&3 2>/dev/null`)}`
}

function parse(output: Buffer, paths: readonly string[]): Entry[] {
  const fields = fromBytes(output).split('\0')
  const parents = [...new Set(paths.map(parentOf))]
  const ways = new Map(parents.map((p, i) => [p, fields.slice(i * 3, i * 3 + 3)]))
  let at = parents.length * 3
  const stats = new Map<string, Stat>()
  for (; fields[at] !== 'leads'; at += 1 + recordLength) {
    if (at >= fields.length) throw new Error('the host broke off its answer about paths')
    stats.set(fields[at]!, parseRecord(fields, at + 1))
  }
  const leads = new Map<string, Spot>()
  for (at += 1; at < fields.length - 1; ) {
    const [path, real] = [fields[at]!, fields[at + 1]!]
    if (real === 'N') {
      const [sign, reached, rest, name] = fields.slice(at + 2, at + 6) as [string, string, string, string]
      // one that leads to itself is where it ends
      if (sign !== '@') leads.set(path, spotOf([sign, reached, rest], name, undefined))
      at += 6
    } else {
      leads.set(path, { real, anchor: parentOf(real), obstacle: undefined, stat: parseRecord(fields, at + 2) })
      at += 2 + recordLength
    }
  }
  return paths.map((path): Entry => {
    const stat = stats.get(path)
    const own = spotOf(ways.get(parentOf(path))!, nameOf(path), stat)
    return { path, ...own, leads: stat?.type === 'link' ? (leads.get(path) ?? looping(own)) : undefined }
  })
}

const obstacles: Record<string, Spot['obstacle']> = { '!': 'denied', '/': 'not-a-directory' }

/** @param way what `climb` said of the directory above. */
function spotOf(way: readonly string[], name: string, stat: Stat | undefined): Spot {
  const [sign, reached, rest] = way as [string, string, string]
  const parent = `${reached === '/' ? '' : reached}${rest}`
  const up = rest !== '' && `${rest}/${name}/`.includes('/../') ? 'up-from-nowhere' : undefined
  return { real: joined(parent, name), anchor: reached, obstacle: obstacles[sign] ?? up, stat }
}

function looping(own: Spot): Spot {
  return { ...own, obstacle: 'loop', stat: undefined }
}

/** A path below a directory, without `.` and `..`. */
function joined(directory: string, target: string): string {
  const parts: string[] = []
  for (const part of (target.startsWith('/') ? target : `${directory}/${target}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

function difference(predicted: Entry, actual: Entry): string | undefined {
  if (!predicted.stat || !actual.stat) {
    if (!predicted.stat === !actual.stat) return undefined
    return predicted.stat
      ? `a ${predicted.stat.type} was to be there, nothing is`
      : `nothing was to be there, a ${actual.stat!.type} is`
  }
  const p = predicted.stat
  for (const field of ['type', 'mode', 'owner', 'group', 'uid', 'gid', 'size', 'target'] as const) {
    // a link has no mode of its own; a directory's size is the file system's business
    if ((field === 'mode' && p.type === 'link') || (field === 'size' && p.type !== 'file')) continue
    const [want, is] = [p[field], actual.stat[field]]
    if (want !== undefined && want !== is)
      return `its ${field} was to be ${shown(field, want)}, it is ${shown(field, is)}`
  }
  return undefined
}

function shown(field: string, value: unknown): string {
  return field === 'mode' && typeof value === 'number' ? modeText(value) : String(value)
}

/** `0644` */
export function modeText(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

export const entryKind: ReadKind<string, Entry> = {
  name: 'entry',
  inline: true,
  key: (path) => path,
  script,
  parse,
  paths: (path) => [path],
  difference,
}
