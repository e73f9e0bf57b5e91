import { randomBytes } from 'node:crypto'
import type { Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import { dataDifference } from '../host/reads/api.ts'
import type { CallStep } from '../host/step.ts'
import { contentsEffect } from './contents.ts'
import { type Ask, vaultEffect, vaultKind, vaultStep } from './kind.ts'
import { isGood, noAnswer, type VaultSaid } from './said.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

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
    return isGood(said) ? said.data : noAnswer(said)
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
    contentsEffect(because, question, name, after.type !== undefined),
  ]
}

/** Encrypts and decrypts with a key; one that is made for that goes again. */
export function vaultRoundTrip(server: VaultServer, mount: string, name: string, make: boolean): CallStep {
  const at = `${mount}/keys/${name}`
  const summary = `encrypt and decrypt with the key ${name} of ${mount}/`
  const trip = async (ask: Ask): Promise<VaultSaid | Refused> => {
    const plaintext = randomBytes(32).toString('base64')
    const locked = await ask('POST', `${mount}/encrypt/${name}`, { plaintext })
    if (isRefused(locked) || !isGood(locked)) return locked
    const opened = await ask('POST', `${mount}/decrypt/${name}`, { ciphertext: locked.data.ciphertext })
    if (isRefused(opened) || !isGood(opened) || opened.data.plaintext === plaintext) return opened
    return { refused: `${mount}/ decrypts to something else than what was encrypted` }
  }
  const run = async (ask: Ask) => {
    if (!make) return trip(ask)
    const made = await ask('POST', at, { type: 'aes256-gcm96' })
    if (isRefused(made) || !isGood(made)) return made
    const said = await trip(ask)
    const free = await ask('POST', `${at}/config`, { deletion_allowed: true })
    const gone = isRefused(free) || !isGood(free) ? free : await ask('DELETE', at)
    return isRefused(said) || !isGood(said) ? said : gone
  }
  return vaultStep(summary, server, [], run, { harmless: true, acts: true })
}
