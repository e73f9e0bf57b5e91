import {
  content,
  type DataPlace,
  defineModule,
  entry,
  fail,
  type HclBlock,
  type HclValue,
  leftBehind,
  notTaken,
  ownershipParams,
  type Params,
  placeFile,
  placeIn,
  placeOfBlocks,
  printHcl,
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
      required: ['product'],
      additionalProperties: false,
      description:
        'Who will read it, as vault_install tells of the program: a stanza or a setting that it would ignore is a failure. OpenBao’s, whose `path` is given, looks at the new file before that takes its place.',
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
    return { at: entry(p.path), now, before: marked(before), after: marked(after) }
  },
  plan: (p, { at, now, ...marks }, { facts, secret }) => {
    if (now.denied) return fail(`${p.path} may not be read by ${facts.user}`, { hint: '`become: true`' })
    const stanzas = stanzasOf(p)
    if ('failed' in stanzas) return stanzas
    const wrong =
      p.program &&
      notTaken(
        { product: p.program.product, edition: p.program.edition ?? '', release: p.program.release },
        [...stanzas, ...objectsOf(p)],
        p.disable_mlock ?? (p.settings?.disable_mlock as boolean | undefined),
      )
    if (wrong?.length) return fail(wrong.join('; '), { hint: 'leave it out, or install a program that has it' })
    const [before, after] = placesOf(p, now.bytes)
    const left = leftBehind(
      before,
      after,
      (place) => (place === before ? marks.before : marks.after)?.stat !== undefined,
    )
    if (left) return left
    const bytes = print(p, stanzas)
    if ('failed' in bytes) return bytes
    const secrets = stanzas.flatMap((s) => secretsIn(s.body.attributes)).concat(secretsIn((p.settings ?? {}) as Body))
    for (const value of secrets) secret(value)
    const steps = placeFile({
      at,
      now,
      bytes,
      want: { owner: p.owner, group: p.group, mode: p.mode },
      umask: facts.umask,
      backup: p.backup,
      validate: p.program?.product === 'OpenBao' && p.program.path ? validation(p.program.path) : undefined,
      // what was there may hold another one
      secret: secrets.length > 0 || secretName.test(now.bytes?.toString('latin1') ?? ''),
    })
    return 'failed' in steps ? steps : { steps, result: { path: p.path }, warnings: traps(stanzas) }
  },
})

/** Where the data are, and where they are to be. */
function placesOf(p: P, now: Buffer | undefined): [DataPlace | undefined, DataPlace | undefined] {
  const stanzas = stanzasOf(p)
  return [now && placeIn(now.toString('utf8')), 'failed' in stanzas ? undefined : placeOfBlocks(stanzas)]
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

const secretName = /\b(\w*_)?(pin|password|token|secret|secret_key|access_key|client_secret)"?\s*[=:]/i

/** Values that nobody is to see, however deep. */
function secretsIn(value: HclValue, name = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((v) => secretsIn(v, name))
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, v]) => secretsIn(v as HclValue, key))
  return secretName.test(`${name} =`) && value !== undefined && value !== null ? [String(value)] : []
}

/** What stands in `settings` as an object is a stanza to whoever reads it. */
const objectsOf = ({ settings = {} }: P): HclBlock[] =>
  Object.entries(settings).flatMap(([type, value]) =>
    typeof value === 'object' && value !== null
      ? [{ type, labels: Object.keys(value).slice(0, 1), body: { attributes: firstOf(value), blocks: [] } }]
      : [],
  )

/** The settings below its label, where it has one. */
function firstOf(value: object): Body {
  const first = Object.values(value)[0]
  return typeof first === 'object' && first !== null ? first : {}
}

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
  if (wrong.length > 0)
    return fail(`\`${wrong[0]}\` has to be a mapping of settings`, { hint: 'as in `storage: { file: { path: … } }`' })
  return blocks
}

function print(p: P, blocks: readonly HclBlock[]) {
  const { api_addr, cluster_addr, ui, disable_mlock, plugin_directory } = p
  const own = Object.entries({ api_addr, cluster_addr, ui, disable_mlock, plugin_directory }).filter(
    ([, v]) => v !== undefined,
  )
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

/** What the vendor's guide does for a test and nobody should for real. */
function traps(stanzas: readonly HclBlock[]): string[] {
  const found: string[] = []
  const bodies = (...types: string[]) => stanzas.filter((s) => types.includes(s.type)).map((s) => s.body.attributes)
  for (const { path } of bodies('storage', 'ha_storage', 'backend'))
    if (/^\/(var\/)?tmp(\/|$)/.test(String(path ?? '')))
      found.push(
        `storage at ${path}: with PrivateTmp in the unit systemd removes it when the service stops, and every secret is lost`,
      )
  for (const { address, tls_disable } of bodies('listener')) {
    const open = /^(0\.0\.0\.0|\[?::\]?|\*)?(:\d+)?$/.test(String(address ?? '-'))
    if (open && /^(1|t|true)$/i.test(String(tls_disable)))
      found.push(
        `the listener at ${address} takes plain HTTP from everywhere: tokens and secrets cross the network in clear`,
      )
  }
  if (bodies('seal').some((b) => b.pin !== undefined && !/^(file|env):\/\//.test(String(b.pin))))
    found.push('the PIN stands in the file: give it as VAULT_HSM_PIN in an environment file that only root may read')
  return found
}
