import { packTar, placesInTar } from '../../formats/tar.ts'
import { toBytes } from '../bytes.ts'
import { nameOf, parentOf } from '../reads/entry.ts'
import type { Shell } from '../shell.ts'
import { type Attributes, exactMode, giveTo, ownerWord } from './attributes.ts'

// What is made beside its place and comes there by renaming: whoever looks sees the old or the new. The file $d/t says, as
// shell text, how to take away what is beside: a script does so however it ends, and the loop where a script was killed.

/** A name beside shows the process that is at work there. */
const besides = (directory: string, sh: Shell) => `${sh.word(`${directory === '/' ? '' : directory}/.runbook.`)}"$key"`

/** Takes away what a host that went down left in these directories: its process is gone, and has not written for a while
 * (a directory that hosts share may hold another's). */
function sweep(directories: readonly string[], sh: Shell): string {
  return `for o in ${directories.map((n) => `${sh.word(n === '/' ? '' : n)}/.runbook.*`).join(' ')}; do
if test -e "$o" || test -L "$o"; then
i=\${o##*/.runbook.}
test -d "/proc/\${i%%.*}" || test ! -d /proc/$$ || find "$o" -prune -mmin +10 -exec rm -rf -- {} +
fi
done`
}

const away = (directories: readonly string[], sh: Shell) =>
  `rm -rf -- ${directories.map((n) => besides(n, sh)).join(' ')}`

/** Promises that what is made in these directories goes however the script ends; $d may be gone by then. */
function promise(directories: readonly string[], sh: Shell): string {
  const goes = away(directories, sh)
  return `${sweep(directories, sh)}
key=$$.\${d##*.}; umask 077; printf 'key=%s; %s\\n' "$key" ${sh.word(goes)} >"$d/t"
trap ${sh.word(`${goes}; : >|"$d/t"`)} 0; trap 'exit 143' 1 2 3 13 15`
}

const nothingLeft = ': >"$d/t"; trap - 0'

/** Sets $p to a path and $t to a name beside it that nobody else has. */
export function temporary(path: string, sh: Shell): string {
  const directory = parentOf(path)
  return `${promise([directory], sh)}\np=${sh.word(path)} t=${besides(directory, sh)}`
}

/** Makes directories beside what is in these ones, for this process alone from the first moment: a default ACL goes before
 * the umask, not before a mode. The mode must not cost what a setgid directory hands down. */
const makePrivate = (directories: readonly string[], sh: Shell) =>
  [
    `mkdir -m 700 -- ${directories.map((n) => besides(n, sh)).join(' ')}`,
    ...directories.map(
      (n) => `{ test ! -g ${sh.word(n)} || { chmod g+s ${besides(n, sh)} && test -g ${besides(n, sh)}; }; }`,
    ),
  ].join(' && ')

/** Makes a directory of that kind, $t, inside another. */
export function temporaryDirectory(path: string, sh: Shell): string {
  return `${promise([path], sh)}\nt=${besides(path, sh)}; ${makePrivate([path], sh)} || exit 1; umask "$m"`
}

/** As `temporary`, for what only few may see: $t is inside a directory of that kind (`renameOut`). */
export function temporaryInside(path: string, sh: Shell): string {
  const directory = parentOf(path)
  return `${promise([directory], sh)}\n${makePrivate([directory], sh)} || exit 1
p=${sh.word(path)} t=${besides(directory, sh)}/new`
}

// without -T a directory that came in the way would swallow the file
const moved = (t: string, p: string) =>
  `mv -fT -- ${t} ${p} 2>"$d/mv" || { test ! -d ${p} && mv -f -- ${t} ${p} 2>"$d/mv"; } || { cat "$d/mv" >&2; false; }`

const bring = `{ ${moved('"$t"', '"$p"')}; } || exit 1`

/** Brings $t to $p. */
export const rename = `${bring}\n${nothingLeft}`

/** Brings $t out of its directory to that path. */
export const renameOut = (path: string, sh: Shell) => `${bring}\n${away([parentOf(path)], sh)}; ${nothingLeft}`

/** A file that is to come to a path with owner and mode. */
export interface NewFile {
  readonly path: string
  readonly bytes: Buffer
  readonly attributes: Attributes & { readonly mode: number }
}

