import type { Member } from '../../formats/archive.ts'
import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'
import { cleanPath } from './entry.ts'

/** What an archive on the host holds, as its own tar or unzip unpacks it for the asking user. */
export interface Archived {
  /** Why it cannot be read; undefined where it can. */
  readonly problem: string | undefined
  readonly kind: 'tar' | 'zip'
  readonly members: readonly (Member & { readonly bytes?: Buffer })[]
}

interface Question {
  readonly path: string
  /** Handed to tar or unzip. */
  readonly options: readonly string[]
  /** Names of small files whose bytes are wanted too. */
  readonly contents: readonly string[]
}

/** Unpacks an archive into a private directory that goes at once, to see what is in it.
 * @param more.contents names of small files whose bytes are wanted too. */
export function archive(
  path: string,
  more: { readonly options?: readonly string[]; readonly contents?: readonly string[] } = {},
): Read<Archived> {
  const { options = [], contents = [] } = more
  return read(archiveKind, { path: cleanPath(path), options, contents })
}

/** Shell text that unpacks $a into the directory $t; says on fd 2 why it cannot. Its times are of now: what was replaced is
 * newer than whatever runs. */
export function unpackScript(options: readonly string[], sh: Shell): string {
  const more = options.length === 0 ? '' : ` ${sh.words(options)}`
  return `case $(head -c 4 -- "$a" | od -An -tx1 | tr -d ' \\n') in
504b*) k=zip; command -v unzip >/dev/null || { echo "the host has no unzip" >&2; false; } && unzip -qo -DD${more} "$a" -d "$t" </dev/null;;
*) k=tar; tar -x -m${more} -f "$a" -C "$t" </dev/null;; esac`
}

function script(questions: readonly Question[], sh: Shell): string {
  const one = ({ path, options, contents }: Question) => {
    const names = contents.map((n) => `-name ${sh.word(n)}`).join(' -o ')
    const small = `find . -type f \\( ${names} \\) -size -256k -exec sh -c 'for f; do printf "%s\\0" "$f" "$(wc -c <"$f")"; cat -- "$f"; done' sh {} + >&3`
    return `a=${sh.word(path)} t=$d/archive; mkdir "$t" || exit 1
if test -z "$G"; then printf 'the host has no GNU find\\0tar\\0' >&3
elif (${unpackScript(options, sh)}; e=$?; printf '%s\\0' $k >"$d/kind"; exit $e) 2>"$d/problem"; then
printf '\\0' >&3; cat "$d/kind" >&3
(cd "$t" && find . -mindepth 1 -printf '%P\\0%y\\0%m\\0%s\\0%u\\0%U\\0%g\\0%G\\0%l\\0' >&3; printf '\\0' >&3
find . -type f -exec sha256sum -bz -- {} + >&3; printf '\\0' >&3
${contents.length === 0 ? ':' : small})
else tail -c 1000 "$d/problem" | tr -d '\\0' >&3; printf ' \\0' >&3; cat "$d/kind" >&3; fi
printf '\\0\\0' >&3
chmod -R u+rwx "$t" 2>/dev/null; rm -rf "$t"`
  }
  return questions.map(one).join('\n')
}

function parse(output: Buffer, questions: readonly Question[]): Archived[] {
  let at = 0
  const next = () => {
    const end = output.indexOf(0, at)
    if (end === -1) throw new Error('the host broke off its answer about an archive')
    const field = fromBytes(output.subarray(at, end))
    at = end + 1
    return field
  }
  return questions.map((): Archived => {
    const [problem, kind] = [next(), next() as Archived['kind']]
    if (problem !== '') {
      next()
      next()
      return { problem: problem.trim(), kind, members: [] }
    }
    const records: string[][] = []
    for (let name = next(); name !== ''; name = next()) records.push([name, ...Array.from({ length: 8 }, next)])
    const sums = new Map<string, string>()
    for (let line = next(); line !== ''; line = next()) sums.set(line.slice(68), line.slice(0, 64))
    const contents = new Map<string, Buffer>()
    for (let name = next(); name !== ''; name = next()) {
      const size = Number(next())
      contents.set(name.slice(2), Buffer.from(output.subarray(at, at + size)))
      at += size
    }
    next()
    const odd = records.find(([, type]) => !'fdl'.includes(type!))
    if (odd) return { problem: `it holds something that is no file, directory or link: ${odd[0]}`, kind, members: [] }
    return { problem: undefined, kind, members: records.map((r) => memberOf(r, sums, contents)) }
  })
}

function memberOf(
  [name, type, mode, size, owner, uid, group, gid, target]: readonly string[],
  sums: ReadonlyMap<string, string>,
  contents: ReadonlyMap<string, Buffer>,
): Archived['members'][number] {
  const bytes = contents.get(name!)
  return {
    name: name!,
    type: type === 'd' ? 'directory' : type === 'l' ? 'link' : 'file',
    mode: Number.parseInt(mode!, 8) & 0o7777,
    size: type === 'f' ? Number(size) : 0,
    sha256: sums.get(name!) ?? '',
    target: target!,
    owner: { name: owner!, id: Number(uid) },
    group: { name: group!, id: Number(gid) },
    ...(bytes === undefined ? {} : { bytes }),
  }
}

const archiveKind: ReadKind<Question, Archived> = {
  name: 'archive',
  key: (q) => JSON.stringify(q),
  script,
  parse,
  paths: ({ path }) => [path],
  // what an archive holds is never predicted
  difference: () => undefined,
}
