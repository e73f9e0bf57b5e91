import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { type Bao, baoSuite } from './bao.ts'
import { apply, converges, lines, playOf } from './tasks.ts'

// What is kept in a server: secrets, policies, keys.

const mounts = [
  { vault_mount: { path: 'kv', type: 'kv', version: 2 } },
  { vault_mount: { path: 'plain', type: 'kv', version: 1 } },
  { vault_mount: { path: 'transit', type: 'transit' } },
]
const secret = (params: object) => ({ vault_secret: { engine_mount_point: 'kv', ...params } })

/** All of it in one pass: what is mounted by one task is seen by the next before it is there. */
async function fromNothing(bao: Bao): Promise<void> {
  const tasks = [
    ...mounts,
    secret({ path: 'app/db', data: { user: 'app', password: 'canary-one', port: 5432 } }),
    { vault_secret: { mount: 'plain', path: 'a', data: { x: 'canary-two' } } },
    { vault_policy: { name: 'App', policy: 'path "kv/data/app/*" {\n  capabilities = ["read"]\n}\n' } },
    { vault_policy: { name: 'second', policy: 'path "x/*" { capabilities = ["list"] }' } },
    { vault_transit_key: { name: 'orders' } },
    { vault_transit_key: { name: 'signing', type: 'ecdsa-p256', auto_rotate_period: '720h', deletion_allowed: true } },
  ]
  const text = playOf(bao, tasks)
  assert.equal(await converges(bao, tasks), [
    'changed mount kv at kv/ (version 2)',
    'changed mount kv at plain/ (version 1)',
    'changed mount transit at transit/',
    'changed write kv/app/db (user, password, port)',
    'changed write plain/a (x)',
    'changed make policy app',
    'changed make policy second',
    'changed make key orders in transit/ (aes256-gcm96)',
    'changed make key signing in transit/ (ecdsa-p256)',
  ])
  const at = (await bao.ask('GET', 'kv/data/app/db')).data.data
  assert.equal(at.data, { user: 'app', password: 'canary-one', port: 5432 })
  assert.equal((await bao.ask('GET', 'plain/a')).data.data, { x: 'canary-two' })
  const again = await run('apply', text, { diff: true })
  assert.not.match(JSON.stringify(again.events), /canary/)
}

