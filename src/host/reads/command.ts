import { parseCapabilities, printCapabilities } from '../../formats/capabilities.ts'
import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'

/** What a read-only command said. */
export interface Said {
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: string
}

export interface Asking {
  readonly argv: readonly string[]
  /** Variables for it, besides the session's own. */
  readonly env?: Readonly<Record<string, string>>
  /** Paths that its answer depends on. */
  readonly about?: readonly string[]
}

/** Runs a command that changes nothing, as a question. Its standard input is empty; LC_ALL is C.
 * @param about absolute paths on which its answer depends: a change at or below them makes it unknown. */
export function output(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  about: readonly string[] = [],
): Read<Said> {
  return read(outputKind, { argv, env, about })
}

function script(questions: readonly Asking[], sh: Shell): string {
  const asked = questions.map(({ argv, env = {} }) => {
    const variables = Object.entries({ LC_ALL: 'C', ...env }).map(([k, v]) => `${k}=${sh.word(v)}`)
    return `env ${variables.join(' ')} ${sh.words(argv)} >"$d/o" 2>"$d/e"; A $?`
  })
  // what is empty needs no process to be counted
  return `S() { if test -s "$1"; then set -- $(wc -c <"$1"); else set -- 0; fi; printf ' %s' "$1"; }
A() { printf %s "$1"; S "$d/o"; S "$d/e"; echo; cat "$d/o" "$d/e"; } >&3
${asked.join('\n')}`
}

function parse(bytes: Buffer, questions: readonly Asking[]): Said[] {
  let at = 0
  return questions.map(() => {
    const line = bytes.indexOf(10, at)
    const [status, out, err] = bytes.subarray(at, line).toString('latin1').split(' ').map(Number) as [
      number,
      number,
      number,
    ]
    const end = line + 1 + out
    at = end + err
    if (line === -1 || at > bytes.length) throw new Error('the host broke off the output of a command')
    return { status, stdout: Buffer.from(bytes.subarray(line + 1, end)), stderr: fromBytes(bytes.subarray(end, at)) }
  })
}

export const outputKind: ReadKind<Asking, Said> = {
  name: 'output',
  key: (q) => JSON.stringify(q),
  script,
  parse,
  paths: (q) => q.about ?? [],
  // what commands say is not predicted
  difference: () => undefined,
}

/** The path of a command in the session's PATH, or empty. */
export function which(name: string): Read<string> {
  return read(whichKind, name)
}

export const whichKind: ReadKind<string, string> = {
  name: 'which',
  key: (name) => name,
  script: (names, sh) => `for n in ${sh.words(names)}; do command -v -- "$n" >&3 2>/dev/null; printf '\\0' >&3; done`,
  parse: (bytes, names) => {
    const found = fromBytes(bytes).split('\0')
    return names.map((_, i) => found[i]!.trim())
  },
  difference: () => undefined,
}

/** File capabilities as `printCapabilities` writes them (`cap_ipc_lock=ep`), empty for none; undefined where the host
 * has no getcap. */
export function capabilities(path: string): Read<string | undefined> {
  return read(capabilitiesKind, path)
}

export const capabilitiesKind: ReadKind<string, string | undefined> = {
  name: 'capabilities',
  key: (path) => path,
  // /sbin is not in an ordinary user's PATH
  script: (paths, sh) =>
    `PATH=$PATH:/usr/sbin:/sbin
for p in ${sh.words(paths)}; do if command -v getcap >/dev/null 2>&1; then test ! -L "$p" || p=$(readlink -f "$p"); printf '+%s' "$p" >&3; fi
printf '\\0' >&3; getcap -- "$p" >&3 2>/dev/null; printf '\\0' >&3; done`,
  parse: (bytes, paths) => {
    const found = fromBytes(bytes).split('\0')
    return paths.map((_, i) => {
      // getcap says nothing of links: of where one leads
      const [real, text] = [found[2 * i]!.slice(1), found[2 * i + 1]!]
      if (real === '') return undefined
      // `PATH cap=ep`, and `PATH = cap+ep` before libcap 2.41
      const said = text.slice(text.startsWith(real) ? real.length : 0).trim()
      return printCapabilities(parseCapabilities(said.replace(/^= /, '')))
    })
  },
  paths: (path) => [path],
  difference: (p, a) => (p === a ? undefined : `its capabilities were to be ${p || 'none'}, they are ${a || 'none'}`),
}
