import {
  callsUnknown,
  content,
  defineModule,
  type Failure,
  fail,
  isRefused,
  type Known,
  keptKeys,
  knownTrust,
  type LocalFile,
  localFile,
  localPlace,
  type ModuleContext,
  type Params,
  type Refused,
  type Step,
  type StepEnd,
  type Stored,
  settleStore,
  stored,
  Unknown,
  type VaultServer,
  type VaultState,
  vaultInit,
  vaultServerParams,
  vaultState,
  vaultTrust,
} from '../src/module.ts'

const {
  bringUp,
  clusterAddresses,
  initialise,
  isUnsealing,
  isUp,
  joinCluster,
  otherKey,
  peersOf,
  pgpKeysOf,
  preflightParam,
  preflightProblem,
  preflightReads,
  roleOf,
  hasWaited,
  serverRuns,
  silence,
  startingState,
  stateEffects,
  stateShown,
  storeBlocked,
  cannotUnseal,
  unfinished,
  unsealingOf,
} = vaultInit

const params = {
  type: 'object',
  properties: {
    ...vaultServerParams,
    store: {
      type: 'string',
      description:
        'A file on the controller that gets the keys and the root token, beside the playbook; it must not be there yet. Mode 0600.',
    },
    recipients: {
      type: 'array',
      items: { type: 'string', pattern: '^age1|<%' },
      minItems: 1,
      description: 'Who can decrypt the store: age recipients (`age1…`).',
    },
    plaintext: { type: 'boolean', default: false, description: 'The store is not encrypted.' },
    identity: {
      type: 'string',
      description:
        'A file on the controller with age identities, to unseal with keys from the store; otherwise what RUNBOOK_AGE_IDENTITY names.',
    },
    shares: {
      type: 'integer',
      minimum: 1,
      maximum: 255,
      default: 1,
      aliases: ['recovery_shares', 'secret_shares'],
      description:
        'Of how many parts the key is: the recovery key where a seal unseals the server, else the unseal key.',
    },
    threshold: {
      type: 'integer',
      minimum: 1,
      maximum: 255,
      default: 1,
      aliases: ['recovery_threshold', 'secret_threshold'],
      description: 'How many of them are needed.',
    },
    pgp_keys: {
      type: 'array',
      items: { type: 'string' },
      description: 'Files of the controller, a PGP public key for each part: only its holder can read it.',
    },
    root_token_pgp_key: {
      type: 'string',
      controllerPath: 'files',
      description: 'A PGP public key: only its holder can read the root token.',
    },
    role: {
      type: 'string',
      enum: ['auto', 'first', 'join'],
      default: 'auto',
      description:
        'Of a cluster on raft exactly one is initialised, the `first`; the others `join` it and are waited for. `auto`: a server whose configuration has no `retry_join` is a first.',
    },
    config: {
      type: 'string',
      hostPath: true,
      default: '/etc/vault.d/vault.hcl',
      description: 'The server’s configuration, to see which others it joins.',
    },
    hsm: preflightParam,
    unchecked_seal: {
      type: 'boolean',
      default: false,
      description: 'Initialises a server with the seal of an HSM although `hsm` is not given.',
    },
    timeout: { type: 'integer', minimum: 1, default: 60, description: 'Seconds until it has to be up.' },
    first_timeout: {
      type: 'integer',
      minimum: 0,
      description:
        'For one that joins: seconds until one of those that it joins has to be initialised; without it `timeout`.',
    },
  },
  exclusive: [['recipients', 'plaintext']],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_init',
  summary: 'Initialises a server of Vault or OpenBao once, keeps what it hands out, and unseals it.',
  params,
  examples: `- vault_init:
    store: keys/<%= inventory_hostname %>.age
    recipients: [age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq]
    shares: 5
    threshold: 3
    hsm:
      library: <%= fx.library %>
      token_label: vault
      pin_file: <%= pin.path %>
      key_label: hsm_demo
  register: vault
- vault_init: { role: join }`,
  notes: [
    'Not twice, whatever fails: before the call the room in the store is taken and an intent written beside it; afterwards the server is asked what came of it, and what that means is said with the way out. Where the call was made and its answer never came, the keys are lost: only empty storage helps.',
    'It was tested on OpenBao (raft; seals: PKCS #11, static, people’s keys). Vault Enterprise could not be had: its seal and its messages are taken from its documentation.',
    'A server that an HSM unseals and that has no `hsm` here is refused: one that cannot use its key answers with an error, and is initialised and lost all the same.',
  ],
})({
  reads: (p, context, known) => {
    const { ca } = vaultTrust(p)
    const server = serverOf(p, ca && known(ca))
    const state = vaultState(server, p.timeout)
    const first = known(state)
    const late = first && (isRefused(first) ? !first.forGood : isUnsealing(first))
    const runs = late ? serverRuns(p.config) : undefined
    const waits = runs && isRefused(first) && known(runs)?.status === 0 && !hasWaited(first)
    const starting = waits ? startingState(server, p.timeout) : undefined
    const now = starting ? known(starting) : first
    const bare = now && !isRefused(now) && !now.initialized
    const config = bare ? content(p.config) : undefined
    const text = config && known(config)?.bytes?.toString('utf8')
    if (p.hsm?.pin !== undefined) context.secret(p.hsm.pin)
    return {
      ca,
      first: state,
      runs,
      starting,
      kept: p.store === undefined ? undefined : stored(known(localPlace(p.store))!, identityOf(p, known)),
      place: localPlace(p.store ?? ''),
      identity: localPlace(p.identity ?? ''),
      config,
      ...(bare && p.hsm ? preflightReads(p.hsm, known) : noHsm),
      peers: text ? peersOf(server, text).map((peer) => vaultState(peer, 0)) : undefined,
      tokenKey: localFile(p.root_token_pgp_key ?? ''),
      ...Object.fromEntries((p.pgp_keys ?? []).map((path, i) => [`pgp${i}`, localFile(path)])),
    }
  },
  plan: (p, a, context) => {
    const wrong = wrongParams(p)
    if (wrong) return wrong
    const state = a.starting ?? a.first
    if (isRefused(state)) return silence(state, a.runs?.status === 0)
    const server = serverOf(p, a.ca)
    if (state.initialized) {
      const unsealing = isUnsealing(state) ? unsealingOf(server, p.timeout, a.runs) : undefined
      return initialised(p, { server, state, kept: a.kept, path: a.place }, unsealing, context)
    }
    const peers = (a.peers ?? []) as readonly (VaultState | Refused)[]
    const hcl = a.config?.bytes?.toString('utf8') ?? ''
    const role = roleOf(p, server, hcl, peers)
    if (typeof role !== 'string') return role
    const lost =
      sealProblem(p, state, () => preflightProblem(p.hsm!, a.hsmSeen!, a.hsmBehind, a.hsmVariable)) ??
      (p.hsm && otherKey(p.hsm, hcl, p.config, state.product))
    if (lost) return lost
    if (role === 'join')
      return joining(
        p,
        { server, state, kept: a.kept, path: a.place },
        peersOf(server, hcl),
        p.identity === undefined ? undefined : a.identity,
        context,
      )
    const blocked = storeBlocked(p.store!, a.kept!, a.place, server)
    if (blocked) return blocked
    const pgp = pgpKeysOf(p, a as unknown as Record<string, { bytes: Buffer } | undefined>)
    if ('failed' in pgp) return pgp
    const order: vaultInit.InitOrder = {
      ...{
        server,
        peers: peersOf(server, hcl),
        cluster: clusterAddresses(hcl),
        host: context.facts.hostname,
        product: state.product,
        version: state.version,
      },
      ...{ store: { path: a.place, recipients: p.recipients ?? [] }, autoUnseal: state.autoUnseal },
      ...{ shares: p.shares, threshold: p.threshold, patience: p.timeout, secret: context.secret, ...pgp },
    }
    const kind = state.autoUnseal ? 'recovery' : 'unseal'
    const summary = `initialise ${server.address} (${p.threshold} of ${p.shares} ${kind} keys) and keep them in ${p.store}`
    const sealed = !state.autoUnseal && pgp.pgpKeys !== undefined
    const after = { ...state, initialized: true, sealed, health: sealed ? 503 : 200 }
    const step: Step = {
      summary,
      effects: stateEffects(summary, server, p.timeout, after),
      call: (way, signal) => initialise(order, way, signal),
    }
    return planOf([step], after, p)
  },
})

