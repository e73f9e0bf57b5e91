import { type Failure, fail } from '../contract.ts'
import type { HclBlock } from '../formats/hcl.ts'
import { withoutComments } from './cluster.ts'

/** Where a server keeps what it has, in its own files. */
export interface DataPlace {
  readonly type: 'file' | 'raft'
  readonly path: string
  /** It is there once the server has kept something. */
  readonly mark: string
}

const marks = { file: 'core', raft: 'vault.db' } as const

function placeFor(type: string | undefined, path: unknown): DataPlace | undefined {
  if ((type !== 'file' && type !== 'raft') || typeof path !== 'string' || !path.startsWith('/')) return undefined
  const plain = path.replace(/\/+$/, '')
  return { type, path: plain, mark: `${plain}/${marks[type]}` }
}

/** What a configuration says of it; undefined where that is elsewhere, or can't be read here. */
export function placeIn(hcl: string): DataPlace | undefined {
  const [, type, rest] = /\b(?:storage|backend)\s+"?(\w+)"?\s*\{([\s\S]*)/.exec(withoutComments(hcl)) ?? []
  return placeFor(type, /\bpath\s*=\s*"([^"]*)"/.exec(rest ?? '')?.[1])
}

/** What stanzas say of it. */
export function placeOfBlocks(blocks: readonly HclBlock[]): DataPlace | undefined {
  const storage = blocks.find((b) => b.type === 'storage' || b.type === 'backend')
  return placeFor(storage?.labels[0], storage?.body.attributes.path)
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
