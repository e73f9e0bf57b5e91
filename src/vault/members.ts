import type { Settled } from '../contract.ts'
import type { Way } from '../host/channel.ts'
import { callsUnknown } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import type { CallEnd, CallStep, StepEnd } from '../host/step.ts'
import { asking, vaultKind } from './kind.ts'
import { failure, isGood, told, toldBy, type VaultSaid } from './said.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'
import { noServer } from './status.ts'
import { unprovenYet } from './wrapping.ts'

// A server as a member of a cluster on raft: who leads, who votes, and whether the others can do without it.

interface Question {
  readonly server: VaultServer
  /** Its id in the cluster; undefined: the member that is at the server's address. */
  readonly node: string | undefined
}

export interface Member {
  readonly id: string
  readonly voter: boolean
  /** Why it is not to be relied on, as `does not answer`; undefined where nothing is wrong. */
  readonly wrong: string | undefined
}

export interface Cluster {
  /** Of the server that was asked, as it says it. */
  readonly version: string
  /** None without raft. */
  readonly members: readonly Member[]
  /** The id of the server that was asked; undefined where it is none of them. */
  readonly own: string | undefined
  /** The leader's id, without raft its address, as the server itself sees it; undefined where it knows none. */
  readonly leader: string | undefined
  readonly leads: boolean
  /** What it has taken over of the cluster's log, and what there was of it at the leader a moment ago: indexes. */
  readonly applied: number
  readonly newest: number
}

const clusterKind = vaultKind<Question, Cluster>({
  name: 'vault-cluster',
  about: ({ server }) => `the cluster of ${server.address}`,
  answer: async ({ server, node }, ask, way) => {
    const [seal, leader] = await Promise.all([ask('GET', 'sys/seal-status'), ask('GET', 'sys/leader')])
    if (isRefused(seal)) return seal
    if (typeof seal.data.sealed !== 'boolean') return noServer(seal, server)
    if (seal.data.sealed) return { refused: `${server.address} is sealed` }
    if (isRefused(leader)) return leader
    const version = String(seal.data.version ?? '')
    const leads = leader.data.is_self === true || leader.data.ha_enabled === false
    const address = leads ? server.address : String(leader.data.leader_address ?? '')
    const alone = { members: [], own: undefined, leader: address === '' ? undefined : address, applied: 0, newest: 0 }
    if (seal.data.storage_type !== 'raft') return { version, leads, ...alone }
    const answers = await Promise.all(
      ['storage/raft/configuration', 'storage/raft/autopilot/state', 'ha-status'].map((at) => ask('GET', `sys/${at}`)),
    )
    for (const said of answers) {
      if (isRefused(said)) return said
      if (!isGood(said) && said.status !== 404)
        return { refused: `${server.address} does not say who is in its cluster: ${said.errors || said.status}` }
    }
    const [config, autopilot, ha] = answers as VaultSaid[]
    const servers = listed(config!.data)
    const own = servers.find((s) => (node === undefined ? isAt(s, server) : s.node_id === node))?.node_id
    const leading = leaderIn(config!.data)
    const watched = isGood(autopilot!)
      ? ((autopilot!.data.servers ?? {}) as Readonly<Record<string, Watched>>)
      : undefined
    const members = servers.map(async (s) => ({
      id: s.node_id,
      voter: s.voter === true,
      wrong:
        watched && watched[s.node_id]?.healthy !== true
          ? 'is not healthy'
          : s.node_id === own || !isGood(ha!)
            ? undefined
            : await wrongWith(apiOf(s, ha!.data), server, way),
    }))
    return {
      ...{ version, leads, own, members: await Promise.all(members), leader: leading },
      applied: Number(leader.data.raft_applied_index ?? 0),
      newest: Number((leading && watched?.[leading]?.last_index) ?? 0),
    }
  },
  difference: () => undefined,
})

interface Listed {
  readonly node_id: string
  /** `192.0.2.1:8201` */
  readonly address: string
  readonly leader?: boolean
  readonly voter?: boolean
}

interface Watched {
  readonly healthy?: boolean
  readonly last_index?: number
}

type Data = VaultSaid['data']

function listed(data: Data): readonly Listed[] {
  const { servers } = (data.config ?? {}) as { servers?: unknown }
  return Array.isArray(servers) ? (servers as Listed[]) : []
}