/** Nobody needs a token for this. */
const serverOf = (p: P, ca: LocalFile | undefined): VaultServer => ({ ...knownTrust(p, ca), namespace: undefined })

const identityOf = (p: P, known: Known) => (p.identity === undefined ? undefined : known(localPlace(p.identity)))

function wrongParams(p: P): Failure | undefined {
  if (p.threshold > p.shares) return fail(`of ${p.shares} keys ${p.threshold} can’t be needed`)
  if (p.shares > 1 && p.threshold === 1)
    return fail('where one key is enough there is one', { hint: '`threshold` of 2 or more, or `shares: 1`' })
  if (p.pgp_keys && p.pgp_keys.length !== p.shares)
    return fail(`there are ${p.pgp_keys.length} PGP keys for ${p.shares} shares`, { hint: 'one for each' })
  if (p.role === 'join') return undefined
  if (p.store === undefined)
    return fail('`store` is missing: what the server hands out once has to go somewhere', {
      hint: 'a file on the controller',
    })
  if (!p.recipients && !p.plaintext)
    return fail(`to whom is ${p.store} encrypted?`, { hint: '`recipients: [age1…]`, or `plaintext: true`' })
  return undefined
}

interface There {
  readonly server: VaultServer
  readonly state: VaultState
  readonly kept: Stored | undefined
  readonly path: string
}

