import { parseMode } from './formats/mode.ts'
import type { Stat } from './host/reads/entry.ts'
import type { Step } from './host/step.ts'
import { type Attributes, type Place, setAttributes } from './host/steps/files.ts'
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
}

/** What of the wanted owner, group and mode is not so yet.
 * @throws UnknownValue where that is known only after apply, RangeError for what is no mode. */
export function ownershipMissing(stat: Stat, { owner, group, mode }: Ownership): Attributes {
  const wanted = mode === undefined ? undefined : parseMode(mode, stat.mode, stat.type === 'directory')
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
  const mode = want.mode === undefined ? standard : parseMode(want.mode, standard, isDirectory)
  return { owner: want.owner, group: want.group, mode }
}

function isOther(want: string | undefined, name: string | undefined, id: number | undefined, what: string): boolean {
  if (want === undefined) return false
  const known = /^\d+$/.test(want) ? id : name
  if (known === undefined) throw new UnknownValue(`the ${what} of a new file`)
  return String(known) !== want
}
