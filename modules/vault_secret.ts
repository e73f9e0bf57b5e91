import {
  barePath,
  defineModule,
  type Failure,
  fail,
  isRefused,
  knownLocals,
  kvVersion,
  type Mounts,
  noSecret,
  type Params,
  type Refused,
  refusal,
  rightTo,
  type Secret,
  sameData,
  secretEffects,
  unaskable,
  type VaultServer,
  vaultLocals,
  vaultMounts,
  vaultParams,
  vaultSecret,
  vaultServer,
  vaultSettled,
  vaultStatus,
  vaultStep,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    path: { type: 'string', pattern: '[^/]', description: 'Where it is in its engine, as `app/db`.' },
    engine_mount_point: {
      type: 'string',
      default: 'secret',
      aliases: ['mount'],
      description: 'The path of the kv engine.',
    },
    version: {
      type: 'integer',
      enum: [1, 2],
      description: 'Of the engine; found out, where the token may list engines.',
    },
    data: {
      type: 'object',
      additionalProperties: true,
      secret: true,
      description: 'Its keys and values.',
    },
    patch: { type: 'boolean', default: false, description: 'Keys that `data` does not name stay as they are.' },
    cas: {
      type: 'integer',
      minimum: 0,
      description: 'It is written only where this is its version (0: there is none); a versioned engine only.',
    },
    state: {
      type: 'string',
      enum: ['present', 'absent'],
      default: 'present',
      description: 'Whether it is to be there.',
    },
    destroy: {
      type: 'boolean',
      default: false,
      description:
        'With `state: absent`, of a versioned engine: **all versions are lost**; otherwise the last is deleted and can be undeleted.',
    },
    ...vaultParams,
  },
  required: ['path'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_secret',
  summary: 'Keeps secrets in a kv engine of Vault and OpenBao, of version 1 and 2.',
  params,
  examples: `- vault_secret:
    engine_mount_point: kv
    path: app/db
    data: { user: app, password: "<%= db_password %>" }
- vault_secret: { engine_mount_point: kv, path: app/old, state: absent }`,
  notes: [
    "It is written only where it differs, always with check-and-set on a versioned engine: nobody else's write is lost.",
  ],
})({
  reads: (p, context, known) => {
    for (const value of leaves(p.data)) context.secret(value)
    const server = vaultServer(p, knownLocals(p, known), context)
    const mounts = server.token === undefined ? undefined : vaultMounts(server)
    const at = mounts && known(mounts)
    const version = at && versionIn(at, p)
    const usable = server.token !== undefined && typeof version === 'number'
    return {
      ...vaultLocals(p, known),
      status: vaultStatus(server),
      mounts,
      now: usable ? vaultSecret(server, mountOf(p), pathOf(p), version) : undefined,
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    if (p.state === 'present' && p.data === undefined) return fail('`data` is needed: what is to be there?')
    const no = unaskable(p, a, server)
    if (no) return no
    const version = versionIn(a.mounts!, p)
    if (typeof version !== 'number') return version
    if (isRefused(a.now)) return refusal(a.now)
    for (const value of leaves(a.now!.data)) context.secret(value)
    if (p.cas !== undefined && version === 1)
      return fail(`\`cas\` needs a versioned engine: ${mountOf(p)}/ is of version 1`)
    return p.state === 'absent' ? removed(p, server, version, a.now!) : written(p, server, version, a.now!)
  },
})

const mountOf = (p: P) => barePath(p.engine_mount_point)
const pathOf = (p: P) => barePath(p.path)

/** The values in it that are hidden wherever they come up. What is as short as a word of any text is not shown by this
 * module, and would hide too much elsewhere. */
function leaves(data: unknown): string[] {
  if (typeof data === 'object' && data !== null) return Object.values(data).flatMap(leaves)
  const [text, least] = [String(data), typeof data === 'string' ? 4 : 6]
  return typeof data === 'boolean' || text.length < least || /^(true|false|none|null)$/i.test(text) ? [] : [text]
}

function versionIn(mounts: Mounts | Refused, p: P): 1 | 2 | Failure {
  const mount = mountOf(p)
  if (isRefused(mounts) && mounts.lacks && p.version !== undefined) return p.version
  if (isRefused(mounts))
    return fail(mounts.refused, {
      hint: mounts.lacks ? "say the engine's `version`, which the token may not ask for" : (mounts.hint ?? ''),
    })
  const found = mounts.get(mount)
  if (!found)
    return fail(`no engine is mounted at ${mount}/`, { hint: `vault_mount: { path: ${mount}, type: kv, version: 2 }` })
  if (found.type !== 'kv' && found.type !== 'generic') return fail(`the engine at ${mount}/ is ${found.type}, not kv`)
  const version = kvVersion(found)
  if (p.version === undefined || p.version === version) return version
  return fail(`the engine at ${mount}/ is of version ${version}, not ${p.version}`, { hint: 'leave out `version`' })
}

function written(p: P, server: VaultServer, version: 1 | 2, now: Secret) {
  const data = p.patch ? { ...now.data, ...p.data } : p.data!
  const full = `${mountOf(p)}/${pathOf(p)}`
  const odd = inexact(data)
  if (odd !== undefined)
    return fail(`${full} can't be written: \`${odd}\` is no text or number that JSON keeps as it is`, {
      hint: 'a long number, or one that is none, needs quotes to be kept digit by digit',
    })
  if (version === 1 && Object.keys(data).length === 0)
    return fail(`${full} can't be empty: ${mountOf(p)}/ is of version 1`, { hint: '`state: absent` removes it' })
  if (sameData(now.data, data)) return { steps: [], result: resultOf(now, version) }
  if (p.cas !== undefined && p.cas !== now.version)
    return fail(`${full} is of version ${now.version}, not ${p.cas} (\`cas\`)`, {
      hint: 'somebody else has written it since',
    })
  const after: Secret = { data, version: version === 2 ? now.version + 1 : 0 }
  const summary = `${now.data === undefined ? 'write' : 'change'} ${full} (${Object.keys(data).join(', ')})`
  const step = vaultStep(
    summary,
    server,
    secretEffects(summary, { server, mount: mountOf(p), path: pathOf(p), version }, after),
    (ask) =>
      version === 2
        ? ask('POST', `${mountOf(p)}/data/${pathOf(p)}`, { data, options: { cas: now.version } })
        : ask('POST', full, data),
    {
      needs: rightTo(server, 'POST', version === 2 ? `${mountOf(p)}/data/${pathOf(p)}` : full),
      diff: { path: full, before: keysOf(now.data, data, 'before'), after: keysOf(data, now.data, 'after') },
    },
  )
  return { steps: [step], result: resultOf(after, version), settle: vaultSettled([step]) }
}

/** The place of a value that would be another one when it is read back. */
function inexact(value: unknown): string | undefined {
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const below = inexact(inner)
      if (below !== undefined) return below === '' ? key : `${key}.${below}`
    }
    return undefined
  }
  if (typeof value === 'string') return Buffer.from(value).toString() === value ? undefined : ''
  if (typeof value !== 'number') return undefined
  return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER && !Object.is(value, -0) ? undefined : ''
}

