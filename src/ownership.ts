import { parseMode } from './formats/mode.ts'
import { modeText, type Stat } from './host/reads/entry.ts'
import type { Step } from './host/step.ts'
import type { Attributes } from './host/steps/attributes.ts'
import { type Place, setAttributes } from './host/steps/files.ts'
import { UnknownValue } from './unknown.ts'

/** The parameters of whatever has an owner and a mode. */
export const ownershipParams = {
  owner: { type: 'string', description: 'User that owns it, by name or number.' },
  group: { type: 'string', description: 'Group that owns it, by name or number.' },
  mode: {
    type: 'string',
    mode: true,
    description: "Permissions, octal in quotes (`'0644'`) or symbolic (`u=rwX,g=rX,o=`).",
    examples: ['0644', 'u=rwX,g=rX,o='],
  },
} as const

export interface Ownership {
  readonly owner?: string | undefined
  readonly group?: string | undefined
  readonly mode?: string | undefined
  /** What a symbolic mode without u, g, o or a leaves alone. */
  readonly umask?: number
}

/** The wanted owner, group and mode among a module's parameters. */
export function ownershipOf(p: Ownership, facts: { readonly umask: string }): Ownership & { readonly umask: number } {
  return { owner: p.owner, group: p.group, mode: p.mode, umask: Number.parseInt(facts.umask, 8) }
}

/** What of the wanted owner, group and mode is not so yet.
 * @throws UnknownValue where that is known only after apply, RangeError for what is no mode. */
export function ownershipMissing(stat: Stat, { owner, group, mode, umask }: Ownership): Attributes {
  const wanted = mode === undefined ? undefined : parseMode(mode, stat.mode, stat.type === 'directory', umask)
  return {
    owner: isOther(owner, stat.owner, stat.uid, 'owner') ? owner : undefined,
    group: isOther(group, stat.group, stat.gid, 'group') ? group : undefined,
    mode: wanted === undefined || wanted === stat.mode || stat.type === 'link' ? undefined : wanted,
  }
}

/** The step that sets them, if any is missing. */
export function ownershipSteps(place: Place, want: Ownership): Step[] {
  if (!place.stat) return []
  const missing = ownershipMissing(place.stat, want)
  const none = missing.owner === undefined && missing.group === undefined && missing.mode === undefined
  return none ? [] : [setAttributes(place, missing)]
}

/** What a new file or directory gets. */
export function ownershipOfNew(want: Ownership, standard: number, isDirectory = false): Attributes & { mode: number } {
  const mode = want.mode === undefined ? standard : parseMode(want.mode, standard, isDirectory, want.umask)
  return { owner: want.owner, group: want.group, mode }
}

/** Owner, group and mode as `register` gives them, once they are as wanted; what only the host can tell is left out. */
export function attributesShown(there: Stat | undefined, mode: number, want: Ownership): Record<string, unknown> {
  const wanted = (name: string | undefined, is: string | undefined) =>
    name === undefined ? is : /^\d+$/.test(name) ? undefined : name
  const number = (name: string | undefined, is: number | undefined) =>
    name === undefined ? is : /^\d+$/.test(name) ? Number(name) : undefined
  const shown = {
    mode: modeText(mode),
    owner: wanted(want.owner, there?.owner),
    group: wanted(want.group, there?.group),
    uid: number(want.owner, there?.uid),
    gid: number(want.group, there?.gid),
  }
  return Object.fromEntries(Object.entries(shown).filter(([, v]) => v !== undefined))
}

function isOther(want: string | undefined, name: string | undefined, id: number | undefined, what: string): boolean {
  if (want === undefined) return false
  const known = /^\d+$/.test(want) ? id : name
  if (known === undefined) throw new UnknownValue(`the ${what} of a new file`)
  return String(known) !== want
}
