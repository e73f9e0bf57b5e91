import type { Way } from '../host/channel.ts'
import type { CallEnd } from '../host/step.ts'
import { readStore } from '../secrets/stored.ts'
import { bringUp, initTold } from './initialise.ts'
import { keptKeys } from './kept-keys.ts'
import { settled } from './ready.ts'
import { failure } from './said.ts'
import { isRefused, type VaultServer } from './server.ts'

/** How a server is to join its cluster. */
export interface JoinOrder {
  readonly server: VaultServer
  /** Those that it joins, as its configuration says. */
  readonly peers: readonly VaultServer[]
  /** Seconds until one of them has to be initialised. */
  readonly firstPatience: number
  /** Seconds from then on until it has to be up. */
  readonly patience: number
  readonly secret: (value: string) => void
  /** Where the keys are, for seals that people open. */
  readonly store: { readonly path: string; readonly identity: string | undefined } | undefined
}

/** Waits until a server that others take into their cluster is one of them, and up. */
export async function joinCluster(order: JoinOrder, way: Way, signal: AbortSignal): Promise<CallEnd> {
  const { server, patience, firstPatience } = order
  const alone = (seconds: number) =>
    `${server.address} has not joined its cluster after ${seconds} s, and is not initialised here: that would make a second one`
  const nobody = await nobodyToJoin(order, way, signal)
  if (nobody !== undefined)
    return failure(
      `${alone(firstPatience)}; nobody that it joins is initialised (${nobody})`,
      'the first of the cluster (`role: first`) is initialised before it: where that failed, its own message says why; where it was left out (`-l`), run this with it',
    )
  const state = await settled(server, way, patience, (s) => !isRefused(s) && s.initialized, signal)
  if (isRefused(state)) return failure(`it does not answer: ${state.refused}`, state.hint)
  if (!state.initialized)
    return failure(
      alone(patience),
      'is the first one up, does `retry_join` name it, and has this one the same seal and key? Its log says why',
    )
  const auto = { server, patience, autoUnseal: true }
  if (state.autoUnseal || !state.sealed) return bringUp(auto, undefined, way, signal)
  const kept = order.store && (await readStore(order.store.path, order.store.identity))
  const keys = kept && keptKeys(kept, order.secret)
  if (!keys)
    return failure(
      `${server.address} has joined and is sealed: ${kept?.problem ?? 'its unseal keys are in no store that was named'}`,
      kept?.hint ?? 'name the store of the first with `store`',
    )
  return bringUp({ ...auto, autoUnseal: false }, keys, way, signal)
}

/** Waits until one of those that a server joins is initialised, or it is itself.
 * @returns what they say instead; undefined also where that is not to be learnt from them. */
async function nobodyToJoin(
  { server, peers, firstPatience }: JoinOrder,
  way: Way,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (peers.length === 0) return undefined
  for (const late = Date.now() + firstPatience * 1000; ; await new Promise((r) => setTimeout(r, 300))) {
    const [own, ...others] = await Promise.all([server, ...peers].map((s) => initTold(s, way)))
    const isOpen = [own!, ...others].some((s) => (isRefused(s) ? s.forGood === true : s.data.initialized !== false))
    if (isOpen) return undefined
    if (Date.now() >= late || signal.aborted)
      return others.map((s, i) => (isRefused(s) ? s.refused : `${peers[i]!.address} is not`)).join(', ')
  }
}
