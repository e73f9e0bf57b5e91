import { anythingEffect, type Effect, pathEffect, unknownEffect } from '../host/effect.ts'
import type { Read } from '../host/read.ts'
import { type AccountQuestion, accountKind, groupKind } from '../host/reads/account.ts'
import { type Entry, entry, entryKind, followed, type Spot } from '../host/reads/entry.ts'
import { packageKind } from '../host/reads/package.ts'
import { unitKind, unitName } from '../host/reads/unit.ts'
import { accountFiles } from '../host/steps/account.ts'
import { missingParents } from '../host/steps/files.ts'
import { Unknown } from '../unknown.ts'
import type { Instance, View } from './instance.ts'

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
      if (kind === accountKind) return affected.users.includes((question as AccountQuestion).name)
      return kind === groupKind && affected.users.includes(question as string)
    }),
  ]
}

/** What a task may do whose plan is not known: what it says itself; else what its module may touch. */
export function unknownEffects(
  because: string,
  { module, asked }: Instance,
  affected: Affected | undefined,
  view: View,
): Effect[] {
  if (module.harmless) return []
  if (affected) return affectedEffects(because, affected, view)
  if (module.touches === 'anything' || asked.length === 0) return [anythingEffect(because)]
  if (module.touches === 'kinds') {
    // what is at a path is such a path
    const own = new Set(asked.map((r) => r.kind).filter((kind) => kind !== entryKind))
    return [unknownEffect(because, (read) => own.has(read.kind))]
  }
  const kinds = new Set(asked.filter((r) => !r.kind.paths).map((r) => r.kind))
  // a service that comes or goes answers otherwise
  const calls = kinds.has(unitKind) || asked.some((r) => r.kind.call)
  const paths = new Set(asked.flatMap((r) => r.kind.paths?.(r.question) ?? []))
  const accounts = kinds.has(accountKind) || kinds.has(groupKind) ? accountFiles(because) : []
  return [
    ...[...paths].flatMap((path) => pathUnknown(because, path, view)),
    ...accounts,
    unknownEffect(because, ({ kind }) => kinds.has(kind) || (calls && kind.call !== undefined)),
  ]
}

/** The place of a path, and what a link there leads to, are unknown, with all below them, and what is missing above. */
function pathUnknown(because: string, path: string, view: View): Effect[] {
  const at = view.get(entry(path)) as Entry | Unknown | undefined
  if (at === undefined || at instanceof Unknown) return [pathEffect(because, path, { to: 'unknown' }, true)]
  const places = new Set([outermostMissing(at), outermostMissing(followed(at))])
  return [...places].map((real) => pathEffect(because, real, { to: 'unknown' }, at.stat?.type === 'link'))
}

/** The place itself, or the highest directory above it that is not there. */
function outermostMissing(at: Spot): string {
  return at.stat ? at.real : (missingParents(at)[0]?.real ?? at.real)
}
