import type { Failure, Plan, Settled } from '../contract.ts'
import { callsUnknown } from '../host/effect.ts'
import type { Said } from '../host/reads/command.ts'
import type { Step, StepEnd } from '../host/step.ts'
import { settleStore } from '../secrets/store.ts'
import { type Stored, stored } from '../secrets/stored.ts'
import { Unknown } from '../unknown.ts'
import { bringUp, type InitOrder, initialise } from './initialise.ts'
import { joinCluster } from './join.ts'
import { keptKeys } from './kept-keys.ts'
import { isUnsealing, isUp, stateEffects, stateShown, unsealingOf, type VaultState } from './ready.ts'
import { toldBy } from './said.ts'
import type { VaultServer } from './server.ts'
import { cannotUnseal, unfinished } from './store-words.ts'

// What is to be done with a server, by the state that it is in.

interface Wish {
  readonly role: 'auto' | 'first' | 'join'
  readonly store?: string | undefined
  readonly timeout: number
  readonly first_timeout?: number | undefined
}

interface There {
  readonly server: VaultServer
  readonly state: VaultState
  /** What the store holds, and where that is. */
  readonly kept: Stored | undefined
  readonly path: string
}

type Secret = (value: string) => void

/** One that begins a cluster, or is alone. */
export function planFirst(p: Wish, state: VaultState, order: InitOrder): Plan {
  const { server, autoUnseal, shares, threshold, pgpKeys } = order
  const kind = autoUnseal ? 'recovery' : 'unseal'
  const summary = `initialise ${server.address} (${threshold} of ${shares} ${kind} keys) and keep them in ${p.store}`
  const sealed = !autoUnseal && pgpKeys !== undefined
  const after = { ...state, initialized: true, sealed, health: sealed ? 503 : 200 }
  const step: Step = {
    summary,
    effects: stateEffects(summary, server, p.timeout, after),
    call: (way, signal) => initialise(order, way, signal),
  }
  return planOf([step], after, p)
}

/** One that others take into their cluster. */
export function planJoin(
  p: Wish,
  { server, state, path }: There,
  peers: readonly VaultServer[],
  identity: string | undefined,
  secret: Secret,
): Plan {
  const summary = `wait until ${server.address} has joined its cluster`
  const after = { ...state, initialized: true, sealed: false, health: 429 }
  const order = {
    ...{ server, peers, patience: p.timeout, firstPatience: p.first_timeout ?? p.timeout, secret },
    store: p.store === undefined ? undefined : { path, identity },
  }
  const step: Step = {
    summary,
    harmless: true,
    effects: stateEffects(summary, server, p.timeout, after),
    call: (way, signal) => joinCluster(order, way, signal),
  }
  return planOf([step], after, p)
}

/** One that is initialised.
 * @param runs what `serverRuns` said. */
export function planInitialised(p: Wish, there: There, runs: Said | undefined, secret: Secret): Plan | Failure {
  const { server, state, kept, path } = there
  if (kept?.state === 'empty' && kept.intent) return unfinished(there, kept.intent)
  const settling = kept && isUnsettled(kept) ? [settleStep(p, kept, path)] : []
  const warnings = [
    ...(kept?.open ? [`others may read ${p.store}: it should be 0600`] : []),
    ...(kept?.state === 'empty' && p.role === 'first'
      ? [`${server.address} is initialised, and what it handed out is not in ${p.store}: who initialised it has it`]
      : []),
  ]
  if (isUp(state)) return planOf(settling, state, p, warnings)
  const unsealing = isUnsealing(state) ? unsealingOf(server, p.timeout, runs) : undefined
  if (unsealing) warnings.push(unsealing.warning)
  const unseals = state.sealed && !state.autoUnseal
  const keys = kept && keptKeys(kept, secret)
  const no = unseals ? cannotUnseal(p.store, server, kept, keys) : undefined
  if (no) return no
  const summary = unseals ? `unseal ${server.address} with keys from ${p.store}` : `wait until ${server.address} is up`
  const after = { ...state, sealed: false, health: 200 }
  const order = { server, patience: unsealing?.patience ?? p.timeout, autoUnseal: state.autoUnseal }
  const step: Step = {
    summary,
    effects: stateEffects(summary, server, p.timeout, after),
    ...(unseals ? {} : { harmless: true }),
    call: (way, signal) => bringUp(order, unseals ? keys : undefined, way, signal),
  }
  return planOf([...settling, step], after, p, warnings)
}

/** A run was killed when it had the keys, and before all was in its place. */
const isUnsettled = ({ state, intent }: Stored) =>
  state === 'left-beside' || (state === 'stored' && intent?.alive === false)

function settleStep(p: Wish, { state }: Stored, path: string): Step {
  const summary =
    state === 'left-beside'
      ? `bring ${p.store}, which an interrupted run left beside, to its place`
      : `remove ${p.store}.intent, which an interrupted run left`
  return {
    summary,
    effects: [callsUnknown(summary, (read) => read.key === stored(path).key)],
    call: async () => {
      await settleStore(path)
      return { ok: true }
    },
  }
}

/** @param after what the server will be. */
function planOf(steps: readonly Step[], after: VaultState, p: Wish, warnings: readonly string[] = []): Plan {
  const more = p.store === undefined ? {} : { store: p.store }
  const shown = { ...stateShown(after), ...more }
  const last = steps.at(-1)
  if (!last) return { steps, result: shown, warnings }
  const later = new Unknown(last.summary)
  return {
    steps,
    // one that is sealed says that it has no cluster, and Vault names another seal once it is open
    result: { ...shown, seal_type: later, ha: later, leader: later, is_leader: later },
    warnings,
    settle: (ends) => settledBy(steps, ends),
  }
}

function settledBy(steps: readonly Step[], ends: readonly StepEnd[]): Settled {
  const bad = ends.findIndex((e) => e.outcome !== 'done')
  const end = ends[bad === -1 ? ends.length - 1 : bad]!
  const { hint, result = {}, warnings = [] } = toldBy(end)
  if (bad === -1) return { result, warnings }
  const why = end.stderr.toString('utf8')
  return { result, warnings, failed: why === '' ? steps[bad]!.summary : why, ...(hint === undefined ? {} : { hint }) }
}
