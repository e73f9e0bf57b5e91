import { anythingEffect, type Effect, pathEffect, unknownEffect } from '../host/effect.ts'
import type { Read } from '../host/read.ts'
import { accountKind, groupKind } from '../host/reads/account.ts'
import { type Entry, entry, followed } from '../host/reads/entry.ts'
import { packageKind } from '../host/reads/package.ts'
import { unitKind, unitName } from '../host/reads/unit.ts'
import { Unknown } from '../unknown.ts'
import type { View } from './instance.ts'

/** What a task says it may touch at most. */
export interface Affected {
  readonly paths: readonly string[]
  readonly units: readonly string[]
  readonly packages: readonly string[]
  readonly users: readonly string[]
}

/** Reads the evaluated `affects:` of a task: `nothing`, or a list of paths and of mappings with one key. */
export function affectedBy(value: unknown): Affected {
  const list = value === 'nothing' ? [] : [value].flat()
  const pick = (key: string) =>
    list.flatMap((v) => (typeof v === 'object' && v !== null && key in v ? [String((v as never)[key])] : []))
  return {
    paths: [...list.filter((v): v is string => typeof v === 'string'), ...pick('path')],
    units: pick('unit').map(unitName),
    packages: pick('package'),
    users: pick('user'),
  }
}

/** What has to be asked to say which answers these touch. */
export function affectedReads(affected: Affected): Read[] {
  return affected.paths.map(entry)
}

export function affectedEffects(because: string, affected: Affected, view: View): Effect[] {
  return [
    ...affected.paths.flatMap((path) => pathUnknown(because, path, view)),
    unknownEffect(because, ({ kind, question }) => {
      if (kind === unitKind) return affected.units.includes(question as string)
      if (kind === packageKind) return affected.packages.includes((question as { name: string }).name)
      return (kind === accountKind || kind === groupKind) && affected.users.includes(question as string)
    }),
  ]
}

/** What a task may do whose plan is not known: anything to what it asked about. */
export function effectsOfUnknown(because: string, asked: readonly Read[], view: View): Effect[] {
  if (asked.length === 0) return [anythingEffect(because)]
  const kinds = new Set(asked.filter((r) => !r.kind.paths).map((r) => r.kind))
  const paths = asked.flatMap((r) => r.kind.paths?.(r.question) ?? [])
  return [
    ...[...new Set(paths)].flatMap((path) => pathUnknown(because, path, view)),
    unknownEffect(because, (read) => kinds.has(read.kind)),
  ]
}

/** The place of a path, and what a link there leads to, are unknown, with all below them. */
function pathUnknown(because: string, path: string, view: View): Effect[] {
  const at = view.get(entry(path)) as Entry | Unknown | undefined
  if (at === undefined || at instanceof Unknown) return [pathEffect(because, path, { to: 'unknown' }, true)]
  const places = new Set([at.real, followed(at).real])
  return [...places].map((real) => pathEffect(because, real, { to: 'unknown' }, at.stat?.type === 'link'))
}
