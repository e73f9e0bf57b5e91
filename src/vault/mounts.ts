import { callsUnknown, type Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import type { CallStep } from '../host/step.ts'
import { contentsKind } from './contents.ts'
import { featuresKind } from './features.ts'
import { keyKind } from './keys.ts'
import { type Ask, pathsDifference, rightTo, vaultEffect, vaultKind, vaultStep } from './kind.ts'
import { isGood, noAnswer, type VaultSaid } from './said.ts'
import { noSecret, secretKind } from './secrets.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

/** A secrets engine or auth method. In a prediction undefined means not to be known before. */
export interface Mount {
  readonly type: string
  readonly description: string
  /** `version` of kv, and what else its type has; values are texts. */
  readonly options: Readonly<Record<string, string>>
  readonly local: boolean
  /** What the server says; whether it is so is another question. */
  readonly sealWrap: boolean
  readonly externalEntropy: boolean
  /** What can be tuned, under the server's names; what is not set is not there. */
  readonly config: MountConfig
  /** The directory of its storage. */
  readonly uuid: string | undefined
}

export interface MountConfig {
  /** Seconds; 0 is the system's own. */
  readonly default_lease_ttl?: number
  readonly max_lease_ttl?: number
  readonly listing_visibility?: string
  readonly token_type?: string
  readonly audit_non_hmac_request_keys?: readonly string[]
  readonly audit_non_hmac_response_keys?: readonly string[]
  readonly passthrough_request_headers?: readonly string[]
  readonly allowed_response_headers?: readonly string[]
}

/** By path without the slash at its end. */
export type Mounts = ReadonlyMap<string, Mount>

interface Question {
  readonly server: VaultServer
  readonly auth: boolean
}

const mountsKind = vaultKind<Question, Mounts>({
  name: 'vault-mounts',
  about: ({ server, auth }) => `the ${auth ? 'auth methods' : 'secrets engines'} of ${server.address}`,
  answer: async ({ auth }, ask) => {
    const said = await ask('GET', auth ? 'sys/auth' : 'sys/mounts')
    if (isRefused(said)) return said
    if (!isGood(said)) return noAnswer(said)
    return new Map(Object.entries(said.data).flatMap(([path, data]) => mountOf(path, data)))
  },
  difference: pathsDifference,
})

/** All that is mounted. */
export function vaultMounts(server: VaultServer, auth = false): Read<Mounts | Refused> {
  return read(mountsKind, { server, auth })
}

function mountOf(path: string, data: unknown): [string, Mount][] {
  if (!path.endsWith('/') || typeof data !== 'object' || data === null) return []
  const { type, description, options, local, seal_wrap, external_entropy_access, config, uuid } = data as Record<
    string,
    unknown
  >
  if (typeof type !== 'string') return []
  const mount: Mount = {
    type,
    description: String(description ?? ''),
    options: (options ?? {}) as Mount['options'],
    local: local === true,
    sealWrap: seal_wrap === true,
    externalEntropy: external_entropy_access === true,
    config: (config ?? {}) as MountConfig,
    uuid: uuid === undefined ? undefined : String(uuid),
  }
  return [[path.slice(0, -1), mount]]
}

/** What it does to what is known that something is mounted, tuned or no longer there.
 * @param fresh all that was in it is gone.
 * @param turns its version is another. */
export function mountEffects(
  because: string,
  question: Question,
  path: string,
  after: Mount | undefined,
  fresh: boolean,
  turns = false,
): Effect[] {
  const { server, auth } = question
  const mounts = vaultEffect(
    because,
    mountsKind,
    question,
    (q) => q.auth === auth,
    (before) => {
      const now = new Map(before)
      if (after) now.set(path, after)
      else now.delete(path)
      return now
    },
  )
  const isIn = (read: Read) => read.kind === secretKind && (read.question as { mount: string }).mount === path
  // what is in a kv whose version changes is asked for in another way
  if (auth || !fresh) return [mounts, ...(turns ? [callsUnknown(because, isIn)] : [])]
  return [
    mounts,
    // where its randomness comes from is set when it is made
    callsUnknown(
      because,
      (read) => read.kind === featuresKind && (read.question as { transit?: string }).transit === path,
    ),
    vaultEffect(
      because,
      secretKind,
      { server, mount: path, path: '', version: 1 },
      (q) => q.mount === path,
      () => noSecret,
    ),
    vaultEffect(
      because,
      keyKind,
      { server, mount: path, name: '' },
      (q) => q.mount === path,
      () => ({}),
    ),
    vaultEffect(
      because,
      contentsKind,
      { server, mount: path },
      (q) => q.mount === path,
      () => [],
    ),
  ]
}

/** Of a kv. */
export function kvVersion({ options }: Mount): 1 | 2 {
  return options.version === '2' ? 2 : 1
}

/** Makes, tunes or removes it. */
export function mountChange(
  summary: string,
  server: VaultServer,
  change: {
    readonly auth: boolean
    readonly path: string
    readonly verb: 'make' | 'tune' | 'remove'
    readonly body?: { readonly options?: Readonly<Record<string, string>> }
  },
  effects: readonly Effect[],
): CallStep {
  const { auth, path, verb, body } = change
  const at = `${auth ? 'sys/auth' : 'sys/mounts'}/${path}`
  const run = async (ask: Ask) => {
    const said =
      verb === 'remove' ? await ask('DELETE', at) : await ask('POST', verb === 'tune' ? `${at}/tune` : at, body)
    if (isRefused(said) || !isGood(said) || body?.options?.version !== '2') return said
    const ready = await kvReady(ask, path)
    if (isRefused(ready) || ready.status === 400) return ready
    // it was waited for
    return { ...said, warnings: said.warnings.filter((w) => !/^Upgrading mount/.test(w)) }
  }
  const needs = rightTo(server, verb === 'remove' ? 'DELETE' : 'POST', verb === 'tune' ? `${at}/tune` : at)
  return vaultStep(summary, server, effects, run, { needs })
}

/** A versioned kv that was just made is not ready at once. */
async function kvReady(ask: Ask, path: string): Promise<VaultSaid | Refused> {
  for (const end = Date.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const said = await ask('GET', `${path}/config`)
    // a token may be allowed to mount, and not to look
    if (isRefused(said)) return said.denied ? { status: 200, data: {}, warnings: [], errors: '' } : said
    if (said.status !== 400 || Date.now() > end) return said
  }
}
