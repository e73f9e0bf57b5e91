import { createHash } from 'node:crypto'
import type { Plan, Settled } from '../contract.ts'
import type { Way } from '../host/channel.ts'
import { callsUnknown, type Effect } from '../host/effect.ts'
import { type CallKind, read } from '../host/read.ts'
import { apiKind, dataDifference } from '../host/reads/api.ts'
import type { CallStep, Need } from '../host/step.ts'
import { Unknown } from '../unknown.ts'
import { denialOf, explained, mayDo } from './denial.ts'
import { hsmWords } from './hsm-words.ts'
import { answered, failure, isGood, told, toldBy, type VaultSaid, vaultSaid } from './said.ts'
import { type Asked, isRefused, oddPath, type Refused, sameServer, type VaultServer, vaultRequest } from './server.ts'

/** Asks a server for one thing. */
export type Ask = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
  query?: string,
) => Promise<VaultSaid | Refused>

export function asking(server: VaultServer, way: Way): Ask {
  return async (method, path, body, query = '') => {
    const odd = oddPath(path)
    if (odd !== undefined) return { refused: odd }
    const answer = await way.api(vaultRequest(server, method, path, body, query))
    return vaultSaid(answer, server, { method, path: `${path}${query}` })
  }
}

interface About {
  readonly server: VaultServer
}

/** A kind of question to a server. Answers that were refused are told as they are. */
export function vaultKind<Q extends About, A>(kind: {
  readonly name: string
  /** What is asked, in words. */
  readonly about: (question: Q) => string
  readonly answer: (question: Q, ask: Ask, way: Way) => Promise<A | Refused>
  readonly difference: (predicted: A, actual: A) => string | undefined
}): CallKind<Q, A | Refused> {
  return {
    name: kind.name,
    // what tells two questions apart holds a token
    key: (q) => `${kind.about(q)} ${hashOf(q)}`,
    about: kind.about,
    call: async (q, way) => {
      const answer = await kind.answer(q, asking(q.server, way), way)
      return isRefused(answer) ? explained(answer, q.server, way) : answer
    },
    difference: (predicted, actual) => {
      if (isRefused(actual)) return actual.refused
      return isRefused(predicted) ? 'it answers' : kind.difference(predicted, actual)
    },
  }
}

/** How what stands by path differs from what was predicted. */
export function pathsDifference(
  predicted: ReadonlyMap<string, object>,
  actual: ReadonlyMap<string, object>,
): string | undefined {
  for (const path of new Set([...predicted.keys(), ...actual.keys()])) {
    const [p, a] = [predicted.get(path), actual.get(path)]
    if (!p || !a) return `${path}/ ${a ? 'is there' : 'is not there'}`
    const found = dataDifference(p, a, `${path}/`)
    if (found !== undefined) return found
  }
  return undefined
}

/** What a step makes of the answers to questions of a kind: exactly known at this server, whoever asks; unknown at others,
 * which may be the same one, and where an answer was refused. */
export function vaultEffect<Q extends About, A>(
  because: string,
  kind: CallKind<Q, A | Refused>,
  question: Q,
  same: (other: Q) => boolean,
  after: (before: A, question: Q) => A,
): Effect {
  const unknown = new Unknown(because)
  return {
    change: (read, answer) => {
      if (read.kind !== kind || !same(read.question as Q) || answer instanceof Unknown) return answer
      const { server } = read.question as Q
      // what is in another namespace has nothing to do with it
      if (server.address === question.server.address && !sameServer(server, question.server)) return answer
      if (isRefused(answer) || !sameServer(server, question.server)) return unknown
      return after(answer as A, read.question as Q)
    },
  }
}

interface Attempt extends About, Asked {}

/** For check: whether what a step is about to do may be done. Where that can't be asked it is taken to be so. */
export const rightKind: CallKind<Attempt, true | undefined> = {
  name: 'vault-right',
  key: (q) => `${rightKind.about(q)} ${hashOf(q)}`,
  about: ({ server, method, path }) => `whether ${method} ${path} of ${server.address} may be done`,
  call: ({ server, ...asked }, way) => mayDo(server, asked, way),
  difference: () => undefined,
}

/** What check asks of a step that begins with this call. */
export function rightTo(server: VaultServer, method: Asked['method'], path: string): readonly Need[] {
  return [{ read: read(rightKind, { server, method, path }), otherwise: denialOf(server, { method, path }) }]
}

const hashOf = (question: object) => createHash('sha256').update(JSON.stringify(question)).digest('hex').slice(0, 16)

/** A step that calls a server.
 * @param run gives what came of it: what was refused, or what was said last. */
export function vaultStep(
  summary: string,
  server: VaultServer,
  effects: readonly Effect[],
  run: (ask: Ask, way: Way) => Promise<VaultSaid | Refused>,
  more: Omit<Partial<CallStep>, 'summary' | 'effects' | 'call' | 'script'> = {},
): CallStep {
  return {
    ...more,
    summary,
    effects: [callsUnknown(summary, (read) => read.kind === apiKind), ...effects],
    call: async (way) => {
      const said = await run(asking(server, way), way)
      if (isRefused(said)) {
        const { refused, hint } = await explained(said, server, way)
        return failure(refused, hint)
      }
      if (!isGood(said)) return { ok: false, why: `${server.address} ${answered(said)}` }
      return { ok: true, output: told({ warnings: said.warnings }) }
    },
  }
}

/** What servers warned of when the steps ran. */
export function vaultSettled(steps: readonly { readonly summary: string }[]): NonNullable<Plan['settle']> {
  return (ends): Settled => {
    const bad = ends.findIndex((e) => e.outcome !== 'done')
    const warnings = ends.flatMap((end) => toldBy(end).warnings ?? []).map((w) => `the server warns: ${w}`)
    if (bad === -1) return { result: {}, warnings }
    const failed = `${steps[bad]!.summary}: ${ends[bad]!.stderr.toString('utf8')}`
    const words = hsmWords(failed)
    if (words) return { result: {}, warnings, failed: `${failed} (${words.sentence})`, hint: words.cause }
    const { hint } = toldBy(ends[bad]!)
    return { result: {}, warnings, failed, ...(hint === undefined ? {} : { hint }) }
  }
}
