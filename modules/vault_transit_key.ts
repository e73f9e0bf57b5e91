import {
  type Ask,
  barePath,
  defineModule,
  type Failure,
  fail,
  isRefused,
  keyEffects,
  knownLocals,
  type Mounts,
  type Params,
  parseDuration,
  type Refused,
  refusal,
  rightTo,
  type Step,
  type TransitKey,
  unaskable,
  type VaultServer,
  vaultKey,
  vaultLocals,
  vaultMounts,
  vaultParams,
  vaultServer,
  vaultSettled,
  vaultStatus,
  vaultStep,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    name: { type: 'string', pattern: '^\\w([\\w.-]*\\w)?$', description: 'Its name.' },
    engine_mount_point: {
      type: 'string',
      default: 'transit',
      aliases: ['mount'],
      description: 'The path of the transit engine.',
    },
    type: { type: 'string', description: "Its type; the server's own default is `aes256-gcm96`." },
    key_size: { type: 'integer', minimum: 1, description: 'Bytes, of `type: hmac`, which needs it.' },
    derived: { type: 'boolean', description: 'Each use derives a key of its own.' },
    convergent_encryption: {
      type: 'boolean',
      description: 'The same text gives the same ciphertext; needs `derived`.',
    },
    exportable: { type: 'boolean', description: 'It may be exported; once allowed, for ever.' },
    allow_plaintext_backup: {
      type: 'boolean',
      description: 'It may be backed up in the clear; once allowed, for ever.',
    },
    deletion_allowed: { type: 'boolean', description: 'It may be deleted.' },
    min_decryption_version: { type: 'integer', minimum: 1, description: 'Older versions decrypt nothing.' },
    min_encryption_version: {
      type: 'integer',
      minimum: 0,
      description: 'Older versions encrypt nothing; 0: only the newest does.',
    },
    auto_rotate_period: { type: ['string', 'integer'], description: 'As `720h`, or seconds; 0: never.' },
    state: {
      type: 'string',
      enum: ['present', 'absent'],
      default: 'present',
      description: 'Whether it is to be there.',
    },
    force: {
      type: 'boolean',
      default: false,
      description: 'With `state: absent`: **what it encrypted can never be read again.**',
    },
    ...vaultParams,
  },
  required: ['name'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_transit_key',
  summary: 'Keeps keys of a transit engine of Vault and OpenBao.',
  params,
  examples: `- vault_transit_key: { name: orders }
- vault_transit_key: { name: signing, type: ecdsa-p256, auto_rotate_period: 720h }`,
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    return {
      ...vaultLocals(p, known),
      status: vaultStatus(server),
      mounts: server.token === undefined ? undefined : vaultMounts(server),
      now: server.token === undefined ? undefined : vaultKey(server, mountOf(p), p.name),
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    const no = unaskable(p, a, server)
    if (no) return no
    if (p.auto_rotate_period !== undefined && rotation(p) === undefined)
      return fail(`\`auto_rotate_period\` is no duration: ${p.auto_rotate_period}`, { hint: 'as `720h`, or seconds' })
    if (rotation(p)! > 0 && rotation(p)! < 3600) return fail('`auto_rotate_period` has to be an hour at least, or 0')
    const wrong = wrongMount(a.mounts!, p)
    if (wrong) return p.state === 'absent' && wrong.absent ? { steps: [], result: { name: p.name } } : wrong
    if (isRefused(a.now)) return refusal(a.now)
    const now = a.now!
    const planned =
      p.state === 'absent'
        ? removed(p, server, now)
        : now.type === undefined
          ? made(p, server)
          : changed(p, server, now)
    return Array.isArray(planned)
      ? { steps: planned, result: { name: p.name }, settle: vaultSettled(planned) }
      : (planned as Failure)
  },
})

const mountOf = (p: P) => barePath(p.engine_mount_point)

/** A token that may not list engines may use one all the same. */
function wrongMount(mounts: Mounts | Refused, p: P): (Failure & { absent: boolean }) | undefined {
  if (isRefused(mounts)) return mounts.denied ? undefined : { ...refusal(mounts), absent: false }
  const mount = mountOf(p)
  const at = mounts.get(mount)
  if (at?.type === 'transit') return undefined
  if (at) return { ...fail(`the engine at ${mount}/ is ${at.type}, not transit`), absent: false }
  const hint = `vault_mount: { path: ${mount}, type: transit }`
  return { ...fail(`no engine is mounted at ${mount}/`, { hint }), absent: true }
}

const rotation = (p: P) => parseDuration(p.auto_rotate_period as string)

/** What can be set later too, under the server's names. */
function settings(p: P): Record<string, unknown> {
  const all = {
    deletion_allowed: p.deletion_allowed,
    exportable: p.exportable,
    allow_plaintext_backup: p.allow_plaintext_backup,
    min_decryption_version: p.min_decryption_version,
    min_encryption_version: p.min_encryption_version,
    auto_rotate_period: p.auto_rotate_period === undefined ? undefined : rotation(p),
  }
  return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined))
}

