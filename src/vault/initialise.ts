import type { ApiAnswer, Way } from '../host/channel.ts'
import type { CallEnd } from '../host/step.ts'
import { type OpenStore, openStore, StoreError, type StorePlace } from '../secrets/store.ts'
import { type KeptKeys, printKeys } from './kept-keys.ts'
import { asking } from './kind.ts'
import { isUp, settled, stateShown, type VaultState } from './ready.ts'
import { answered, errorsIn, failure, textsIn, told } from './said.ts'
import { anonymous, isRefused, type VaultServer, vaultRequest } from './server.ts'
import { begunAnew } from './store-words.ts'

/** How a server is to be initialised. */
export interface InitOrder {
  readonly server: VaultServer
  /** Those that it joins, as its configuration says, and by which addresses its cluster is known. */
  readonly peers: readonly VaultServer[]
  readonly cluster: readonly string[]
  readonly host: string
  readonly product: string
  readonly version: string
  readonly store: StorePlace
  readonly autoUnseal: boolean
  readonly shares: number
  readonly threshold: number
  /** Base64, one for each share. */
  readonly pgpKeys: readonly string[] | undefined
  readonly rootTokenPgpKey: string | undefined
  /** Seconds until it has to be up. */
  readonly patience: number
  readonly secret: (value: string) => void
}

/** Seconds: a cluster's first election takes a while, and nothing is worse than not to wait for the answer. */
const callPatience = 180

/** The clusters that this run is beginning, by their addresses. */
const begun = new Map<string, string>()

/** Initialises a server at most once, and of a cluster one server. */
export async function initialise(order: InitOrder, way: Way, signal: AbortSignal): Promise<CallEnd> {
  const { server, cluster } = order
  const other = cluster.map((address) => begun.get(address)).find((host) => host !== undefined)
  if (other !== undefined) return failure(`${other} of the same cluster is being initialised: nothing was done`, aFirst)
  for (const address of cluster) begun.set(address, order.host)
  try {
    // where somebody else has just initialised it, others have joined it since
    const [own, ...peers] = await Promise.all([server, ...order.peers].map((one) => initialisedNow(one, way)))
    const at = own ? -1 : peers.indexOf(true)
    if (at === -1) return await initialiseOne(order, way, signal)
    return failure(
      `${order.peers[at]!.address}, which ${server.address} joins, was initialised meanwhile: nothing was done`,
      aFirst,
    )
  } finally {
    for (const address of cluster) begun.delete(address)
  }
}

const aFirst = 'on exactly one `role: first`, on the others `role: join`'

/** The store is taken before, and filled before anything is told. */
async function initialiseOne(order: InitOrder, way: Way, signal: AbortSignal): Promise<CallEnd> {
  const { server, store: place } = order
  let store: OpenStore
  try {
    store = await openStore(place, `initialise ${server.address} of ${order.host}`)
  } catch (e) {
    if (!(e instanceof StoreError)) throw e
    // it was not, when that was planned
    if ((await isInitialised(server, way)) !== true) return failure(e.message, e.hint)
    return failure(
      `${server.address} was initialised by another run meanwhile (${e.message})`,
      'run this again: it is left as it is',
    )
  }
  let called = false
  try {
    const before = await isInitialised(server, way)
    if (before !== false) {
      await store.abandon()
      if (before === true)
        return failure(`${server.address} was initialised by somebody else meanwhile`, elsewhere(place))
      return failure(
        `${server.address} does not say whether it is initialised, nothing was done: ${before.unclear}`,
        'see that it runs and that its HSM answers (its log says why not), and run this again',
      )
    }
    if (signal.aborted) {
      await store.abandon()
      return failure('it was interrupted before anything was done')
    }
    called = true
    const answer = await way.api({ ...vaultRequest(server, 'PUT', 'sys/init', bodyOf(order)), timeout: callPatience })
    const keys = keysIn(answer, order)
    if (!keys) return await withoutKeys(order, answer, way, store)
    for (const secret of [...keys.keys, keys.root_token]) order.secret(secret)
    await store.put(printKeys(keys))
    return await bringUp(order, keys, way, signal)
  } catch (e) {
    // what was asked may have been done
    await (called ? store.leave(e instanceof StoreError ? e.elsewhere : undefined) : store.abandon())
    if (e instanceof StoreError) return failure(`${server.address} was initialised, but ${e.message}`, e.hint)
    throw e
  }
}

export function bodyOf({
  autoUnseal,
  shares,
  threshold,
  pgpKeys,
  rootTokenPgpKey,
}: InitOrder): Record<string, unknown> {
  const kind = autoUnseal ? 'recovery' : 'secret'
  return {
    [`${kind}_shares`]: shares,
    [`${kind}_threshold`]: threshold,
    ...(pgpKeys ? { [autoUnseal ? 'recovery_pgp_keys' : 'pgp_keys']: pgpKeys } : {}),
    ...(rootTokenPgpKey === undefined ? {} : { root_token_pgp_key: rootTokenPgpKey }),
  }
}