async function secrets(bao: Bao): Promise<void> {
  await apply(bao, mounts)
  const data = { a: 'canary-a', b: { c: ['canary-c', 1] } }
  assert.equal(await converges(bao, [secret({ path: 's', data })]), ['changed write kv/s (a, b)'])
  assert.equal(await converges(bao, [secret({ path: 's', data: { d: 'new' }, patch: true, cas: 1 })]), [
    'changed change kv/s (a, b, d)',
  ])
  assert.equal((await bao.ask('GET', 'kv/data/s')).data.data.data, { ...data, d: 'new' })
  const old = (await apply(bao, [secret({ path: 's', data, cas: 1 })])).tasks[0]!
  assert.match(old.message!, /kv\/s is of version 2, not 1 \(`cas`\)/)
  const diff = await run('check', playOf(bao, [secret({ path: 's', data: { a: 'other', d: 'new' } })]), { diff: true })
  assert.match(
    diff.tasks[0]!.diff!,
    /-a: \(the secret before\)\n-b: \(the secret before\)\n\+a: \(the secret after\)\n d: \(a secret\)/,
  )
  assert.not.match(JSON.stringify(diff.events), /canary/)
  assert.equal(await converges(bao, [secret({ path: 's', state: 'absent' })]), ['changed delete kv/s'])
  assert.is((await bao.ask('GET', 'kv/data/s')).data.data.metadata.version, 2)
  assert.equal(await converges(bao, [secret({ path: 's', data })]), ['changed write kv/s (a, b)'])
  assert.equal(await converges(bao, [secret({ path: 's', state: 'absent', destroy: true })]), [
    'changed destroy all versions of kv/s',
  ])
  assert.is((await bao.ask('GET', 'kv/metadata/s')).status, 404)
  const plain = (more: object) => ({ vault_secret: { mount: 'plain', path: 'p q/r', ...more } })
  assert.equal(await converges(bao, [plain({ data })]), ['changed write plain/p q/r (a, b)'])
  assert.equal(await converges(bao, [plain({ state: 'absent' })]), ['changed delete plain/p q/r'])
  const why = async (params: object) => {
    const { message, hint } = (await apply(bao, [secret({ path: 'x', data: {}, ...params })])).tasks[0]!
    return `${message} | ${hint}`
  }
  assert.match(
    await why({ mount: undefined, engine_mount_point: 'no/where' }),
    /no engine is mounted at no\/where\/ \| vault_mount/,
  )
  assert.match(await why({ engine_mount_point: 'transit' }), /the engine at transit\/ is transit, not kv/)
  assert.match(await why({ engine_mount_point: 'plain', cas: 1 }), /`cas` needs a versioned engine/)
  assert.match(await why({ engine_mount_point: 'plain' }), /plain\/x can't be empty/)
}

/** What is read back is what was written, or it is not written. */
async function oddSecrets(bao: Bao): Promise<void> {
  await apply(bao, mounts)
  const long = `canary-${'long'.repeat(25_000)}`
  const data = { none: null, in: { none: null, list: [null, 1.5, false] }, '': '', long, text: `\${x} \u0000"'` }
  assert.equal(await converges(bao, [secret({ path: 'odd', data })]), ['changed write kv/odd (none, in, , long, text)'])
  assert.equal((await bao.ask('GET', 'kv/data/odd')).data.data.data, data)
  const why = async (params: object) => {
    const text = playOf(bao, [secret({ path: 'odd', ...params })])
    const [checked, applied] = [await run('check', text), await run('apply', text)]
    assert.equal(lines(checked), lines(applied))
    return applied.tasks[0]!.message!
  }
  for (const number of ['12345678901234567890', '.nan', '-.inf', '-0'])
    assert.match(await ofNumber(bao, number), /`a\.n` is no text or number/)
  assert.match(await why({ data: { half: 'half\ud800' } }), /`half` is no text or number/)
  await fetch(`${bao.address}/v1/kv/data/theirs`, {
    method: 'POST',
    headers: { 'x-vault-token': bao.rootToken },
    body: '{"data":{"n":12345678901234567890}}',
  })
  assert.match(await why({ path: 'theirs', data: { a: '1' }, patch: true }), /`n` is no text or number/)
  for (const path of ['a//b', 'a/../b', './a', '..'])
    assert.match(await why({ path, data: { a: '1' } }), /is no path of a server/)
}

async function ofNumber(bao: Bao, number: string): Promise<string> {
  const text = playOf(bao, [secret({ path: 'odd', data: { a: { n: 'NUMBER' } } })]).replace('"NUMBER"', number)
  return (await run('apply', text)).tasks[0]!.message!
}

/** What was asked of an engine of version 1 says nothing of what is written when it is of version 2. */
async function turned(bao: Bao): Promise<void> {
  const mount = (more: object) => ({ vault_mount: { path: 'turned', type: 'kv', ...more } })
  const ran = await apply(bao, [
    mount({}),
    // a failure ends a pass: the secret is asked for while the engine is of version 1
    { ...mount({ type: 'transit' }), ignore_errors: true },
    mount({ version: 2 }),
    { vault_secret: { mount: 'turned', path: 's', data: { a: '1' } } },
  ])
  assert.equal(
    ran.tasks.map((t) => [t.status, ...t.changes]),
    [
      ['changed', 'mount kv at turned/'],
      ['failed'],
      ['changed', 'tune turned/: version 2'],
      ['changed', 'write turned/s (a)'],
    ],
  )
  assert.equal((await bao.ask('GET', 'turned/data/s')).data.data.data, { a: '1' })
}

/** A token that may only what its policy says: it can't list engines. */
async function narrow(bao: Bao): Promise<void> {
  await apply(bao, mounts)
  await bao.ask('PUT', 'sys/policies/acl/narrow', {
    policy: 'path "kv/data/*" { capabilities = ["read", "create", "update"] }',
  })
  const token = (await bao.ask('POST', 'auth/token/create', { policies: ['narrow'] })).data.auth.client_token
  const task = (more: object) => [secret({ path: 'n', data: { a: '1' }, token, ...more })]
  const blind = (await apply(bao, task({}))).tasks[0]!
  assert.match(
    `${blind.message} | ${blind.hint}`,
    /denies the token `read` on sys\/mounts \| say the engine's `version`/,
  )
  assert.equal(lines(await apply(bao, task({ version: 2 }))), ['changed write kv/n (a)'])
  assert.equal(lines(await apply(bao, task({ version: 2 }))), ['ok'])
  // who may look is told before anything is written
  const wrong = (await apply(bao, [secret({ path: 'n', data: { a: '2' }, version: 1 })])).tasks[0]!
  assert.match(`${wrong.message} | ${wrong.hint}`, /^the engine at kv\/ is of version 2, not 1 \| leave out `version`/)
  assert.equal(lines(await apply(bao, task({ version: 2 }))), ['ok'])
}

async function policies(bao: Bao): Promise<void> {
  const policy = (params: object) => ({ vault_policy: { name: 'p', ...params } })
  assert.equal(await converges(bao, [policy({ policy: 'path "a" { capabilities = ["read"] }' })]), [
    'changed make policy p',
  ])
  assert.equal(await converges(bao, [policy({ policy: 'path "b" { capabilities = ["read"] }' })]), [
    'changed change policy p',
  ])
  const bad = (await apply(bao, [policy({ policy: 'path "b {' })])).tasks[0]!
  assert.match(bad.message!, /change policy p: http.* answers 400: failed to parse policy/)
  assert.equal(await converges(bao, [policy({ state: 'absent' })]), ['changed remove policy p'])
  const spaced = { name: '/Team/A b%41?', policy: 'path "b" { capabilities = ["read"] }' }
  assert.match((await apply(bao, [policy(spaced)])).tasks[0]!.message!, /is no path of a server/)
  assert.equal(await converges(bao, [policy({ ...spaced, name: 'Team/A b%41?' })]), [
    'changed make policy team/a b%41?',
  ])
  assert.match((await apply(bao, [policy({ policy: '' })])).tasks[0]!.message!, /the text of the policy is empty/)
  const root = (await apply(bao, [policy({ name: 'root', policy: 'x' })])).tasks[0]!
  assert.match(root.message!, /server's own/)
}

async function keys(bao: Bao): Promise<void> {
  await apply(bao, mounts)
  const key = (params: object) => ({ vault_transit_key: { name: 'k', ...params } })
  const wanted = { type: 'aes256-gcm96', derived: true, convergent_encryption: true, min_encryption_version: 1 }
  assert.equal(await converges(bao, [key(wanted)]), ['changed make key k in transit/ (aes256-gcm96)'])
  assert.equal(await converges(bao, [key({ exportable: true, auto_rotate_period: 7200 })]), [
    'changed change key k in transit/: exportable, auto_rotate_period',
  ])
  const no = (await apply(bao, [key({ type: 'rsa-2048', derived: false, exportable: false })])).tasks[0]!
  assert.is(
    no.message,
    "the key k can't be changed so: `type` is aes256-gcm96, not rsa-2048; `derived` is true, not false; `exportable` can't be taken back",
  )
  const kept = (await apply(bao, [key({ state: 'absent' })])).tasks[0]!
  assert.match(kept.message!, /what it encrypted could never be read again/)
  assert.equal(await converges(bao, [key({ state: 'absent', force: true })]), ['changed delete key k of transit/'])
  for (const [params, why] of [
    [{ min_decryption_version: 2 }, /`min_decryption_version` is 2, and the newest version of the key k is 1/],
    [{ auto_rotate_period: '30m' }, /an hour at least/],
    [{ convergent_encryption: true }, /needs `derived: true`/],
  ] as const)
    assert.match((await apply(bao, [key(params)])).tasks[0]!.message!, why)
  assert.is((await bao.ask('GET', 'transit/keys/k')).status, 404)
  assert.equal(await converges(bao, [key({ name: 'mac', type: 'hmac', key_size: 48 })]), [
    'changed make key mac in transit/ (hmac)',
  ])
  const other = (await apply(bao, [key({ name: 'mac', type: 'hmac', key_size: 32 })])).tasks[0]!
  assert.match(other.message!, /`key_size` is 48, not 32/)
  const bad = (await apply(bao, [key({ type: 'nope' })])).tasks[0]!
  assert.match(bad.message!, /answers 400: unknown key type nope/)
}

baoSuite(
  ['2.7.2', '2.6.2'],
  [
    ['all of it from nothing, in one pass', fromNothing],
    ['secrets of both versions', secrets],
    ['secrets that are not read back as they are written', oddSecrets],
    ['an engine that becomes versioned, and is written to in the same run', turned],
    ['a token that may little', narrow],
    ['policies', policies],
    ['transit keys', keys],
  ],
)
