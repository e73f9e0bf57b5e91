import { isDeepStrictEqual } from 'node:util'
import type { Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import { dataDifference } from '../host/reads/api.ts'
import { contentsEffect } from './contents.ts'
import { vaultEffect, vaultKind } from './kind.ts'
import { isGood, noAnswer } from './said.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

/** What is at a path of a kv engine. */
export interface Secret {
  /** Undefined where there is nothing, or the last version was deleted. */
  readonly data: Readonly<Record<string, unknown>> | undefined
  /** Of a versioned engine; 0 where there never was one. */
  readonly version: number
}

export const noSecret: Secret = { data: undefined, version: 0 }

interface Question {
  readonly server: VaultServer
  /** Path of the engine, and of the secret in it. */
  readonly mount: string
  readonly path: string
  readonly version: 1 | 2
}

export const secretKind = vaultKind<Question, Secret>({
  name: 'vault-secret',
  about: ({ server, mount, path }) => `${mount}/${path} of ${server.address}`,
  answer: async ({ mount, path, version }, ask) => {
    const said = await ask('GET', version === 2 ? `${mount}/data/${path}` : `${mount}/${path}`)
    if (isRefused(said)) return said
    if (version === 1)
      return said.status === 404 ? noSecret : isGood(said) ? { data: said.data, version: 0 } : noAnswer(said)
    // a version that was deleted answers 404, and says which one it was
    const { metadata, data } = said.data as { metadata?: { version?: number }; data?: Secret['data'] | null }
    if (isGood(said) || metadata) return { data: data ?? undefined, version: metadata?.version ?? 0 }
    return said.status === 404 ? noSecret : noAnswer(said)
  },
  difference: (p, a) => {
    if (p.data === undefined || a.data === undefined)
      return p.data === a.data
        ? dataDifference(p.version, a.version, 'its version')
        : a.data
          ? 'it is there'
          : 'it is not there'
    return sameData(p.data, a.data)
      ? dataDifference(p.version, a.version, 'its version')
      : 'its data is not what was written'
  },
})

export function vaultSecret(server: VaultServer, mount: string, path: string, version: 1 | 2): Read<Secret | Refused> {
  return read(secretKind, { server, mount, path, version })
}

/** Whether data is the same as JSON, whatever the order of its keys. */
export function sameData(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b)
}

/** It is this afterwards; where it was written, its engine may list another name. */
export function secretEffects(because: string, question: Question, after: Secret): Effect[] {
  const { mount, path, version } = question
  return [
    vaultEffect(
      because,
      secretKind,
      question,
      // who asks as of another version, because the engine was of that one before, is told nothing of it
      (q) => q.mount === mount && q.path === path && q.version === version,
      () => after,
    ),
    ...(after.data
      ? [contentsEffect(because, question, path, true)]
      : after.version === 0
        ? [contentsEffect(because, question, path, false)]
        : []),
  ]
}
