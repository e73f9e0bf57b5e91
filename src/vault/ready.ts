import type { Failure } from '../contract.ts'
import type { Way } from '../host/channel.ts'
import { answerEffect, callsUnknown, type Effect } from '../host/effect.ts'
import { type CallKind, type Read, read } from '../host/read.ts'
import { output, type Said } from '../host/reads/command.ts'
import { asking } from './kind.ts'
import { anonymous, isRefused, type Refused, type VaultServer } from './server.ts'
import { type VaultStatus, vaultStatus } from './status.ts'

/** What a server says of itself and of its cluster. */
export interface VaultState extends VaultStatus {
  readonly ha: boolean
  /** The address of the leader; empty where there is none, or none is needed. */
  readonly leader: string
  readonly isLeader: boolean
}

/** It does not answer. */
interface Silent extends Refused {
  /** … although it was given time. */
  readonly waited?: boolean
}

export const hasWaited = (state: VaultState | Silent) => isRefused(state) && state.waited === true

/** What it means that a server does not answer.
 * @param runs its program runs on the host. */
export function silence({ refused, hint, forGood }: Refused, runs: boolean): Failure {
  if (!runs || forGood) return { failed: refused, ...(hint === undefined ? {} : { hint }) }
  return {
    failed: `${refused}, although a server runs on the host`,
    hint: 'its log says what it waits for (`journalctl -u` with its service): storage that it may not read, the HSM; or it listens elsewhere',
  }
}

interface Question {
  readonly server: VaultServer
  /** Seconds that it is given. */
  readonly patience: number
}

/** Servers that did not answer before, by the way to their host. */
const silent = new WeakMap<Way, Set<string>>()

/** Who answers, and in what state. A server that did not answer when it was asked before in this run is given time: what has
 * been done since may have started it. One that is there to be initialised, or unseals itself, is waited for too. */
export function vaultState(server: VaultServer, patience: number): Read<VaultState | Silent> {
  return read(stateKind, { server: anonymous(server), patience })
}

/** The same of one that did not answer, and whose process is there (`serverRuns`). */
export function startingState(server: VaultServer, patience: number): Read<VaultState | Silent> {
  return read(startingKind, { server: anonymous(server), patience })
}

/** Status 0: a program of that name runs on the host. Where its command line names the configuration, or the directory of it,
 * it says for how many seconds: of several the youngest. */
export const serverRuns = (config: string) => output(['sh', '-c', serversThere, 'sh', config.replace(/\/[^/]*$/, '')])

const serversThere = `w=$1 r=1 y=; read -r up x </proc/uptime
for f in /proc/[0-9]*/comm; do
  read -r n <"$f" && case $n in vault|bao) r=0;; *) continue;; esac
  c=; read -r c <"\${f%comm}cmdline"; case $c in *"$w"*) ;; *) continue;; esac
  read -r s <"\${f%comm}stat" || continue
  set -- \${s##*) }; shift 19
  a=$((\${up%%.*} - $1 / 100)); test -n "$y" && test "$y" -le "$a" || y=$a
done 2>/dev/null
echo "$y"; exit $r`

const stateKind: CallKind<Question, VaultState | Silent> = {
  name: 'vault-state',
  key: ({ server, patience }) => `${vaultStatus(server).key} ${patience}`,
  about: ({ server }) => `the state of ${server.address}`,
  call: async ({ server, patience }, way) => {
    const before = silent.get(way)?.has(server.address)
    const state = await settled(server, way, before ? patience : 0, (s) => !isRefused(s) && !isUnsealing(s))
    if (!isRefused(state) || state.forGood) return state
    silent.set(way, (silent.get(way) ?? new Set()).add(server.address))
    return { ...state, waited: before === true && patience > 0 }
  },
  difference: (predicted, actual) => {
    if (isRefused(actual)) return actual.refused
    if (isRefused(predicted)) return 'it answers'
    for (const field of ['initialized', 'sealed'] as const)
      if (predicted[field] !== actual[field]) return `${field} was to be ${predicted[field]}, it is ${actual[field]}`
    return undefined
  },
}

const startingKind: CallKind<Question, VaultState | Silent> = {
  ...stateKind,
  name: 'vault-starting',
  spends: ({ server }) =>
    `whether ${server.address} comes to answer, where a server runs and nobody does yet: only an apply waits for it`,
}

/** It reaches its seal by itself, or not. */
export const isUnsealing = (s: VaultState) => s.initialized && s.sealed && s.autoUnseal

/** What a server that is sealed, and should unseal itself, is given.
 * @param runs what `serverRuns` said; undefined where it was not asked. */
export function unsealingOf(
  { address }: VaultServer,
  timeout: number,
  runs: Said | undefined,
): { readonly patience: number; readonly warning: string } {
  const age = Number(runs?.stdout ?? 0)
  if (age <= timeout)
    return {
      patience: timeout,
      warning: `${address} is sealed: it should unseal itself, as one does that has just started`,
    }
  const warning = `${address} is sealed, and its program has run for ${age} s: it was sealed by hand, or could not use its seal when it started; a restart of its service unseals it`
  return { patience: Math.min(timeout, aMoment), warning }
}

/** Seconds: one that has joined its cluster just now is still at it, and tries every five until it was unsealed once. */
const aMoment = 6

/** Asks until it is so, or the time is over.
 * @returns what was said last. */
export async function settled(
  server: VaultServer,
  way: Way,
  seconds: number,
  isSo: (state: VaultState | Refused) => boolean,
  signal?: AbortSignal,
): Promise<VaultState | Refused> {
  for (const late = Date.now() + seconds * 1000; ; await new Promise((r) => setTimeout(r, 150))) {
    const state = await stateOf(server, way)
    const forGood = isRefused(state) && state.forGood === true
    if (forGood || isSo(state) || Date.now() >= late || signal?.aborted) return state
  }
}

async function stateOf(server: VaultServer, way: Way): Promise<VaultState | Refused> {
  const { kind, question } = vaultStatus(server)
  const [status, said] = await Promise.all([kind.call!(question, way), asking(server, way)('GET', 'sys/leader')])
  if (isRefused(status)) return status
  const leader = isRefused(said) ? {} : said.data
  return {
    ...status,
    ha: leader.ha_enabled === true,
    leader: String(leader.leader_address ?? ''),
    isLeader: !status.sealed && (leader.is_self === true || leader.ha_enabled === false),
  }
}

/** It does its work, or stands by for another that does. One that answers 429 may have no leader, or be about to be it. */
export function isUp(s: VaultState | Refused): boolean {
  if (isRefused(s) || s.sealed) return false
  return s.health === 200 || ([429, 472, 473].includes(s.health) && s.leader !== '' && !s.isLeader)
}

/** What a state is, as a result gives it. */
export function stateShown(s: VaultState): Record<string, unknown> {
  return {
    product: s.product,
    version: `${s.version}${s.edition === '' ? '' : `+${s.edition}`}`,
    seal_type: s.sealType,
    auto_unseal: s.autoUnseal,
    initialized: s.initialized,
    sealed: s.sealed,
    storage: s.storage,
    ha: s.ha,
    leader: s.leader,
    is_leader: s.isLeader,
  }
}

/** What a step that changes the state of a server does to what is known of it. */
export function stateEffects(because: string, server: VaultServer, patience: number, after: VaultState): Effect[] {
  return [
    callsUnknown(because),
    answerEffect(vaultState(server, patience), after),
    answerEffect(startingState(server, patience), after),
    answerEffect(vaultStatus(server), after),
  ]
}
