import { type Failure, fail } from '../contract.ts'
import { mappingsAt, readHcl, textAt } from '../formats/hcl-read.ts'

/** Where a server keeps what it has, in its own files. */
export interface DataPlace {
  readonly type: 'file' | 'raft'
  readonly path: string
  /** It is there once the server has kept something. */
  readonly mark: string
}

const marks = { file: 'core', raft: 'vault.db' } as const

function placeFor(type: keyof typeof marks, path = ''): DataPlace | undefined {
  if (!path.startsWith('/')) return undefined
  const plain = path.replace(/\/+$/, '')
  return { type, path: plain, mark: `${plain}/${marks[type]}` }
}

/** What a configuration says of it; undefined where that is elsewhere. */
export function placeIn(hcl: string): DataPlace | undefined {
  const all = readHcl(hcl)
  const at = (kind: string, type: keyof typeof marks) =>
    mappingsAt(all, kind, type).map((settings) => placeFor(type, textAt(settings, 'path')))
  return ['storage', 'backend'].flatMap((kind) => (['file', 'raft'] as const).flatMap((type) => at(kind, type)))[0]
}

/** Why a server would start without what it has.
 * @param has whether there is something at a place. */
export function leftBehind(
  before: DataPlace | undefined,
  after: DataPlace | undefined,
  has: (place: DataPlace) => boolean,
): Failure | undefined {
  if (!before || !has(before) || before.mark === after?.mark || (after && has(after))) return undefined
  const next = after ? `${after.type} at ${after.path}, where nothing is` : 'another one'
  return fail(
    `the server keeps its data in ${before.path} (${before.type}), and would get a storage of ${next}: it would start empty`,
    { hint: 'stop it and bring the data to the new place first; or, where they may be lost, away' },
  )
}