/** Whatever was handed out, even where it is not what was expected: it will not be told again. */
function keysIn(answer: ApiAnswer, order: InitOrder): KeptKeys | undefined {
  if ('unreachable' in answer || answer.status !== 200) return undefined
  const body = (answer.body ?? {}) as Record<string, unknown>
  const token = typeof body.root_token === 'string' ? body.root_token : ''
  const recovery = textsIn(body.recovery_keys_base64)
  const keys = recovery.length > 0 ? recovery : textsIn(body.keys_base64)
  if (token === '' && keys.length === 0) return undefined
  return {
    address: order.server.address,
    host: order.host,
    product: order.product,
    version: order.version,
    at: new Date().toISOString(),
    kind: recovery.length > 0 || order.autoUnseal ? 'recovery' : 'unseal',
    shares: order.shares,
    threshold: order.threshold,
    keys,
    keys_pgp: order.pgpKeys !== undefined,
    root_token: token,
    root_token_pgp: order.rootTokenPgpKey !== undefined,
  }
}

const elsewhere = ({ path }: StorePlace) =>
  `its keys went to whoever did that, not to ${path}; run this again: it is left as it is`

const wayOut = (storage: string) =>
  `nothing is lost but an empty server: find what was wrong with its seal or the room for its storage, ${begunAnew(storage)}`

/** It gave no keys: what that means its own word tells, not the status of its answer. */
async function withoutKeys(order: InitOrder, answer: ApiAnswer, way: Way, store: OpenStore): Promise<CallEnd> {
  const { server } = order
  // what is no error may be keys that something in between made unreadable
  const errors = 'unreachable' in answer || answer.status < 300 ? '' : errorsIn(answer.body)
  const came = 'unreachable' in answer ? answer.unreachable : `it ${answered({ ...answer, errors })}`
  // it may still be at it
  const now = await isInitialised(server, way, 'unreachable' in answer && answer.sent)
  if (now === false) {
    await store.abandon()
    return failure(
      `${server.address} was not initialised, nothing happened: ${came}`,
      'correct that, and run this again',
    )
  }
  if (now !== true) {
    await store.leave()
    return failure(
      `whether ${server.address} was initialised is not known: ${came}; since then ${now.unclear}`,
      'run this again once it answers: it will say so',
    )
  }
  if (/already initiali[sz]ed/i.test(errors)) {
    await store.abandon()
    return failure(`${server.address} was initialised by somebody else at the same moment`, elsewhere(order.store))
  }
  await store.leave()
  const state = await settled(server, way, 0, () => true)
  return failure(
    `${server.address} is initialised now, and its keys are lost: nobody was handed them, and nobody can be (${came})`,
    wayOut(isRefused(state) ? '' : state.storage),
  )
}

/** Seconds in which a server says whether it is initialised: it answers late while it is at it. */
const longestThought = 10

/** @param late it may come to be so a little later. */
async function isInitialised(
  server: VaultServer,
  way: Way,
  late = false,
): Promise<boolean | { readonly unclear: string }> {
  for (const end = Date.now() + longestThought * 1000; ; await new Promise((r) => setTimeout(r, 300))) {
    const told = await initTold(server, way)
    const so = isRefused(told) ? undefined : told.data.initialized
    if (so === true || (so === false && (!late || Date.now() >= end))) return so
    if (Date.now() >= end) return { unclear: isRefused(told) ? told.refused : `it answers ${told.status}` }
  }
}

/** Whether it is initialised. */
export const initTold = (server: VaultServer, way: Way) => asking(anonymous(server), way)('GET', 'sys/init')

/** One that does not answer is not. */
async function initialisedNow(server: VaultServer, way: Way): Promise<boolean> {
  const told = await initTold(server, way)
  return !isRefused(told) && told.data.initialized === true
}

/** Unseals it where that is for people's keys, and waits until it is up. */
export async function bringUp(
  order: Pick<InitOrder, 'server' | 'patience' | 'autoUnseal'>,
  keys: KeptKeys | undefined,
  way: Way,
  signal: AbortSignal,
): Promise<CallEnd> {
  const { server, patience } = order
  if (!order.autoUnseal && keys?.keys_pgp) {
    const state = await settled(server, way, 0, () => true)
    const warnings = [`${server.address} is sealed: its unseal keys are encrypted to their holders, who unseal it`]
    return { ok: true, output: told({ warnings, ...(isRefused(state) ? {} : { result: stateShown(state) }) }) }
  }
  const sealed = order.autoUnseal || !keys ? undefined : await unseal(server, keys, way)
  if (sealed !== undefined) return failure(sealed, 'the keys are in the store')
  const state = await settled(server, way, patience, isUp, signal)
  if (isUp(state)) return { ok: true, output: told({ result: stateShown(state as VaultState) }) }
  if (isRefused(state)) return failure(`it does not answer any more: ${state.refused}`, state.hint)
  const why = state.sealed ? 'is still sealed' : 'has no leader'
  return failure(
    `${server.address} ${why} after ${patience} s`,
    state.autoUnseal
      ? 'one that was sealed by hand unseals itself when its service is restarted; otherwise its HSM may not answer: hsm_probe and its log say so'
      : 'its log may say why',
  )
}

/** @returns why it can’t be. */
async function unseal(server: VaultServer, { keys, threshold }: KeptKeys, way: Way): Promise<string | undefined> {
  const ask = asking(anonymous(server), way)
  for (const key of keys.slice(0, threshold)) {
    const told = await ask('PUT', 'sys/unseal', { key })
    if (isRefused(told)) return `${server.address} could not be unsealed: ${told.refused}`
    if (told.status !== 200) return `${server.address} does not take an unseal key: it ${answered(told)}`
    if (told.data.sealed === false) return undefined
  }
  // one that joins a cluster is unsealed a little later
  return undefined
}
