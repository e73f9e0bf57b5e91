import { callsUnknown, type Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import { rightKind, vaultEffect, vaultKind } from './kind.ts'
import { isGood, noAnswer } from './said.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

interface Question {
  readonly server: VaultServer
  /** In lower case, as servers keep it. */
  readonly name: string
}

/** A policy's text; undefined where there is none. */
interface Policy {
  readonly text: string | undefined
}

const policyKind = vaultKind<Question, Policy>({
  name: 'vault-policy',
  about: ({ server, name }) => `the policy ${name} of ${server.address}`,
  answer: async ({ name }, ask) => {
    const said = await ask('GET', `sys/policies/acl/${name}`)
    if (isRefused(said)) return said
    if (said.status === 404) return { text: undefined }
    return isGood(said) ? { text: String(said.data.policy) } : noAnswer(said)
  },
  difference: (p, a) =>
    p.text === a.text ? undefined : a.text === undefined ? 'it is not there' : 'its text is another',
})

export function vaultPolicy(server: VaultServer, name: string): Read<Policy | Refused> {
  return read(policyKind, { server, name })
}

/** It is this afterwards, and what was denied before may be allowed. */
export function policyEffects(because: string, question: Question, text: string | undefined): Effect[] {
  return [
    callsUnknown(because, (read, answer) => read.kind === rightKind || (isRefused(answer) && answer.denied === true)),
    vaultEffect(
      because,
      policyKind,
      question,
      (q) => q.name === question.name,
      () => ({ text }),
    ),
  ]
}