const resultOf = (secret: Secret, version: 1 | 2) => (version === 2 ? { version: secret.version } : {})

/** The keys alone: values are nobody's business. */
function keysOf(data: Secret['data'], other: Secret['data'], side: string): Buffer | undefined {
  if (data === undefined) return undefined
  const same = (key: string) => other !== undefined && key in other && sameData(other[key], data[key])
  const lines = Object.keys(data)
    .sort()
    .map((key) => `${key}: (${same(key) ? 'a secret' : `the secret ${side}`})\n`)
  return Buffer.from(lines.join(''))
}

function removed(p: P, server: VaultServer, version: 1 | 2, now: Secret) {
  const full = `${mountOf(p)}/${pathOf(p)}`
  const whole = version === 1 || p.destroy
  if (whole ? now.data === undefined && now.version === 0 : now.data === undefined) return { steps: [], result: {} }
  const after: Secret = whole ? noSecret : { data: undefined, version: now.version }
  const summary = `${whole && version === 2 ? 'destroy all versions of' : 'delete'} ${full}`
  const part = version === 1 ? '' : p.destroy ? 'metadata/' : 'data/'
  const at = `${mountOf(p)}/${part}${pathOf(p)}`
  const step = vaultStep(
    summary,
    server,
    secretEffects(summary, { server, mount: mountOf(p), path: pathOf(p), version }, after),
    (ask) => ask('DELETE', at),
    { needs: rightTo(server, 'DELETE', at) },
  )
  return { steps: [step], result: {}, settle: vaultSettled([step]) }
}
