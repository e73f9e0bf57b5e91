import { account, group } from '../reads/account.ts'
import type { Shell } from '../shell.ts'
import type { Need } from '../step.ts'

/** Owner and group by name or number as text, mode as a number; undefined leaves it. */
export interface Attributes {
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly mode?: number | undefined
}

/** GNU chmod keeps a directory's setuid and setgid bits unless the mode has five digits. */
export const exactMode = (mode: number) => mode.toString(8).padStart(5, '0')

/** Owner and group as chown takes them; undefined where there is nothing to set. */
export function ownerWord({ owner, group }: Attributes, sh: Shell): string | undefined {
  if (owner === undefined && group === undefined) return undefined
  return sh.word(`${owner ?? ''}${group === undefined ? '' : `:${group}`}`)
}

/** Whoever owns / is root, and what root makes is root's: that is seen without a process. */
const isRoots = (path: string) => `test -O / && test -G / && test -O ${path} && test -G ${path}`

/** Shell text that gives new files (words) to an owner and a group.
 * @param owner as `ownerWord` says it. */
export function giveTo(owner: string, paths: readonly string[]): string {
  const give = `chown ${owner} ${paths.join(' ')}`
  return /^(root|0):(root|0)$/.test(owner) ? `{ { ${paths.map(isRoots).join(' && ')}; } || ${give}; }` : give
}

/** Shell text that sets owner and group of `path` (a word), where there is something to set.
 * @param otherwise what is done when that fails. */
export function chown(attributes: Attributes, flags: string, path: string, sh: Shell, otherwise = 'exit 1'): string {
  const owner = ownerWord(attributes, sh)
  if (owner === undefined) return ''
  return `${flags === '' ? giveTo(owner, [path]) : `chown ${flags}${owner} ${path}`} || ${otherwise}\n`
}

/** Who has to be known on the host. */
export function needsOf(attributes: Attributes): Need[] {
  const named = (name: string | undefined) =>
    name === undefined || name === 'root' || /^\d+$/.test(name) ? [] : [name]
  return [
    ...named(attributes.owner).map((n) => ({ read: account(n), otherwise: `there is no user ${n} on the host` })),
    ...named(attributes.group).map((n) => ({ read: group(n), otherwise: `there is no group ${n} on the host` })),
  ]
}
