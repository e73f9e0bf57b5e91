import { parentOf } from '../reads/entry.ts'
import { nameOfBlob, type Shell } from '../shell.ts'
import { type Attributes, exactMode, ownerWord } from './attributes.ts'

// What is made beside its place and comes there by renaming: whoever looks sees the old or the new. The file $d/t says, as
// shell text, how to take away what is beside: a script does so however it ends, and the loop where a script was killed.

/** A name beside shows the process that is at work there. */
const besides = (directory: string, sh: Shell) => `${sh.word(`${directory === '/' ? '' : directory}/.runbook.`)}"$k"`

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

/** Promises that what is made in these directories goes however the script ends. */
function promise(directories: readonly string[], sh: Shell): string {
  const away = `rm -rf -- ${directories.map((n) => besides(n, sh)).join(' ')}`
  return `${sweep(directories, sh)}
k=$$.\${d##*.}; umask 077; printf 'k=%s; %s\\n' "$k" ${sh.word(away)} >"$d/t"
trap '. "$d/t"; : >"$d/t"' 0; trap 'exit 143' 1 2 3 13 15`
}

const nothingLeft = ': >"$d/t"; trap - 0'

/** Sets $p to a path and $t to a name beside it that nobody else has. */
export function temporary(path: string, sh: Shell): string {
  const directory = parentOf(path)
  return `${promise([directory], sh)}\np=${sh.word(path)} t=${besides(directory, sh)}`
}

/** Makes a directory of that kind, $t, inside another. */
export function temporaryDirectory(path: string, sh: Shell): string {
  return `${promise([path], sh)}\nt=${besides(path, sh)}; mkdir -- "$t" || exit 1; umask "$m"`
}

// without -T a directory that came in the way would swallow the file
const moved = (t: string, p: string) =>
  `mv -fT -- ${t} ${p} 2>"$d/mv" || { test ! -d ${p} && mv -f -- ${t} ${p}; } || { cat "$d/mv" >&2; false; }`

/** Brings $t to $p. */
export const rename = `{ ${moved('"$t"', '"$p"')}; } || exit 1\n${nothingLeft}`

/** A file that is to come to a path with owner and mode. */
export interface NewFile {
  readonly path: string
  readonly bytes: Buffer
  readonly attributes: Attributes & { readonly mode: number }
}

/** Several files made ready with few processes, since each costs a millisecond: `before` makes them ready and sets $s when
 * it could; then each of `moves` brings one to its place, and `after` takes away what they were made in. */
export function staged(
  files: readonly (NewFile & { readonly source: string })[],
  sh: Shell,
): { before: string; moves: string[]; after: string } {
  const ready = files.map(({ path, source, attributes }) => {
    const directory = parentOf(path)
    return { path, directory, source, attributes, at: `${besides(directory, sh)}/${nameOfBlob(source)}` }
  })
  const directories = [...new Set(ready.map((f) => f.directory))]
  const together = (key: (f: (typeof ready)[number]) => string | undefined) => {
    const groups = new Map<string, string[]>()
    for (const f of ready) {
      const value = key(f)
      if (value !== undefined) groups.set(value, [...(groups.get(value) ?? []), f.at])
    }
    return [...groups]
  }
  const commands = [
    `mkdir -- ${directories.map((n) => besides(n, sh)).join(' ')}`,
    ...directories.map((n) => {
      const sources = ready.filter((f) => f.directory === n).map((f) => f.source)
      return `cp -- ${sources.join(' ')} ${besides(n, sh)}/`
    }),
    ...together((f) => ownerWord(f.attributes, sh)).map(([owner, at]) => `chown ${owner} ${at.join(' ')}`),
    ...together((f) => exactMode(f.attributes.mode)).map(([mode, at]) => `chmod ${mode} ${at.join(' ')}`),
    `sync -- ${ready.map((f) => f.at).join(' ')}`,
  ]
  return {
    before: `${promise(directories, sh)}
s=; { ${commands.join(' &&\n')}; } </dev/null >/dev/null 2>&1 && s=1 || { . "$d/t"; ${nothingLeft}; }`,
    moves: ready.map((f) => moved(f.at, sh.word(f.path))),
    after: `. "$d/t"; ${nothingLeft}`,
  }
}