/** The leader as the one sees it who was asked: nobody where it does not hear of one. */
const leaderIn = (data: Data) => listed(data).find((s) => s.leader === true)?.node_id

function isAt({ address }: Listed, server: VaultServer): boolean {
  const url = `http://${address}`
  return URL.canParse(url) && new URL(url).hostname === new URL(server.address).hostname
}

/** Where a member's API is; undefined where it has not told the leader lately. */
function apiOf({ address }: Listed, ha: Data): string | undefined {
  const nodes = Array.isArray(ha.nodes) ? (ha.nodes as { api_address?: string; cluster_address?: string }[]) : []
  return nodes.find((n) => n.cluster_address?.replace(/^https?:\/\//, '') === address)?.api_address
}

/** Asks a member itself: one that the others do not reach is still listed as a voter, and healthy for autopilot. */
async function wrongWith(api: string | undefined, server: VaultServer, way: Way): Promise<string | undefined> {
  if (api === undefined) return 'does not report to the leader'
  const said = await asking({ ...server, address: api }, way)('GET', 'sys/storage/raft/configuration')
  if (isRefused(said)) return `is of no use: ${said.refused}`
  return leaderIn(said.data) === undefined ? 'knows no leader' : undefined
}

/** What a server knows of the cluster that it is in. */
export function vaultCluster(server: VaultServer, node?: string): Read<Cluster | Refused> {
  return read(clusterKind, { server: { ...server, namespace: undefined }, node })
}

interface Why {
  readonly failed: string
  readonly hint: string
  /** Time alone does not change it. */
  readonly forGood?: true
}

/** Why a member can't be away for a while; undefined where the others can do without it, or there are none. */
export function neededBy({ members, own, leader }: Cluster, { address }: VaultServer): Why | undefined {
  if (members.length === 0) return undefined
  if (own === undefined) return stranger(members, address)
  const wait = 'nothing was stopped; wait until it is well, or mend it first'
  if (leader === undefined) return { failed: `${address} knows no leader of its cluster`, hint: wait }
  const others = members.filter((m) => m.id !== own)
  const ill = others.map(illness).find((why) => why !== undefined)
  if (ill !== undefined) return { failed: ill, hint: wait }
  if (others.length === 1)
    return {
      failed: `${own} and ${others[0]!.id} are the whole cluster: without one of them it has no quorum`,
      hint: 'a third member, or restart it by hand when nobody needs it',
      forGood: true,
    }
  return undefined
}

/** Why a member does not take part yet; undefined where it does. */
export function awayFrom(cluster: Cluster, server: VaultServer): Why | undefined {
  const { members, own, applied, newest } = cluster
  if (members.length === 0 || applied >= newest) return illOf(cluster, server)
  const behind = { failed: `${own} is at ${applied} of the log, the leader at ${newest}`, hint: 'its log says why' }
  return illOf(cluster, server) ?? behind
}

/** Why a member or another one of its cluster is not well; undefined where all are. That it is listed as a voter says little:
 * it stays so while it is away. How far behind the leader it may be, autopilot says. */
export function illOf({ members, own, leader }: Cluster, { address }: VaultServer): Why | undefined {
  const log = 'its log says why'
  if (leader === undefined) return { failed: `${address} knows no leader of its cluster`, hint: log }
  if (members.length === 0) return undefined
  if (own === undefined) return stranger(members, address)
  const ill = members.map(illness).find((why) => why !== undefined)
  const young = members.some((m) => !m.voter) ? 'a new one votes some ten seconds after it has joined; else ' : ''
  return ill === undefined ? undefined : { failed: ill, hint: `${young}${log}` }
}

function stranger(members: readonly Member[], address: string): Why {
  return {
    failed: `which member of its cluster ${address} is, is not to be seen: they are ${names(members)}`,
    hint: 'give its id (`node_id` in its storage) with `node`',
    forGood: true,
  }
}

const names = (members: readonly Member[]) => members.map((m) => m.id).join(', ')

function illness({ id, voter, wrong }: Member): string | undefined {
  if (!voter) return `${id} of the cluster is no voter`
  return wrong === undefined ? undefined : `${id} of the cluster ${wrong}`
}

/** What a cluster is, as a result gives it. */
export function clusterShown({ own, leads, leader, members, version }: Cluster): Record<string, unknown> {
  return { node: own ?? '', leads, leader: leader ?? '', members: members.map((m) => m.id), version }
}

/** Looks until it is so.
 * @param seconds that it is given.
 * @param wrong why it is not so yet. */
async function settled(
  cluster: Read<Cluster | Refused>,
  seconds: number,
  wrong: (cluster: Cluster) => Why | undefined,
  way: Way,
  signal: AbortSignal,
  unproven: () => Promise<Refused | undefined> = async () => undefined,
): Promise<CallEnd> {
  for (const late = Date.now() + seconds * 1000; ; await new Promise((r) => setTimeout(r, 200))) {
    const now = (await unproven()) ?? (await cluster.kind.call!(cluster.question, way))
    const why = isRefused(now) ? { failed: now.refused, hint: now.hint } : wrong(now)
    if (!why) return { ok: true, output: told({ result: clusterShown(now as Cluster) }) }
    const forGood = isRefused(now) && now.forGood === true
    if (forGood || Date.now() >= late || signal.aborted)
      return failure(`${why.failed}${forGood ? '' : `, after ${seconds} s`}`, why.hint)
  }
}

/** Waits until a server takes part in its cluster. */
export function untilBack(server: VaultServer, cluster: Read<Cluster | Refused>, seconds: number): CallStep {
  const summary = `wait until ${server.address} takes part in its cluster`
  return waiting(summary, server, cluster, seconds, (now) => awayFrom(now, server))
}

/** Waits until the others can do without a server. */
export function untilSpare(server: VaultServer, cluster: Read<Cluster | Refused>, seconds: number): CallStep {
  const summary = `wait until the others can do without ${server.address}`
  return waiting(summary, server, cluster, seconds, (now) => neededBy(now, server))
}

function waiting(
  summary: string,
  server: VaultServer,
  cluster: Read<Cluster | Refused>,
  seconds: number,
  wrong: (cluster: Cluster) => Why | undefined,
): CallStep {
  return {
    summary,
    harmless: true,
    effects: [callsUnknown(summary)],
    call: (way, signal) => {
      let proven = server.unproven === undefined
      const unproven = async () => {
        const why = proven ? undefined : await unprovenYet(server, way)
        proven = why === undefined
        return why
      }
      return settled(cluster, seconds, wrong, way, signal, unproven)
    },
  }
}

/** Has the leader step down, and waits until another leads. */
export function stepDown(server: VaultServer, cluster: Read<Cluster | Refused>, seconds: number): CallStep {
  const summary = `have ${server.address} step down for another leader`
  const wrong = ({ leads, leader }: Cluster) =>
    leads || leader === undefined
      ? { failed: `no other server leads in place of ${server.address}`, hint: 'their logs say why' }
      : undefined
  return {
    summary,
    acts: true,
    effects: [callsUnknown(summary)],
    call: async (way, signal) => {
      const why = await orderDown(server, way)
      return why === undefined ? settled(cluster, seconds, wrong, way, signal) : { ok: false, why }
    },
  }
}

/** Orders it as often as twice: the server may end the connection with or without having done it. It is never ordered from one
 * that leads no more: it would hand that on to the new leader.
 * @returns why it did not. */
async function orderDown(server: VaultServer, way: Way): Promise<string | undefined> {
  const ask = asking(server, way)
  let why: string | undefined
  for (let tries = 0; tries < 2; tries++) {
    const leader = await ask('GET', 'sys/leader')
    if (isRefused(leader)) return leader.refused
    if (leader.data.is_self !== true) return undefined
    const said = await ask('PUT', 'sys/step-down')
    if (!isRefused(said) && isGood(said)) return undefined
    why = isRefused(said) ? said.refused : `${server.address} does not step down: ${said.errors || said.status}`
    if (!isRefused(said) || said.denied) return why
  }
  return why
}

/** What came of either. */
export function clusterSettled(summary: string, end: StepEnd): Settled {
  const { hint, result = {} } = toldBy(end)
  if (end.outcome === 'done') return { result }
  const failed = end.stderr.toString('utf8')
  return { result: {}, failed: failed === '' ? summary : failed, ...(hint === undefined ? {} : { hint }) }
}
