import { randomBytes } from 'node:crypto'
import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'
import { cleanPath } from './entry.ts'

/** The bytes of a regular file, links followed. `undefined` where there is none; `denied` where it may not be read. */
export interface Content {
  readonly bytes: Buffer | undefined
  readonly denied: boolean
}

export function content(path: string): Read<Content> {
  return read(contentKind, cleanPath(path))
}

const noContent: Content = { bytes: undefined, denied: false }

function script(paths: readonly string[], sh: Shell): string {
  // one cat for all, a mark behind each file; a line of flags first says which of them are there
  return `f=; k="$d/mark"; printf '%s' '${markText}' >"$k"
for p in ${sh.words(paths)}; do
if test -f "$p"; then if test -r "$p"; then f="\${f}r"; set -- "$@" "$p"; else f="\${f}d"; fi; else f="\${f}-"; fi
set -- "$@" "$k"; done
printf '%s\\n' "$f" >&3; cat -- "$@" >&3`
}

// long enough that no file holds it by chance, and only ever made here
const markText = randomBytes(32).toString('hex')

function parse(output: Buffer, paths: readonly string[]): Content[] {
  const line = output.indexOf(10)
  const flags = output.subarray(0, line).toString('latin1')
  let at = line + 1
  return paths.map((_, i): Content => {
    const end = output.indexOf(markText, at, 'latin1')
    if (end === -1) throw new Error('the host broke off the text of a file')
    const bytes = Buffer.from(output.subarray(at, end))
    at = end + markText.length
    return flags[i] === 'r' ? { bytes, denied: false } : { ...noContent, denied: flags[i] === 'd' }
  })
}

export const contentKind: ReadKind<string, Content> = {
  name: 'content',
  inline: true,
  key: (path) => path,
  script,
  parse,
  paths: (path) => [path],
  difference: (predicted, actual) => {
    if (!predicted.bytes || !actual.bytes)
      return !predicted.bytes === !actual.bytes ? undefined : 'a file was to be there or not, and it is the other way'
    return predicted.bytes.equals(actual.bytes) ? undefined : 'its content is not what was written'
  },
}

/** The hash of a regular file (SHA-256, hex, links followed), worked out only where its size is one that was asked for: a
 * file of another size is another file, and may have no hash here. */
export interface Sum {
  readonly sha256: string | undefined
}

/** @param size bytes; undefined: whatever the size is. */
export function sum(path: string, size?: number): Read<Sum> {
  return read(sumKind, { path: cleanPath(path), size })
}

/** Whether a file holds exactly these bytes: ask with this, compare with `hashOf`. */
export function sumFor(path: string, bytes: Buffer): Read<Sum> {
  return sum(path, bytes.length)
}

export interface SumQuestion {
  readonly path: string
  readonly size: number | undefined
}

function sumScript(questions: readonly SumQuestion[], sh: Shell): string {
  const tests = questions.map(({ path, size }) => {
    const name = sh.word(path.replace(/[*?[\]\\]/g, '\\$&'))
    return size === undefined ? `-path ${name}` : `-path ${name} -size ${size}c`
  })
  const paths = [...new Set(questions.map((q) => q.path))]
  return `set -- ${sh.words(paths)}
if test -n "$G"; then
find -H "$@" -maxdepth 0 -type f \\( ${tests.join(' -o ')} \\) -exec sha256sum -b {} + >&3 2>/dev/null
else
for p; do test -f "$p" && sha256sum -b "$p" >&3; done
fi`
}

function parseSums(output: Buffer, questions: readonly SumQuestion[]): Sum[] {
  const sums = new Map<string, string>()
  for (const line of fromBytes(output).split('\n')) {
    const [, escaped, sum, path] = /^(\\?)([0-9a-f]{64}) [ *](.*)$/s.exec(line) ?? []
    if (sum !== undefined) sums.set(escaped ? unescaped(path!) : path!, sum)
  }
  return questions.map(({ path }) => ({ sha256: sums.get(path) }))
}

/** sha256sum puts a backslash before a line whose path it had to write with escapes. */
function unescaped(path: string): string {
  const plain: Record<string, string> = { n: '\n', r: '\r', '\\': '\\' }
  return path.replace(/\\([nr\\])/g, (_, c: string) => plain[c]!)
}

export const sumKind: ReadKind<SumQuestion, Sum> = {
  name: 'sum',
  inline: true,
  key: ({ path, size }) => `${size ?? ''} ${path}`,
  script: (questions, sh) =>
    groupsOf(questions, 400)
      .map((g) => sumScript(g, sh))
      .join('\n'),
  parse: parseSums,
  paths: ({ path }) => [path],
  // no hash says nothing: the same file may be asked for by another size, too
  difference: ({ sha256 }, actual) =>
    sha256 === undefined || sha256 === actual.sha256 ? undefined : 'its content is not what was written',
}

function groupsOf<T>(items: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / most) }, (_, i) => items.slice(i * most, (i + 1) * most) as T[])
}

export const checksumAlgorithms = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number]

interface ChecksumQuestion {
  readonly path: string
  readonly algorithm: ChecksumAlgorithm
}

/** A hash of a regular file as hex, links followed; undefined where there is none or it may not be read. For what compares
 * contents `sum` is the better question. */
export function checksum(path: string, algorithm: ChecksumAlgorithm): Read<string | undefined> {
  return read(checksumKind, { path: cleanPath(path), algorithm })
}

export const checksumKind: ReadKind<ChecksumQuestion, string | undefined> = {
  name: 'checksum',
  key: ({ path, algorithm }) => `${algorithm} ${path}`,
  script: (questions, sh) =>
    questions
      .map(({ path, algorithm }) => {
        const p = sh.word(path)
        return `test -f ${p} && s=$(${algorithm}sum <${p} 2>/dev/null) && printf %s "\${s%% *}" >&3; printf '\\0' >&3`
      })
      .join('\n'),
  parse: (bytes, questions) => {
    const found = fromBytes(bytes).split('\0')
    return questions.map((_, i) => found[i] || undefined)
  },
  paths: ({ path }) => [path],
  difference: (predicted, actual) => (predicted === actual ? undefined : 'its content is not what was written'),
}
