import {
  content,
  defineModule,
  entry,
  fail,
  type HclBlock,
  type HclValue,
  ownershipParams,
  type Params,
  placeFile,
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
  params,
  examples: `- vault_hcl:
    seal: { pkcs11: { lib: "<%= fx.library %>", slot: '0', key_label: hsm_demo, hmac_key_label: hsm_hmac_demo, generate_key: 'true' } }
    entropy: { seal: { mode: augmentation } }
    storage: { file: { path: /var/lib/vault } }
    listener: [{ tcp: { address: '127.0.0.1:8200', tls_disable: true } }]
    owner: vault
    group: vault`,
})({
  reads: (p) => ({ at: entry(p.path), now: content(p.path) }),
  plan: (p, { at, now }, { facts }) => {
    const bytes = print(p)
    if ('failed' in bytes) return bytes
    const steps = placeFile({ at, now, bytes, want: p, umask: facts.umask, backup: p.backup, secret: hasPin(p) })
    return 'failed' in steps ? steps : { steps, result: { path: p.path }, warnings: traps(p) }
  },
})

function print(p: P) {
  const blocks: HclBlock[] = []
  const labelled = (type: string, given: Readonly<Record<string, unknown>> | undefined) => {
    for (const [label, body] of Object.entries(given ?? {}))
      blocks.push({ type, labels: [label], body: { attributes: (body ?? {}) as Body, blocks: [] } })
  }
  for (const l of p.listener ?? []) labelled('listener', l)
  labelled('storage', p.storage)
  labelled('seal', p.seal)
  labelled('entropy', p.entropy)
  if (p.telemetry) blocks.push({ type: 'telemetry', labels: [], body: { attributes: p.telemetry as Body, blocks: [] } })
  for (const s of p.stanzas ?? [])
    blocks.push({ type: s.type, labels: s.labels ?? [], body: { attributes: (s.body ?? {}) as Body, blocks: [] } })
  const { api_addr, cluster_addr, ui, disable_mlock, plugin_directory } = p
  const own = Object.entries({ api_addr, cluster_addr, ui, disable_mlock, plugin_directory }).filter(
    ([, v]) => v !== undefined,
  )
  try {
    return Buffer.from(
      printHcl({ attributes: { ...Object.fromEntries(own), ...(p.settings as Body) } as Body, blocks }),
    )
  } catch (e) {
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}

const bodies = (given: Readonly<Record<string, unknown>> | undefined) =>
  Object.values(given ?? {}) as (Readonly<Record<string, unknown>> | undefined)[]

const hasPin = (p: P) => bodies(p.seal).some((b) => b?.pin !== undefined)

/** What the vendor's guide does for a test and nobody should for real. */
function traps(p: P): string[] {
  const found: string[] = []
  for (const body of bodies(p.storage)) {
    const path = String(body?.path ?? '')
    if (/^\/(var\/)?tmp(\/|$)/.test(path))
      found.push(
        `storage at ${path}: with PrivateTmp in the unit systemd removes it when the service stops, and every secret is lost`,
      )
  }
  for (const body of (p.listener ?? []).flatMap(bodies)) {
    const open = /^(0\.0\.0\.0|\[::\]|:)/.test(String(body?.address ?? ''))
    if (open && String(body?.tls_disable) === 'true')
      found.push(
        `the listener at ${body?.address} takes plain HTTP from everywhere: tokens and secrets cross the network in clear`,
      )
  }
  if (hasPin(p))
    found.push('the PIN stands in the file: give it as VAULT_HSM_PIN in an environment file that only root may read')
  return found
}
