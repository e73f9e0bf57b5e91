import {
  atRest,
  barePath,
  canary,
  defineModule,
  type Failure,
  fail,
  isRefused,
  judgeAtRest,
  knownLocals,
  kvVersion,
  type Mounts,
  type Params,
  productText,
  refusal,
  UnknownValue,
  unaskable,
  type VaultStatus,
  vaultLocals,
  vaultMounts,
  vaultParams,
  vaultServer,
  vaultStatus,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    plain: {
      type: 'string',
      default: 'kv-unwrapped',
      description: 'The path of a kv engine (version 1) without seal wrap.',
    },
    wrapped: { type: 'string', default: 'kv-seal-wrapped', description: 'The path of one that was mounted with it.' },
    storage_path: {
      type: 'string',
      hostPath: true,
      description: "The directory of the server's file storage on the host, as its configuration names it.",
    },
    key_labels: {
      type: 'array',
      items: { type: 'string' },
      default: ['hsm_demo', 'hsm_hmac_demo'],
      description: "Labels of the seal's keys: a wrapped value names those that it was wrapped with.",
    },
    ...vaultParams,
  },
  required: ['storage_path'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_seal_wrap_check',
  summary:
    'Looks at what is stored whether seal wrap is real: a canary in two engines, read back, found in the file storage, compared, removed.',
  harmless: true,
  params,
  examples: `- vault_seal_wrap_check: { storage_path: /opt/vault/data }
  become: true`,
  notes: [
    'It needs file storage: in raft nobody can look. In check mode nothing is written, so only what stands against it beforehand is told.',
    'What a wrapped value looks like is what the guide says of Vault Enterprise, which was not there to be tried: longer, with the labels of the keys in it.',
  ],
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    return {
      ...vaultLocals(p, known),
      status: vaultStatus(server),
      mounts: server.token === undefined ? undefined : vaultMounts(server),
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    const no = unaskable(p, a, server)
    if (no) return no
    if (isRefused(a.mounts)) return refusal(a.mounts)
    const status = a.status as VaultStatus
    const mounts = a.mounts!
    const [plain, wrapped] = [barePath(p.plain), barePath(p.wrapped)]
    const wrong = wrongMounts(p, mounts, status)
    if (wrong) return wrong
    const files = [plain, wrapped].map((m) => `${p.storage_path}/logical/${uuidOf(mounts, m)}/_${canary.name}`)
    const steps = [canary.write(server, [plain, wrapped]), atRest(files), canary.remove(server, [plain, wrapped])]
    return {
      steps,
      result: { plain, wrapped },
      settle: (ends) => {
        const bad = ends.findIndex((e) => e.outcome !== 'done')
        if (bad === 0) return { result: {}, failed: `${steps[0]!.summary}: ${ends[0]!.stderr.toString('utf8')}` }
        const judged = judgeAtRest(ends[1]!.stdout, files, {
          labels: p.key_labels,
          plain,
          wrapped,
          server: productText(status),
        })
        const left =
          bad === 2 ? [`the canary is still in ${plain}/ and ${wrapped}/: ${ends[2]!.stderr.toString('utf8')}`] : []
        return { ...judged, warnings: left }
      },
    }
  },
})

/** Where it is stored; of one that this run makes only the server knows. */
function uuidOf(mounts: Mounts, path: string): string {
  const { uuid } = mounts.get(path)!
  if (uuid === undefined) throw new UnknownValue(`where ${path}/ is stored`)
  return uuid
}

function wrongMounts(p: P, mounts: Mounts, status: VaultStatus): Failure | undefined {
  for (const [path, wraps] of [
    [barePath(p.plain), false],
    [barePath(p.wrapped), true],
  ] as const) {
    const at = mounts.get(path)
    if (!at)
      return fail(`nothing is mounted at ${path}/`, {
        hint: `vault_mount: { path: ${path}, type: kv, version: 1${wraps ? ', seal_wrap: true' : ''} }`,
      })
    if (at.type !== 'kv' || kvVersion(at) !== 1)
      return fail(
        `${path}/ is ${at.type === 'kv' ? 'kv of version 2, which hides its names at rest' : at.type}, not kv of version 1`,
      )
    if (at.sealWrap !== wraps) return fail(`${path}/ was mounted with${wraps ? 'out' : ''} \`seal_wrap\``)
  }
  if (status.storage !== '' && status.storage !== 'file')
    return fail(`the server keeps its data in ${status.storage}: what is at rest can be looked at in file storage only`)
  return undefined
}