/** Several files made ready, and brought to their places, with few processes: each costs a millisecond. */
export interface Staged {
  /** Sets $j where all went well so far. */
  readonly before: string
  /** For each file: where its bytes are found when that was not possible, as a word, and how they come there. */
  readonly apart: readonly { readonly source: string; readonly unpack: string }[]
  /** For each file: brings it to its place if it is not there yet. */
  readonly moves: readonly string[]
  /** Takes away what they were made in. */
  readonly after: string
}

/** It never looks like an option. */
const memberName = (f: NewFile) => `./${nameOf(f.path)}`

/** Files by the archive they travel in: in one archive no two have the same name. */
function inArchives(files: readonly NewFile[]): NewFile[][] {
  const archives: NewFile[][] = []
  for (const f of files) {
    const fitting = archives.find((own) => own.every((o) => nameOf(o.path) !== nameOf(f.path)))
    if (fitting) fitting.push(f)
    else archives.push([f])
  }
  return archives
}

/** Unpacks an archive into several directories. Only GNU tar takes several at a time; it is there where GNU find is.
 * @param targets a directory and what goes to it, as words. */
function unpack(archive: string, targets: readonly string[]): string {
  const each = targets.map((t) => `tar -xmof ${archive} ${t}`).join(' && ')
  if (targets.length === 1) return each
  const gnu = `tar -xmof ${archive} ${targets.join(' ')}`
  return `if read -r g <"$d/G" && test -n "$g"; then ${gnu}; else ${each}; fi`
}

/** @param files of different paths. */
export function staged(files: readonly NewFile[], sh: Shell): Staged {
  const directories = [...new Set(files.map((f) => parentOf(f.path)))]
  const archives = inArchives(files).map((own) => {
    const members = own.map((f) => ({ name: toBytes(memberName(f)), bytes: f.bytes }))
    const places = placesInTar(members)
    return { own, blob: sh.blob(packTar(members)), at: new Map(own.map((f, i) => [f, places[i]!])) }
  })
  const made = (f: NewFile) => `${besides(parentOf(f.path), sh)}/${sh.word(nameOf(f.path))}`
  const together = (key: (f: NewFile) => string | undefined) => {
    const groups = new Map<string, string[]>()
    for (const f of files) {
      const value = key(f)
      if (value !== undefined) groups.set(value, [...(groups.get(value) ?? []), made(f)])
    }
    return [...groups]
  }
  const filesIn = (n: string, among: readonly NewFile[]) => among.filter((f) => parentOf(f.path) === n)
  /** Members by the directory they go to. */
  const targets = (own: readonly NewFile[]) =>
    directories.flatMap((n) => {
      const here = filesIn(n, own).map((f) => sh.word(memberName(f)))
      return here.length === 0 ? [] : [`-C ${besides(n, sh)} ${here.join(' ')}`]
    })
  const ready = [
    makePrivate(directories, sh),
    ...archives.map(({ own, blob }) => unpack(blob, targets(own))),
    ...together((f) => ownerWord(f.attributes, sh)).map(([owner, at]) => giveTo(owner, at)),
    ...together((f) => exactMode(f.attributes.mode)).map(([mode, at]) => `chmod ${mode} ${at.join(' ')}`),
    `sync -- ${files.map(made).join(' ')}`,
  ]
  const goes = away(directories, sh)
  // what is there may refuse to be replaced (it can't be changed, it is another's, it is a directory): then those behind it
  // must not have come to their places
  const free = files.map((f) => `test ! -e ${sh.word(f.path)} && test ! -L ${sh.word(f.path)}`).join(' && ')
  const moveAll = directories.map(
    (n) => `mv -f -- ${filesIn(n, files).map(made).join(' ')} ${sh.word(n === '/' ? '/' : `${n}/`)}`,
  )
  return {
    before: `${promise(directories, sh)}
j=; { ${ready.join(' &&\n')}; } </dev/null >/dev/null 2>&1 && j=1 || { ${goes}; ${nothingLeft}; }
test -z "$j" || ! { ${free}; } || { ${moveAll.join('; ')}; } </dev/null >/dev/null 2>&1`,
    apart: files.map((f) => {
      const { blob, at } = archives.find((a) => a.at.has(f))!
      return {
        source: '"$d/apart"',
        unpack: `umask 077; tail -c +${at.get(f)! + 1} ${blob} | head -c ${f.bytes.length} >"$d/apart"`,
      }
    }),
    moves: files.map((f) => `test ! -e ${made(f)} || ${moved(made(f), sh.word(f.path))}`),
    after: `test -z "$j" || { ${goes}; ${nothingLeft}; j=; }\n${archives.map(({ blob }) => `: >${blob}`).join('; ')}`,
  }
}
