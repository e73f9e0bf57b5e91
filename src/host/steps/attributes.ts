import type { Shell } from '../shell.ts'

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

/** Shell text that sets owner and group of `path` (a word), where there is something to set. */
export function chown(attributes: Attributes, flags: string, path: string, sh: Shell): string {
  const owner = ownerWord(attributes, sh)
  return owner === undefined ? '' : `chown ${flags}${owner} ${path} || exit 1\n`
}
