import {
  barePath,
  defineModule,
  type Failure,
  fail,
  isRefused,
  knownLocals,
  type Mount,
  type MountConfig,
  mountChange,
  mountEffects,
  noEntropy,
  noSealWrap,
  oddPath,
  type Params,
  parseDuration,
  refusal,
  type Step,
  unaskable,
  type VaultFeatures,
  type VaultServer,
  type VaultStatus,
  vaultContents,
  vaultFeatures,
  vaultLocals,
  vaultMounts,
  vaultParams,
  vaultServer,
  vaultSettled,
  vaultStatus,
} from '../src/module.ts'

const texts = { type: 'array', items: { type: 'string' } } as const
const duration = { type: ['string', 'integer'] } as const

const params = {
  type: 'object',
  properties: {
    path: { type: 'string', pattern: '[^/]', description: 'Where it is mounted, as `kv` or `team/kv`.' },
    type: { type: 'string', description: 'Its type, as `kv`, `transit`, `pki`; with `auth` as `approle`, `userpass`.' },
    auth: { type: 'boolean', default: false, description: 'It is an auth method, not a secrets engine.' },
    state: {
      type: 'string',
      enum: ['present', 'absent'],
      default: 'present',
      description: 'Whether it is to be there.',
    },
    version: { type: 'integer', enum: [1, 2], description: 'Of a `kv`; 1 can become 2, and never back.' },
    options: { type: 'object', additionalProperties: { type: 'string' }, description: 'Other options of its type.' },
    description: { type: 'string', description: 'A description.' },
    seal_wrap: {
      type: 'boolean',
      description:
        'All in it is encrypted once more by the seal: Vault Enterprise. Where the server would not, it fails.',
    },
    external_entropy_access: {
      type: 'boolean',
      description: 'It takes randomness from the seal: Vault Enterprise. Where the server would not, it fails.',
    },
    local: { type: 'boolean', description: 'It is not replicated to other clusters.' },
    default_lease_ttl: { ...duration, description: 'As `1h`, or seconds; 0 is what the server has for all.' },
    max_lease_ttl: { ...duration, description: 'Likewise.' },
    listing_visibility: {
      type: 'string',
      enum: ['hidden', 'unauth'],
      description: 'Whether it is listed to who has no token.',
    },
    token_type: {
      type: 'string',
      enum: ['default-service', 'default-batch', 'service', 'batch'],
      description: 'Of an auth method: which tokens it gives.',
    },
    audit_non_hmac_request_keys: { ...texts, description: 'What audit devices show of requests as it is.' },
    audit_non_hmac_response_keys: { ...texts, description: 'What audit devices show of answers as it is.' },
    passthrough_request_headers: { ...texts, description: 'Headers that are handed on to it.' },
    allowed_response_headers: { ...texts, description: 'Headers that it may set.' },
    recreate: {
      type: 'boolean',
      default: false,
      description:
        'What is wrong and can be set only when it is made is set by making it anew: **all that is in it is lost.**',
    },
    force: { type: 'boolean', default: false, description: 'With `state: absent`: **all that is in it is lost.**' },
    ...vaultParams,
  },
  required: ['path'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_mount',
  summary: 'Mounts and tunes secrets engines and auth methods of Vault and OpenBao.',
  params,
  examples: `- vault_mount: { path: kv, type: kv, version: 2, max_lease_ttl: 768h }
- vault_mount: { path: kv-seal-wrapped, type: kv, version: 1, seal_wrap: true }
- vault_mount: { path: approle, type: approle, auth: true }
- vault_mount: { path: old, state: absent, force: true }`,
  notes: [
    'Vault Enterprise, which alone has seal wrap and external entropy, was not there to be tried: how it shows that it has them is taken from its documentation.',
  ],
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    const mounts = server.token === undefined ? undefined : vaultMounts(server, p.auth)
    const at = mounts && known(mounts)
    const now = at && !isRefused(at) ? at.get(pathOf(p)) : undefined
    const loses = p.state === 'absent' || p.recreate || (now !== undefined && createOnly(p, now).length > 0)
    const asksMore = server.token !== undefined && (p.seal_wrap || p.external_entropy_access)
    return {
      ...vaultLocals(p, known),
      status: vaultStatus(server),
      mounts,
      features: asksMore
        ? vaultFeatures(server, now?.type === 'transit' && now.externalEntropy ? pathOf(p) : undefined)
        : undefined,
      contents: mounts && loses ? vaultContents(server, pathOf(p), p.auth) : undefined,
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    const no = wrongParams(p) ?? unaskable(p, a, server)
    if (no) return no
    if (isRefused(a.mounts)) return refusal(a.mounts)
    const path = pathOf(p)
    const now = a.mounts!.get(path)
    const held = a.contents && !isRefused(a.contents) ? a.contents : []
    if (p.state === 'absent') return now ? absent(p, server, now, held) : { steps: [], result: { path } }
    const bad = isRefused(a.features) ? refusal(a.features) : ignored(p, a.status as VaultStatus, a.features)
    if (bad) return bad
    if (now) return present(p, server, now, held)
    const other = [...a.mounts!.keys()].find((at) => at.startsWith(`${path}/`) || path.startsWith(`${at}/`))
    return other === undefined
      ? made(p, server)
      : fail(`nothing can be mounted at ${path}/: ${other}/ is there`, { hint: 'no mount can be inside another one' })
  },
})

