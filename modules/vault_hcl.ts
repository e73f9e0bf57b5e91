import {
  content,
  type DataPlace,
  defineModule,
  entry,
  fail,
  type HclBlock,
  type HclValue,
  hclTraps,
  leftBehind,
  notTaken,
  ownershipParams,
  type Params,
  type Program,
  placeFile,
  placeIn,
  printHcl,
  readerOf,
  type Said,
  type ServerProgram,
  secretsInHcl,
  serverPrograms,
  shownHcl,
} from '../src/module.ts'

const settings = { type: 'object', additionalProperties: {} } as const

const params = {
  type: 'object',
  properties: {
    path: { type: 'string', hostPath: true, default: '/etc/vault.d/vault.hcl', description: 'The file.' },
    seal: {
      type: 'object',
      additionalProperties: {},
      description:
        'One key, the type (`pkcs11`), with its settings: lib, slot, key_label, hmac_key_label, generate_key, …',
      examples: [
        {
          pkcs11: { lib: '/usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/libfxpkcs11.so', slot: '0', key_label: 'hsm_demo' },
        },
      ],
    },
    entropy: {
      ...settings,
      description: 'One key, the source (`seal`), with its settings, as `{ seal: { mode: augmentation } }`.',
    },
    storage: { ...settings, description: 'One key, the type (`file`, `raft`), with its settings.' },
    listener: {
      type: 'array',
      items: settings,
      description:
        'Each with one key, the type (`tcp`), and its settings: address, tls_cert_file, tls_key_file, tls_disable, …',
    },
    telemetry: { ...settings, description: 'The telemetry stanza.' },
    api_addr: { type: 'string', description: 'The address that clients are told.' },
    cluster_addr: { type: 'string', description: 'The address that other nodes use.' },
    ui: { type: 'boolean', description: 'Whether there is a web UI.' },
    disable_mlock: { type: 'boolean', description: 'Whether memory may be swapped out.' },
    plugin_directory: { type: 'string', description: 'Where plugins are.' },
    settings: { ...settings, description: 'Any other setting; a mapping is an object.' },
    stanzas: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string' },
          labels: { type: 'array', items: { type: 'string' } },
          body: settings,
        },
        required: ['type'],
        additionalProperties: false,
      },
      description: 'Any other stanza: its type, labels and body.',
    },
    program: {
      type: 'object',
      properties: {
        product: { type: 'string', enum: ['Vault', 'OpenBao'] },
        edition: { type: 'string' },
        release: { type: 'string' },
        path: { type: 'string', pattern: '^/|<%' },
      },
      additionalProperties: false,
      description:
        'Who will read it: a stanza or a setting that it would ignore is a failure, and OpenBao’s program looks at the new file before that takes its place. Without `product` the program at `path` is asked, without both the vault or bao in /usr/local/bin and /usr/bin. `product`, `edition` and `release` are for one that is not installed yet.',
    },
    owner: ownershipParams.owner,
    group: ownershipParams.group,
    mode: { ...ownershipParams.mode, default: '0640' },
    backup: { type: 'boolean', default: false, description: 'Keeps a copy of what is replaced.' },
  },
} as const

type P = Params<typeof params>
type Body = Readonly<Record<string, HclValue>>

export default defineModule({
  name: 'vault_hcl',
  summary: 'Writes the configuration of HashiCorp Vault or OpenBao as canonical HCL.',
  touches: 'paths',
  params,
  examples: `- vault_hcl:
    seal: { pkcs11: { lib: "<%= fx.library %>", slot: '0', key_label: hsm_demo, hmac_key_label: hsm_hmac_demo, generate_key: 'true' } }
    entropy: { seal: { mode: augmentation } }
    storage: { file: { path: /var/lib/vault } }
    listener: [{ tcp: { address: '127.0.0.1:8200', tls_disable: true } }]
    owner: vault
    group: vault`,
})({
  reads: (p, _, known) => {
    const now = content(p.path)
    const [before, after] = placesOf(p, known(now)?.bytes)
    const isMoved = before !== undefined && before.mark !== after?.mark
    const marked = (place: DataPlace | undefined) => (place && isMoved ? entry(place.mark) : undefined)
    const said = p.program?.product === undefined ? serverPrograms(p.program?.path) : undefined
    return { at: entry(p.path), now, said, before: marked(before), after: marked(after) }
  },
  plan: (p, { at, now, said, ...marks }, { facts, secret }) => {
    if (now.denied) return fail(`${p.path} may not be read by ${facts.user}`, { hint: '`become: true`' })
    const stanzas = stanzasOf(p)
    if ('failed' in stanzas) return stanzas
    for (const value of secretsInHcl([...stanzas.map((s) => s.body.attributes), (p.settings ?? {}) as Body]))
      secret(value)
    const program = programOf(p, said)
    const outside = { ...p.settings, ...Object.fromEntries(ownSettings(p)) }
    const wrong = 'doubt' in program ? [] : notTaken(program, [...stanzas, ...objectsOf(p)], outside)
    if (wrong.length > 0) return fail(wrong.join('; '), { hint: 'leave it out, or install a program that has it' })
    const [before, after] = placesOf(p, now.bytes)
    const left = leftBehind(
      before,
      after,
      (place) => (place === before ? marks.before : marks.after)?.stat !== undefined,
    )
    if (left) return left
    const bytes = print(p, stanzas)
    if ('failed' in bytes) return bytes
    const steps = placeFile({
      at,
      now,
      bytes,
      want: { owner: p.owner, group: p.group, mode: p.mode },
      umask: facts.umask,
      backup: p.backup,
      validate: 'path' in program && program.product === 'OpenBao' ? validation(program.path) : undefined,
      secret: shownHcl,
    })
    if ('failed' in steps) return steps
    const warnings = [...hclTraps(stanzas, outside), ...('doubt' in program ? [program.doubt] : [])]
    return { steps, result: { path: p.path }, warnings }
  },
})

