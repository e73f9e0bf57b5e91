import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'
import { fieldDifference } from './account.ts'

/** A package as the host's own package database knows it. */
export interface Package {
  /** As it was asked for: `hello`, `libc6:i386`, for rpm also `hello-2.10`. */
  readonly name: string
  /** The installed version; empty where it is not installed; undefined in a prediction: not to be known before. */
  readonly installed: string | undefined
  /** The version that the package manager would install now; empty where it knows none; asked for only by `packageLatest`. */
  readonly candidate: string | undefined
  /** It is a name only, that an installed package provides. */
  readonly provided?: true
}

interface Question {
  readonly name: string
  readonly latest: boolean
  readonly refresh: boolean
}

/** Whether and in which version a package is installed (dpkg or rpm, whichever is there). */
export function installedPackage(name: string): Read<Package> {
  return read(packageKind, { name, latest: false, refresh: false })
}

/** The same, and what the package manager's own lists offer.
 * @param refresh they are fetched anew before: that changes nothing but them. */
export function packageLatest(name: string, refresh = false): Read<Package> {
  return read(packageKind, { name, latest: true, refresh })
}

function script(questions: readonly Question[], sh: Shell): string {
  const names = [...new Set(questions.map((q) => q.name))]
  const latest = [...new Set(questions.filter((q) => q.latest).map((q) => q.name))]
  const refresh = questions.some((q) => q.refresh)
  const dnf =
    latest.length === 0
      ? ':'
      : `m=$(command -v dnf || command -v yum)
${refresh ? '$m -q makecache >/dev/null 2>&1' : ''}
$m -q ${refresh ? '' : '-C '}repoquery --latest-limit=1 --qf '%{name}\\t%{evr}\\n' -- ${sh.words(latest)} >&3 2>/dev/null`
  // a name that is not installed may be one that others provide: that is looked for only then
  return `export LC_ALL=C
if command -v dpkg-query >/dev/null 2>&1; then
${refresh ? 'apt-get -q update >/dev/null 2>&1' : ''}
set -- ${sh.words(latest)}
s=$(dpkg-query -W -f '\${db:Status-Status}\\t\${Package}\\t\${Architecture}\\t\${Version}\\n' -- ${sh.words(names)} 2>/dev/null | grep '^installed')
printf '%s\\n' "$s" >&3; test "$(printf '%s\\n' "$s" | grep -c .)" = ${names.length} || set -- ${sh.words(names)}
printf '\\0dpkg\\0' >&3; test $# = 0 || apt-cache policy -- "$@" >&3 2>/dev/null
printf '\\0' >&3; test $# = 0 || dpkg-query -W -f '\${db:Status-Status}\\t\${Version}\\t\${Provides}\\n' | grep '^installed.*[^[:space:]]$' | cut -f2- >&3
elif command -v rpm >/dev/null 2>&1; then
for n in ${sh.words(names)}; do s=$(rpm -q --qf 'installed\\t%{EVR}\\n' -- "$n" 2>/dev/null | grep '^installed') || s=$(rpm -q --whatprovides --qf 'installed\\t%{EVR}\\n' -- "$n" 2>/dev/null | grep '^installed'); test -z "$s" || printf 'installed\\t%s\\t\\t%s\\n' "$n" "$(printf '%s\\n' "$s" | tail -n 1 | cut -f2)" >&3; done
printf '\\0rpm\\0' >&3; ${dnf}
printf '\\0' >&3
else printf '\\0none\\0\\0' >&3; fi`
}

function parse(output: Buffer, questions: readonly Question[]): Package[] {
  const [installed = '', , offered = '', provides = ''] = fromBytes(output).split('\0')
  const versions = new Map<string, string>()
  for (const line of installed.split('\n')) {
    const [status, name, architecture, version] = line.split('\t')
    if (status === 'installed') versions.set(name!, version!).set(`${name}:${architecture}`, version!)
  }
  const candidates = parseCandidates(offered)
  const provided = parseProvides(provides)
  return questions.map(({ name, latest }): Package => {
    const version = versions.get(name) ?? ''
    const candidate = candidates.get(name) ?? ''
    const virtual = version === '' && candidate === '' ? provided.get(name) : undefined
    return {
      name,
      installed: virtual ?? version,
      candidate: latest ? candidate : undefined,
      ...(virtual === undefined ? {} : { provided: true }),
    }
  })
}

/** The version of the package behind each name that installed ones provide. */
function parseProvides(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [version = '', names = ''] = line.split('\t')
    for (const name of names.split(',')) found.set(name.trim().replace(/[ :].*/, ''), version)
  }
  return found
}

function parseCandidates(text: string): Map<string, string> {
  const found = new Map<string, string>()
  let name = ''
  for (const line of text.split('\n')) {
    const tab = line.indexOf('\t')
    if (tab > 0) found.set(line.slice(0, tab), line.slice(tab + 1).replace(/^0:/, ''))
    else if (/^\S.*:$/.test(line)) name = line.slice(0, -1)
    else {
      const candidate = /^\s+Candidate: (\S+)/.exec(line)?.[1]
      if (candidate && candidate !== '(none)') found.set(name, candidate)
    }
  }
  return found
}

export const packageKind: ReadKind<Question, Package> = {
  name: 'package',
  key: ({ name, latest }) => `${name} ${latest}`,
  script,
  parse,
  difference: (p, a) => fieldDifference(['installed'], p, a),
}