const pathOf = ({ path }: P) => barePath(path)

/** `kv-v2` is a kv with a version. */
function typeOf({ type }: P): string | undefined {
  return type?.replace(/^kv-v[12]$/, 'kv')
}

function versionOf({ type, version }: P): string | undefined {
  const named = /^kv-v([12])$/.exec(type ?? '')?.[1]
  return version === undefined ? named : String(version)
}

function wrongParams(p: P): Failure | undefined {
  const odd = oddPath(pathOf(p))
  if (odd !== undefined) return fail(odd)
  if (p.state === 'present' && p.type === undefined) return fail('`type` is needed: what is to be mounted there?')
  for (const name of ['default_lease_ttl', 'max_lease_ttl'] as const)
    if (p[name] !== undefined && parseDuration(p[name] as string) === undefined)
      return fail(`\`${name}\` is no duration: ${p[name]}`, { hint: 'as `1h30m`, or seconds' })
  const { default_lease_ttl: usual = 0, max_lease_ttl: most = 0 } = configOf(p)
  if (most > 0 && usual > most) return fail('`default_lease_ttl` is longer than `max_lease_ttl`')
  if (p.token_type !== undefined && !p.auth) return fail('`token_type` is of auth methods: it needs `auth: true`')
  if (versionOf(p) !== undefined && typeOf(p) !== 'kv' && p.type !== undefined)
    return fail('`version` is of `type: kv` only')
  return undefined
}

/** What this server would say and not do. */
function ignored(p: P, status: VaultStatus, features: VaultFeatures | undefined): Failure | undefined {
  if (!features) return undefined
  const why =
    (p.seal_wrap ? noSealWrap(status, features) : undefined) ??
    (p.external_entropy_access ? noEntropy(status, features) : undefined)
  return why === undefined
    ? undefined
    : fail(why, { hint: 'leave it out, or use Vault Enterprise with an HSM as its seal' })
}

function configOf(p: P): MountConfig {
  const ttl = (value: string | number | undefined) => (value === undefined ? undefined : parseDuration(value)!)
  const all = {
    default_lease_ttl: ttl(p.default_lease_ttl as string | undefined),
    max_lease_ttl: ttl(p.max_lease_ttl as string | undefined),
    listing_visibility: p.listing_visibility,
    token_type: p.token_type,
    audit_non_hmac_request_keys: p.audit_non_hmac_request_keys,
    audit_non_hmac_response_keys: p.audit_non_hmac_response_keys,
    passthrough_request_headers: p.passthrough_request_headers,
    allowed_response_headers: p.allowed_response_headers,
  }
  return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined))
}

function optionsOf(p: P): Record<string, string> {
  const version = versionOf(p)
  return { ...p.options, ...(version === undefined ? {} : { version }) }
}

/** What differs and can be set only when it is made: in words, both values. */
function createOnly(p: P, now: Mount): string[] {
  const found: string[] = []
  const note = (name: string, want: unknown, is: unknown) => {
    if (want !== undefined && want !== is) found.push(`\`${name}\` is ${is}, not ${want}`)
  }
  note('type', typeOf(p), now.type)
  note('local', p.local, now.local)
  note('seal_wrap', p.seal_wrap, now.sealWrap)
  note('external_entropy_access', p.external_entropy_access, now.externalEntropy)
  if (versionOf(p) === '1' && now.type === 'kv') note('version', '1', now.options.version ?? '1')
  for (const [name, value] of Object.entries(p.options ?? {}))
    note(`options.${name}`, value, now.options[name] ?? 'not set')
  return found
}

function made(p: P, server: VaultServer) {
  const path = pathOf(p)
  const after: Mount = {
    type: typeOf(p)!,
    description: p.description ?? '',
    options: optionsOf(p),
    local: p.local ?? false,
    sealWrap: p.seal_wrap ?? false,
    externalEntropy: p.external_entropy_access ?? false,
    config: shown(configOf(p), {}),
    uuid: undefined,
  }
  const summary = `mount ${p.auth ? 'the auth method ' : ''}${after.type} at ${path}/${marks(p)}`
  const body = {
    type: after.type,
    description: after.description,
    options: after.options,
    local: after.local,
    seal_wrap: after.sealWrap,
    external_entropy_access: after.externalEntropy,
    config: configOf(p),
  }
  const effects = mountEffects(summary, { server, auth: p.auth }, path, after, true)
  const steps = [mountChange(summary, server, { auth: p.auth, path, verb: 'make', body }, effects)]
  return { steps, result: { path }, settle: vaultSettled(steps) }
}