const noHsm = { hsmVariable: undefined, hsmSeen: undefined, hsmBehind: undefined }

/** Why the server would be, or might be, initialised and lost. */
function sealProblem(p: P, { sealType }: VaultState, look: () => vaultInit.PreflightProblem | undefined) {
  if (p.hsm) {
    const problem = look()
    if (!problem) return undefined
    const { message, hint, untried } = problem
    return untried
      ? fail(`whether the seal’s key works is not known, and where it does not the server would be lost: ${message}`, {
          hint: `${hint}; or \`unchecked_seal: true\` in the place of \`hsm\``,
        })
      : fail(`the seal’s key can’t be used, the server would be lost: ${message}`, { hint })
  }
  if (sealType !== 'pkcs11' || p.unchecked_seal) return undefined
  return fail(
    'the seal is an HSM’s, and its key was not looked at: a server that can’t use it is initialised all the same, and lost',
    {
      hint: 'give `hsm` with library, token, PIN and key, or `unchecked_seal: true`',
    },
  )
}

function initialised(
  p: P,
  there: There,
  unsealing: ReturnType<typeof unsealingOf> | undefined,
  context: ModuleContext,
) {
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
  if (unsealing) warnings.push(unsealing.warning)
  const keys = kept && keptKeys(kept, context.secret)
  if (state.sealed && !state.autoUnseal) {
    const no = cannotUnseal(p.store, server, kept, keys)
    if (no) return no
  }
  const unseals = state.sealed && !state.autoUnseal
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

function settleStep(p: P, { state }: Stored, path: string): Step {
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

function joining(
  p: P,
  { server, state, path }: There,
  peers: readonly VaultServer[],
  identity: string | undefined,
  context: ModuleContext,
) {
  const summary = `wait until ${server.address} has joined its cluster`
  const after = { ...state, initialized: true, sealed: false, health: 429 }
  const order = {
    ...{ server, peers, patience: p.timeout, firstPatience: p.first_timeout ?? p.timeout, secret: context.secret },
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

/** @param after what the server will be. */
function planOf(steps: readonly Step[], after: VaultState, p: P, warnings: readonly string[] = []) {
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
    settle: (ends: readonly StepEnd[]) => settledBy(steps, ends),
  }
}

function settledBy(steps: readonly Step[], ends: readonly StepEnd[]) {
  const bad = ends.findIndex((e) => e.outcome !== 'done')
  const end = ends[bad === -1 ? ends.length - 1 : bad]!
  const text = end.stdout.toString('utf8')
  const { hint, state = {}, warnings = [] } = (text === '' ? {} : JSON.parse(text)) as vaultInit.InitSaid
  const why = end.stderr.toString('utf8')
  return {
    result: state,
    warnings,
    ...(bad === -1 ? {} : { failed: why === '' ? steps[bad]!.summary : why, ...(hint === undefined ? {} : { hint }) }),
  }
}