/** Who will read it, or why that can't be told. */
function programOf({ program = {} }: P, said: Said | undefined): Program | ServerProgram | { readonly doubt: string } {
  const { product, edition = '', release, path } = program
  if (product === undefined) return readerOf(said!, path)
  return { product, edition, release, ...(path === undefined ? {} : { path }) }
}

/** Where the data are, and where they are to be. */
function placesOf(p: P, now: Buffer | undefined): [DataPlace | undefined, DataPlace | undefined] {
  const stanzas = stanzasOf(p)
  const next = 'failed' in stanzas ? stanzas : print(p, stanzas)
  const placeAt = (bytes: Buffer) => placeIn(bytes.toString('utf8'))
  return [now && placeAt(now), 'failed' in next ? undefined : placeAt(next)]
}

/** What it says to ignore is a failure; another warning (2) is none, nor is a program that is not there. Vault has no such
 * command. */
const validation = (program: string) => ['sh', '-c', looksAtIt, 'sh', program, '%s']

// its colours are left out, with its name and release
const looksAtIt = `o=$("$1" operator validate-config -config="$2" 2>&1); r=$?
case $r$o in 1*|2*'Unknown or unsupported'*);; *) exit 0; esac
sed '1d; s/.*Validate Config: //' <<.
$o
.
exit 1`

/** What stands in `settings` as an object is a stanza to whoever reads it. */
const objectsOf = ({ settings = {} }: P): HclBlock[] =>
  Object.entries(settings).flatMap(([type, value]) =>
    [value].flat().flatMap((v) => {
      if (typeof v !== 'object' || v === null) return []
      return [{ type, labels: Object.keys(v).slice(0, 1), body: { attributes: firstOf(v), blocks: [] } }]
    }),
  )

/** The settings below its label, where it has one. */
function firstOf(value: object): Body {
  const first = Object.values(value)[0]
  return typeof first === 'object' && first !== null ? first : {}
}

const isOwnStorage = ({ type, labels: [kind = ''] }: HclBlock) =>
  ['storage', 'ha_storage', 'backend'].includes(type) && ['raft', 'file'].includes(kind)

/** All stanzas in the order in which they are written. */
function stanzasOf(p: P) {
  const blocks: HclBlock[] = []
  const wrong: string[] = []
  const body = (name: string, given: unknown): HclBlock['body'] => {
    if (given !== null && given !== undefined && (typeof given !== 'object' || Array.isArray(given))) wrong.push(name)
    return { attributes: (given ?? {}) as Body, blocks: [] }
  }
  const labelled = (type: string, given: Readonly<Record<string, unknown>> | undefined) => {
    for (const [label, settings] of Object.entries(given ?? {}))
      blocks.push({ type, labels: [label], body: body(`${type}.${label}`, settings) })
  }
  for (const l of p.listener ?? []) labelled('listener', l)
  labelled('storage', p.storage)
  labelled('seal', p.seal)
  labelled('entropy', p.entropy)
  if (p.telemetry) blocks.push({ type: 'telemetry', labels: [], body: body('telemetry', p.telemetry) })
  for (const s of p.stanzas ?? []) blocks.push({ type: s.type, labels: s.labels ?? [], body: body(s.type, s.body) })
  const pathless = blocks.find((b) => isOwnStorage(b) && (b.body.attributes.path ?? '') === '')
  if (pathless && wrong.length === 0)
    return fail(`\`${pathless.type}.${pathless.labels[0]}\` has no \`path\`: the server would not start`, {
      hint: 'the directory of its data, as in `storage: { raft: { path: /var/lib/vault } }`',
    })
  if (wrong.length > 0)
    return fail(`\`${wrong[0]}\` has to be a mapping of settings`, { hint: 'as in `storage: { file: { path: … } }`' })
  return blocks
}

function ownSettings({ api_addr, cluster_addr, ui, disable_mlock, plugin_directory }: P) {
  const own = { api_addr, cluster_addr, ui, disable_mlock, plugin_directory }
  return Object.entries(own).filter(([, v]) => v !== undefined)
}

function print(p: P, blocks: readonly HclBlock[]) {
  const own = ownSettings(p)
  const twice = own.find(([name]) => p.settings !== undefined && name in p.settings)
  if (twice) return fail(`\`${twice[0]}\` is given twice, once in \`settings\``)
  try {
    return Buffer.from(
      printHcl({ attributes: { ...Object.fromEntries(own), ...(p.settings as Body) } as Body, blocks }),
    )
  } catch (e) {
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}
