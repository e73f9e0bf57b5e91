import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'
import { fieldDifference } from './account.ts'

/** A package as the host's own package database knows it. */
export interface Package {
  readonly name: string
  /** The installed version; empty where it is not installed; undefined in a prediction: not to be known before. */
  readonly installed: string | undefined
  /** The version that the package manager would install now; empty where it knows none; asked for only by `packageLatest`. */
  readonly candidate: string | undefined
}

interface Question {
  readonly name: string
  readonly latest: boolean
}

/** Whether and in which version a package is installed (dpkg or rpm, whichever is there). */
export function installedPackage(name: string): Read<Package> {
  return read(packageKind, { name, latest: false })
}

/** The same, and what the package manager's own lists offer. */
export function packageLatest(name: string): Read<Package> {
  return read(packageKind, { name, latest: true })
}

function script(questions: readonly Question[], sh: Shell): string {
  const names = [...new Set(questions.map((q) => q.name))]
  const latest = [...new Set(questions.filter((q) => q.latest).map((q) => q.name))]
  const apt = latest.length === 0 ? '' : `LC_ALL=C apt-cache policy -- ${sh.words(latest)} >&3 2>/dev/null`
  const dnf =
    latest.length === 0
      ? ''
      : `$(command -v dnf || command -v yum) -q -C repoquery --latest-limit=1 --qf '%{name}\\t%{evr}\\n' -- ${sh.words(latest)} >&3 2>/dev/null`
  return `if command -v dpkg-query >/dev/null 2>&1; then
dpkg-query -W -f '\${db:Status-Status}\\t\${binary:Package}\\t\${Version}\\t\${Provides}\\n' -- ${sh.words(names)} >&3 2>/dev/null
printf '\\0dpkg\\0' >&3; ${apt || ':'}
elif command -v rpm >/dev/null 2>&1; then
for n in ${sh.words(names)}; do rpm -q --whatprovides --qf "installed\\t$n\\t%{EVR}\\t\\n" -- "$n" 2>/dev/null | grep '^installed' >&3; done
printf '\\0rpm\\0' >&3; ${dnf || ':'}
else printf '\\0none\\0' >&3; fi`
}

function parse(output: Buffer, questions: readonly Question[]): Package[] {
  const [installed = '', , offered = ''] = fromBytes(output).split('\0')
  const versions = new Map<string, string>()
  for (const line of installed.split('\n')) {
    const [status, name, version] = line.split('\t')
    if (status === 'installed' && name) versions.set(name.replace(/:.*/, ''), version ?? '').set(name, version ?? '')
  }
  const candidates = parseCandidates(offered)
  return questions.map(({ name, latest }) => ({
    name,
    installed: versions.get(name) ?? '',
    candidate: latest ? (candidates.get(name) ?? '') : undefined,
  }))
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
