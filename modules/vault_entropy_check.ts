import {
  barePath,
  defineModule,
  type Failure,
  fail,
  hsmWords,
  isRefused,
  knownLocals,
  noEntropy,
  type Params,
  refusal,
  unaskable,
  type VaultFeatures,
  type VaultStatus,
  vaultFeatures,
  vaultKey,
  vaultLocals,
  vaultMounts,
  vaultParams,
  vaultRoundTrip,
  vaultServer,
  vaultSettled,
  vaultStatus,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    engine_mount_point: {
      type: 'string',
      default: 'transit',
      aliases: ['mount'],
      description: 'The path of a transit engine that was mounted with `external_entropy_access: true`.',
    },
    key: {
      type: 'string',
      pattern: '^[^/]+$',
      default: 'runbook-canary',
      description: 'A key of it to encrypt with; one that is not there is made, and removed again.',
    },
    ...vaultParams,
  },
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_entropy_check',
  summary: 'Looks whether a transit engine really takes randomness from the HSM, and encrypts and decrypts.',
  harmless: true,
  params,
  examples: '- vault_entropy_check: { engine_mount_point: transit }',
  notes: [
    'What is looked at is what the server does: random bytes out of the seal, asked at this engine, have to come without its warning that there are none. How Vault Enterprise answers is taken from its documentation and open source; it was not there to be tried.',
  ],
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    const asks = server.token !== undefined
    return {
      ...vaultLocals(p, known),
      status: vaultStatus(server),
      mounts: asks ? vaultMounts(server) : undefined,
      features: asks ? vaultFeatures(server, mountOf(p)) : undefined,
      key: asks ? vaultKey(server, mountOf(p), p.key) : undefined,
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    const no = unaskable(p, a, server)
    if (no) return no
    const mount = mountOf(p)
    if (isRefused(a.mounts)) return refusal(a.mounts)
    const at = a.mounts!.get(mount)
    if (!at) return fail(`nothing is mounted at ${mount}/`)
    if (at.type !== 'transit') return fail(`the engine at ${mount}/ is ${at.type}, not transit`)
    if (!at.externalEntropy) return fail(`${mount}/ was mounted without \`external_entropy_access\``)
    if (isRefused(a.features)) return withWords(refusal(a.features))
    const wrong = failureOf(a.status as VaultStatus, a.features!)
    if (wrong) return wrong
    if (isRefused(a.key)) return refusal(a.key)
    const step = vaultRoundTrip(server, mount, p.key, a.key!.type === undefined)
    return {
      steps: [step],
      result: { engine: mount, external_entropy: true },
      settle: (ends) => {
        const said = vaultSettled([step])(ends)
        return { ...said, result: { encrypts: said.failed === undefined } }
      },
    }
  },
})

const mountOf = (p: P) => barePath(p.engine_mount_point)

function failureOf(status: VaultStatus, features: VaultFeatures): Failure | undefined {
  if (features.trouble !== undefined)
    return withWords(fail(`the server gets no random bytes from its seal: ${features.trouble}`))
  const ignored = noEntropy(status, features)
  return ignored === undefined ? undefined : fail(ignored)
}

/** What PKCS #11 said, explained. */
function withWords({ failed, hint }: Failure): Failure {
  const words = hsmWords(failed)
  return fail(words ? `${failed} (${words.sentence})` : failed, hint || words ? { hint: words?.cause ?? hint! } : {})
}
