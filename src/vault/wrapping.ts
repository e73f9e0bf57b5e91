import { createHash } from 'node:crypto'
import type { Failure } from '../contract.ts'
import type { Way } from '../host/channel.ts'
import { type CallKind, type Read, read } from '../host/read.ts'
import { ConnectError } from '../transport/stream.ts'
import { vaultKind } from './kind.ts'
import { answered, errorsIn, isGood, vaultSaid } from './said.ts'
import { anonymous, isRefused, type Refused, type VaultServer, vaultRequest } from './server.ts'
import { unusable, type VaultStatus, vaultStatus } from './status.ts'

// A token that is handed over wrapped: it can be unwrapped once, so who does so knows that nobody did before. **Used for
// anything else it is used up too**, and what it held can't be had any more. That a token is one its looks do not tell: a server
// is asked, which takes nothing of it.

/** What a token is. */
export interface Look {
  /** Where what it holds came from, as `auth/token/create`; undefined for an ordinary token. */
  readonly holds: string | undefined
  /** Until when it can be unwrapped, by the server's clock. */
  readonly until?: string
}

interface Question {
  /** Its token is the one that it is about. */
  readonly server: VaultServer
}

const markOf = ({ server }: Question) =>
  createHash('sha256')
    .update(`${server.token} ${server.namespace ?? ''}`)
    .digest('hex')

/** Seconds. */
const lookPatience = 10

async function lookAt({ server }: Question, way: Way): Promise<Look | Refused> {
  const asked = { ...anonymous(server), namespace: server.namespace }
  const request = vaultRequest(asked, 'POST', 'sys/wrapping/lookup', { token: server.token })
  const said = vaultSaid(await way.api({ ...request, timeout: lookPatience }), asked)
  if (isRefused(said)) return said.denied ? { holds: undefined } : said
  if (said.status >= 400 && said.status < 500 && said.status !== 429) return { holds: undefined }
  if (!isGood(said))
    return {
      refused: `${server.address} does not say whether the token is a wrapping token: it ${answered(said)}`,
      hint: 'it was not used; run this again',
    }
  const { creation_path: holds = '', creation_time, creation_ttl } = said.data
  const until = new Date(Date.parse(String(creation_time)) + Number(creation_ttl) * 1000)
  return {
    holds: String(holds),
    ...(Number.isNaN(until.getTime()) ? {} : { until: until.toISOString().replace(/\.\d+/, '') }),
  }
}

/** Whether a token is a wrapping token: found out once, for the run. Afterwards it may be unwrapped, and is one all the same. */
const lookKind: CallKind<Question, Look | Refused> = {
  ...vaultKind<Question, Look>({
    name: 'vault-wrapping',
    about: ({ server }) => `whether the token for ${server.address} is a wrapping token`,
    answer: (question, _, way) => lookAt(question, way),
    difference: () => undefined,
  }),
  sparing: {
    alike: () => undefined,
    outcome: () => undefined,
    same: markOf,
    instead: (refused) => refused,
    kept: { as: markOf, holds: (answer) => !isRefused(answer) },
  },
}

/** For what waits for a server: why it can't be asked with the token yet; undefined once it can. */
export async function unprovenYet(server: VaultServer, way: Way): Promise<Refused | undefined> {
  const look = await lookAt({ server }, way)
  if (isRefused(look)) {
    if (look.forGood) return look
    const status = vaultStatus(server)
    const no = unusable((await status.kind.call!(status.question, way)) as VaultStatus | Refused, server)
    return no ? { refused: no.failed, ...(no.hint === undefined ? {} : { hint: no.hint }) } : look
  }
  return look.holds === undefined
    ? undefined
    : { refused: 'the token is a wrapping token, and what waits unwraps none', hint: 'run this again', forGood: true }
}

export const vaultWrapping = (server: VaultServer): Read<Look | Refused> => read(lookKind, { server })

