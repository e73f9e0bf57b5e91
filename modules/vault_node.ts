import {
  awayFrom,
  type Cluster,
  clusterSettled,
  clusterShown,
  defineModule,
  type Failure,
  fail,
  illOf,
  isRefused,
  knownLocals,
  neededBy,
  noToken,
  refusal,
  stepDown,
  Unknown,
  untilBack,
  untilSpare,
  unusable,
  vaultCluster,
  vaultLocals,
  vaultParams,
  vaultServer,
  vaultStatus,
} from '../src/module.ts'

export default defineModule({
  name: 'vault_node',
  summary: 'A server of Vault or OpenBao as a member of a cluster on raft: whether it is well, and around its restart.',
  params: {
    type: 'object',
    properties: {
      state: {
        type: 'string',
        enum: ['healthy', 'spare', 'standby', 'voter'],
        description:
          '`healthy`: looks whether it and all others take part, and fails where they don’t. `spare`: looks whether the others can do without it, and fails where they can’t. `standby`: a leader steps down and another takes over, where there is one. `voter`: waits until it is unsealed, votes, has caught up, and all are well.',
      },
      node: {
        type: 'string',
        description: 'Its id in the cluster; without it the member that is at the host of `address`.',
      },
      timeout: {
        type: 'integer',
        minimum: 0,
        description: 'Seconds until it has to be so; without it 60, and for `spare` 0.',
      },
      way_out: { type: 'string', description: 'What else is said to be done where it is not so.' },
      ...vaultParams,
    },
    required: ['state'],
  },
  examples: `- vault_node: { state: spare, store: vault-keys.age }
  register: node
- vault_node: { state: standby, store: vault-keys.age }
- systemd_unit: { name: vault, state: restarted }
- vault_node: { state: voter, store: vault-keys.age }`,
  notes: [
    'It gives `node`, `leads`, `leader`, `members` and `version`.',
    'The others can do without it when all of them vote, autopilot calls them healthy, there is a leader and they are two or more. A server that is the only one is spare, with a warning: nobody answers meanwhile.',
    'That a server is listed as a voter is not enough to be back: it stays so while it is away. It has to know the leader, and to have of the log what the leader had.',
    'It was tested on OpenBao; Vault Enterprise’s performance standbys and members without a vote could not be had.',
  ],
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    const status = vaultStatus(server)
    const now = known(status)
    const asks = server.token !== undefined && now && !unusable(now, server)
    return { ...vaultLocals(p, known), status, cluster: asks ? vaultCluster(server, p.node) : undefined }
  },
  plan: (p, a, context) => {
    const asked = vaultServer(p, a, context)
    const server = p.state === 'voter' && asked.unproven ? { ...asked, token: asked.unproven } : asked
    const no = unusable(a.status, server)
    const failing = ({ failed, hint }: Failure) => fail(failed, hintOf(hint, p.way_out))
    if (no && p.state !== 'voter') return failing(no)
    if (server.token === undefined) return failing(noToken(p, a))
    const read = vaultCluster(server, p.node)
    if (p.state === 'voter') {
      const isBack = !no && !asked.unproven && !isRefused(a.cluster) && !awayFrom(a.cluster!, server)
      if (isBack) return { steps: [], result: clusterShown(a.cluster as Cluster) }
      return planOf(untilBack(server, read, p.timeout ?? patience), p.way_out)
    }
    if (isRefused(a.cluster)) return failing(refusal(a.cluster))
    const cluster = a.cluster!
    const result = clusterShown(cluster)
    if (p.state === 'healthy') {
      const ill = illOf(cluster, server)
      return ill ? failing(ill) : { steps: [], result }
    }
    if (p.state === 'spare') {
      const needed = neededBy(cluster, server)
      if (needed && (needed.forGood || !p.timeout)) return failing(needed)
      if (needed) return { ...planOf(untilSpare(server, read, p.timeout!), p.way_out), warnings: [needed.failed] }
      const alone = cluster.members.length <= 1
      return {
        steps: [],
        result,
        warnings: alone ? [`${server.address} is alone: nobody answers while it restarts`] : [],
      }
    }
    if (!cluster.leads || cluster.members.length <= 1) return { steps: [], result }
    return planOf(stepDown(server, read, p.timeout ?? patience), p.way_out)
  },
})

/** Seconds. */
const patience = 60

/** The hint of a failure; it may have none. */
function hintOf(...parts: readonly (string | undefined)[]): { hint?: string } {
  const said = parts.filter((part) => part !== undefined)
  return said.length === 0 ? {} : { hint: said.join('; ') }
}

function planOf(step: ReturnType<typeof untilBack>, wayOut: string | undefined) {
  const later = new Unknown(step.summary)
  return {
    steps: [step],
    result: { node: later, leads: later, leader: later, members: later, version: later },
    settle: ([end]: readonly Parameters<typeof clusterSettled>[1][]) => {
      const { hint, ...settled } = clusterSettled(step.summary, end!)
      return settled.failed === undefined ? settled : { ...settled, ...hintOf(hint, wayOut) }
    },
  }
}