const marks = (p: P) => {
  const words = [
    ...(versionOf(p) === undefined ? [] : [`version ${versionOf(p)}`]),
    ...(p.seal_wrap ? ['seal wrap'] : []),
    ...(p.external_entropy_access ? ['external entropy'] : []),
  ]
  return words.length === 0 ? '' : ` (${words.join(', ')})`
}

/** What a server shows of what is set: what is empty, and what is so anyway, it may leave out. */
function shown(set: MountConfig, before: MountConfig): MountConfig {
  const isEmpty = (value: unknown) => value === 'hidden' || (Array.isArray(value) && value.length === 0)
  return Object.fromEntries(Object.entries({ ...before, ...set }).filter(([, value]) => !isEmpty(value)))
}

/** What every server has once, under a type that nothing else is of. */
const isOwn = ({ type }: Mount) => /^(ns_)?(system|identity|cubbyhole|token)$/.test(type)

function absent(p: P, server: VaultServer, now: Mount, held: readonly string[]) {
  const path = pathOf(p)
  if (isOwn(now)) return fail(`${path}/ is the server's own and can't be removed`)
  if (!p.force)
    return fail(`${path}/ is there, and all that is in it would be lost${lossText(held)}`, {
      hint: 'if it may be: `force: true`',
    })
  const step = dropped(p, server)
  return { steps: [step], result: { path }, settle: vaultSettled([step]), warnings: lossWarnings(path, held) }
}

function dropped(p: P, server: VaultServer): Step {
  const path = pathOf(p)
  const summary = `unmount ${path}/, with all that is in it`
  const effects = mountEffects(summary, { server, auth: p.auth }, path, undefined, true)
  return mountChange(summary, server, { auth: p.auth, path, verb: 'remove' }, effects)
}

function lossText(held: readonly string[]): string {
  if (held.length === 0) return ''
  return `: ${held.slice(0, 10).join(', ')}${held.length > 10 ? ` and ${held.length - 10} more` : ''}`
}

function lossWarnings(path: string, held: readonly string[]): string[] {
  return held.length === 0 ? [] : [`what is in ${path}/ is lost${lossText(held)}`]
}

function present(p: P, server: VaultServer, now: Mount, held: readonly string[]) {
  const path = pathOf(p)
  const wrong = createOnly(p, now)
  if (wrong.length > 0 && isOwn(now))
    return fail(`${path}/ is the server's own and stays as it is: ${wrong.join('; ')}`)
  if (wrong.length > 0 && !p.recreate)
    return fail(`${path}/ can't be changed so: ${wrong.join('; ')}`, {
      hint: `it would have to be made anew, and all that is in it would be lost${lossText(held)}; if it may be: \`recreate: true\``,
    })
  if (wrong.length > 0) {
    const anew = made(p, server)
    const steps = [dropped(p, server), ...anew.steps]
    return { ...anew, steps, settle: vaultSettled(steps), warnings: lossWarnings(path, held) }
  }
  return tuned(p, server, now)
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

function tuned(p: P, server: VaultServer, now: Mount) {
  const path = pathOf(p)
  const unset: MountConfig = { listing_visibility: 'hidden', default_lease_ttl: 0, max_lease_ttl: 0 }
  const is = (name: string) => {
    const key = name as keyof MountConfig
    return now.config[key] === '' ? unset[key] : (now.config[key] ?? unset[key] ?? [])
  }
  const config = Object.fromEntries(Object.entries(configOf(p)).filter(([name, value]) => !isSame(value, is(name))))
  const upgrade = versionOf(p) === '2' && now.type === 'kv' && now.options.version !== '2'
  const words = [
    ...(p.description === undefined || p.description === now.description ? [] : ['description']),
    ...(upgrade ? ['version 2'] : []),
    ...Object.keys(config),
  ]
  if (words.length === 0) return { steps: [], result: { path } }
  const after: Mount = {
    ...now,
    description: p.description ?? now.description,
    options: upgrade ? { ...now.options, version: '2' } : now.options,
    config: shown(config, now.config),
  }
  const body = {
    ...config,
    ...(p.description === undefined ? {} : { description: p.description }),
    ...(upgrade ? { options: { version: '2' } } : {}),
  }
  const summary = `tune ${path}/: ${words.join(', ')}`
  const effects = mountEffects(summary, { server, auth: p.auth }, path, after, false, upgrade)
  const steps = [mountChange(summary, server, { auth: p.auth, path, verb: 'tune', body }, effects)]
  return { steps, result: { path }, settle: vaultSettled(steps) }
}
