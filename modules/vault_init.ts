import {
  content,
  defineModule,
  type Failure,
  fail,
  isRefused,
  type Known,
  knownTrust,
  type LocalFile,
  localFile,
  localPlace,
  type Params,
  type Refused,
  stored,
  type VaultServer,
  type VaultState,
  vaultInit,
  vaultServerParams,
  vaultState,
  vaultTrust,
} from '../src/module.ts'

const {
  clusterAddresses,
  hasWaited,
  isUnsealing,
  peersOf,
  pgpKeysOf,
  planFirst,
  planInitialised,
  planJoin,
  preflightParam,
  preflightReads,
  roleOf,
  sealProblem,
  serverRuns,
  silence,
  startingState,
  storeBlocked,
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
    const { secret } = context
    const server = serverOf(p, a.ca)
    const there = { server, state, kept: a.kept, path: a.place }
    if (state.initialized) return planInitialised(p, there, a.runs, secret)
    const hcl = a.config?.bytes?.toString('utf8') ?? ''
    const role = roleOf(p, server, hcl, (a.peers ?? []) as readonly (VaultState | Refused)[])
    if (typeof role !== 'string') return role
    const lost = sealProblem(p, state, hcl, a)
    if (lost) return lost
    const peers = peersOf(server, hcl)
    if (role === 'join') return planJoin(p, there, peers, p.identity === undefined ? undefined : a.identity, secret)
    const blocked = storeBlocked(p.store!, a.kept!, a.place, server)
    if (blocked) return blocked
    const pgp = pgpKeysOf(p, a as unknown as Record<string, { bytes: Buffer } | undefined>)
    if ('failed' in pgp) return pgp
    const { product, version, autoUnseal } = state
    return planFirst(p, state, {
      ...{ server, peers, cluster: clusterAddresses(hcl), host: context.facts.hostname, product, version, autoUnseal },
      ...{ store: { path: a.place, recipients: p.recipients ?? [] }, shares: p.shares, threshold: p.threshold },
      ...{ patience: p.timeout, secret, ...pgp },
    })
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

const noHsm = { hsmVariable: undefined, hsmSeen: undefined, hsmBehind: undefined }