/** Versions come by rotation alone. */
function beyond(p: P, latest: unknown): Failure | undefined {
  for (const name of ['min_decryption_version', 'min_encryption_version'] as const)
    if (p[name] !== undefined && p[name] > Number(latest ?? 1))
      return fail(`\`${name}\` is ${p[name]}, and the newest version of the key ${p.name} is ${latest ?? 1}`)
  return undefined
}

function made(p: P, server: VaultServer): Step[] | Failure {
  if (p.convergent_encryption && !p.derived) return fail('`convergent_encryption` needs `derived: true`')
  const no = beyond(p, 1)
  if (no) return no
  const { derived = false, convergent_encryption = false, exportable = false, allow_plaintext_backup = false } = p
  const type = p.type ?? 'aes256-gcm96'
  const summary = `make key ${p.name} in ${mountOf(p)}/ (${type})`
  const { exportable: _, allow_plaintext_backup: __, auto_rotate_period, ...later } = settings(p)
  const after: TransitKey = {
    type,
    derived,
    exportable,
    allow_plaintext_backup,
    deletion_allowed: false,
    min_decryption_version: 1,
    min_encryption_version: 0,
    auto_rotate_period: 0,
    latest_version: 1,
    ...(convergent_encryption ? { convergent_encryption } : {}),
    ...(p.key_size === undefined ? {} : { key_size: p.key_size }),
    ...settings(p),
  }
  const { key_size } = p
  const body = {
    type,
    key_size,
    derived,
    convergent_encryption,
    exportable,
    allow_plaintext_backup,
    auto_rotate_period,
  }
  const at = `${mountOf(p)}/keys/${p.name}`
  const run = async (ask: Ask) => {
    const said = await ask('POST', at, body)
    return isRefused(said) || said.status >= 300 || Object.keys(later).length === 0
      ? said
      : ask('POST', `${at}/config`, later)
  }
  return [vaultStep(summary, server, effectsOf(summary, p, server, after), run, { needs: rightTo(server, 'POST', at) })]
}

const effectsOf = (summary: string, p: P, server: VaultServer, after: TransitKey) =>
  keyEffects(summary, { server, mount: mountOf(p), name: p.name }, after)

function changed(p: P, server: VaultServer, now: TransitKey): Step[] | Failure {
  const fixed = (['type', 'derived', 'convergent_encryption'] as const).flatMap((name) => {
    const is = now[name] ?? false
    return p[name] !== undefined && p[name] !== is ? [`\`${name}\` is ${is}, not ${p[name]}`] : []
  })
  if (p.key_size !== undefined && now.key_size !== undefined && p.key_size !== now.key_size)
    fixed.push(`\`key_size\` is ${now.key_size}, not ${p.key_size}`)
  const kept = (['exportable', 'allow_plaintext_backup'] as const).flatMap((name) =>
    p[name] === false && now[name] === true ? [`\`${name}\` can't be taken back`] : [],
  )
  if (fixed.length + kept.length > 0)
    return fail(`the key ${p.name} can't be changed so: ${[...fixed, ...kept].join('; ')}`, {
      hint: 'use another name, or remove the key (`state: absent`, `force: true`) and with it what it encrypted',
    })
  const body = Object.fromEntries(Object.entries(settings(p)).filter(([name, value]) => now[name] !== value))
  const no = beyond(p, now.latest_version)
  if (no) return no
  if (Object.keys(body).length === 0) return []
  const summary = `change key ${p.name} in ${mountOf(p)}/: ${Object.keys(body).join(', ')}`
  const effects = effectsOf(summary, p, server, { ...now, ...body })
  const at = `${mountOf(p)}/keys/${p.name}/config`
  return [vaultStep(summary, server, effects, (ask) => ask('POST', at, body), { needs: rightTo(server, 'POST', at) })]
}

function removed(p: P, server: VaultServer, now: TransitKey): Step[] | Failure {
  if (now.type === undefined) return []
  if (!p.force)
    return fail(`the key ${p.name} is there, and what it encrypted could never be read again`, {
      hint: 'if it may be: `force: true`',
    })
  const summary = `delete key ${p.name} of ${mountOf(p)}/`
  const at = `${mountOf(p)}/keys/${p.name}`
  const run = async (ask: Ask) => {
    const said =
      now.deletion_allowed === true ? undefined : await ask('POST', `${at}/config`, { deletion_allowed: true })
    return said && (isRefused(said) || said.status >= 300) ? said : ask('DELETE', at)
  }
  return [vaultStep(summary, server, effectsOf(summary, p, server, {}), run, { needs: rightTo(server, 'DELETE', at) })]
}
