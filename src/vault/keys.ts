import type { Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import { dataDifference } from '../host/reads/api.ts'
import { vaultEffect, vaultKind } from './kind.ts'
import { isGood, isRefused, type Refused, type VaultServer } from './server.ts'

/** A key of a transit engine, under the server's own names; empty where there is none. */
export type TransitKey = Readonly<Record<string, unknown>>

interface KeyQuestion {
  readonly server: VaultServer
  /** Path of the engine. */
  readonly mount: string
  readonly name: string
}

export const keyKind = vaultKind<KeyQuestion, TransitKey>({
  name: 'vault-key',
  about: ({ server, mount, name }) => `the key ${name} of ${mount}/ of ${server.address}`,
  answer: async ({ mount, name }, ask) => {
    const said = await ask('GET', `${mount}/keys/${name}`)
    if (isRefused(said)) return said
    if (said.status === 404) return {}
    return isGood(said) ? said.data : { refused: `it answers ${said.status}: ${said.errors}` }
  },
  difference: (predicted, actual) => {
    if (Object.keys(predicted).length === 0) return actual.type === undefined ? undefined : 'it is there'
    return dataDifference(predicted, actual)
  },
})

export function vaultKey(server: VaultServer, mount: string, name: string): Read<TransitKey | Refused> {
  return read(keyKind, { server, mount, name })
}

/** It is this afterwards. */
export function keyEffects(because: string, question: KeyQuestion, after: TransitKey): Effect[] {
  const { mount, name } = question
  return [
    vaultEffect(
      because,
      keyKind,
      question,
      (q) => q.mount === mount && q.name === name,
      () => after,
    ),
  ]
}