interface UnwrapQuestion extends Question {
  readonly look: Look
}

/** Why a wrapping token is left as it is: what it holds is no token. That is seen before it is unwrapped. */
export function noTokenIn({ holds }: Look): Failure | undefined {
  if (holds === undefined || holds === 'sys/wrapping/rewrap') return undefined
  const isSecretId = holds.endsWith('/secret-id')
  if (/(^|\/)auth\//.test(holds) && !isSecretId) return undefined
  return {
    failed: `the wrapping token holds no token, but what ${holds} answered: it was not unwrapped`,
    hint: isSecretId
      ? 'log in with the secret id, and give the token that comes of it'
      : 'a token is wrapped by `vault token create -wrap-ttl=…`, or by a login with -wrap-ttl',
  }
}

const stolen = 'take what it held as known to somebody else: have it revoked, and get another wrapping token'

/** Unwraps a token, once in a run and for all hosts. Only an apply does. */
const unwrapKind: CallKind<UnwrapQuestion, { readonly token: string } | Refused> = {
  ...vaultKind<UnwrapQuestion, { readonly token: string }>({
    name: 'vault-unwrap',
    about: ({ server }) => `what the wrapping token for ${server.address} holds`,
    answer: (question, _, way) => unwrap(question, way, 2),
    difference: () => undefined,
  }),
  spends: ({ look }) => `what the wrapping token holds, which only an apply unwraps${untilText(look)}`,
  sparing: {
    alike: markOf,
    // whatever came of it, nobody asks again
    outcome: () => 'refused',
    same: markOf,
    instead: (first) => first,
    kept: { as: markOf, holds: () => true },
  },
}

const untilText = ({ until }: Look) => (until === undefined ? '' : ` (it is good until ${until})`)

export const vaultUnwrap = (server: VaultServer, look: Look): Read<{ readonly token: string } | Refused> =>
  read(unwrapKind, { server, look })

async function unwrap(question: UnwrapQuestion, way: Way, tries: number): Promise<{ token: string } | Refused> {
  const { server, look } = question
  let answer: Awaited<ReturnType<Way['api']>>
  try {
    answer = await way.api(vaultRequest(server, 'PUT', 'sys/wrapping/unwrap', {}))
  } catch (e) {
    if (!(e instanceof ConnectError)) throw e
    const lost = `${e.message}; it was about to unwrap the token, and whether it did is not known`
    throw new ConnectError(e.reason, lost, 'where the next run does not know the token it did: then get another one')
  }
  if ('unreachable' in answer) {
    const now = await lookAt(question, way)
    if (!isRefused(now) && now.holds !== undefined && tries > 1) return unwrap(question, way, tries - 1)
    if (!isRefused(now) && now.holds === undefined)
      return {
        refused: `the token was unwrapped and the answer that held it was lost (${answer.unreachable}): it can't be had any more`,
        hint: 'get another wrapping token, and have what this one held revoked',
      }
    return {
      refused: `whether the token was unwrapped is not known: ${answer.unreachable}`,
      hint: 'where the next run does not know the token it was: then get another one',
    }
  }
  const { status, body } = answer
  const { auth } = (body ?? {}) as { auth?: { client_token?: unknown } | null }
  const token = auth?.client_token
  if (status === 200 && typeof token === 'string' && token !== '') return { token }
  if (status === 200)
    return {
      refused: `what was wrapped is no token: it is what ${look.holds} answered`,
      hint: 'it was unwrapped, and can’t be unwrapped again; get a wrapping token that holds a token',
    }
  const errors = errorsIn(body)
  if (status === 400 || status === 403)
    return {
      refused: `the wrapping token was good when it was looked at, and is used up now: somebody else unwrapped it meanwhile, or its time was over`,
      hint: stolen,
    }
  return {
    refused: `the token could not be unwrapped: ${server.address} ${answered({ status, errors })}`,
  }
}
