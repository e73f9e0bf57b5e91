import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Ran, run } from '../engine/scratch.ts'
import { type Bao, baoSuite, startBao } from './bao.ts'
import { playOf, type Task } from './tasks.ts'

// Tokens that a server does not know, or that may less than is asked of them: what each module says, in check and in apply.

async function tokenWith(bao: Bao, rules: Readonly<Record<string, readonly string[]>>, more: object = {}) {
  const policy = Object.entries(rules).map(([path, c]) => `path "${path}" { capabilities = ${JSON.stringify(c)} }`)
  const name = `p${Object.keys(rules).join('').replace(/\W/g, '')}`.toLowerCase()
  assert.ok((await bao.ask('PUT', `sys/policies/acl/${name}`, { policy: policy.join('\n') })).status < 300)
  return (await bao.ask('POST', 'auth/token/create', { policies: [name], ...more })).data.auth.client_token as string
}

const said = (ran: Ran) => ran.tasks.map((t) => `${t.status} ${t.message ?? ''} | ${t.hint ?? ''}`).at(-1)!

async function both(bao: Bao, task: Task): Promise<{ check: string; apply: string }> {
  const text = playOf(bao, [task])
  return { check: said(await run('check', text)), apply: said(await run('apply', text)) }
}

async function prepared(bao: Bao): Promise<void> {
  await bao.ask('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
  await bao.ask('POST', 'sys/mounts/transit', { type: 'transit' })
  for (let tries = 0; tries < 50 && (await bao.ask('GET', 'kv/config')).status !== 200; tries++)
    await new Promise((r) => setTimeout(r, 100))
  await bao.ask('POST', 'kv/data/there', { data: { a: '1' } })
}

/** It may look at everything, and change nothing. */
async function readsOnly(bao: Bao): Promise<void> {
  await prepared(bao)
  const read = ['read']
  const token = await tokenWith(bao, {
    'sys/mounts': read,
    'sys/policies/acl/*': read,
    'kv/data/*': read,
    'transit/keys/*': read,
    'sys/audit': ['read', 'sudo'],
  })
  const secret = (path: string) => ({ vault_secret: { mount: 'kv', path, data: { a: '2' }, token } })
  const tasks: [Task, string, string][] = [
    [{ vault_mount: { path: 'new', type: 'kv', token } }, '`update` on sys/mounts/new', '`update` on sys/mounts/new'],
    [
      { vault_policy: { name: 'new', policy: 'path "x" {}', token } },
      '`update` on sys/policies/acl/new',
      '`update` on',
    ],
    [secret('new'), '`create` or `update` on kv/data/new', '`create` or `update` on kv/data/new'],
    [secret('there'), '`create` or `update` on kv/data/there', '`create` or `update` on kv/data/there'],
    [
      { vault_secret: { mount: 'kv', path: 'there', state: 'absent', token } },
      '`delete` on kv/data/there',
      '`delete` on kv/data/there',
    ],
    [
      { vault_transit_key: { name: 'new', token } },
      '`create` or `update` on transit/keys/new',
      '`create` or `update` on transit/keys/new',
    ],
    [
      { vault_audit: { type: 'file', options: { file_path: '/nowhere' }, unsafe_api: true, token } },
      '`update` on sys/audit/file',
      '`update` on sys/audit/file',
    ],
  ]
  for (const [task, foreseen, refused] of tasks) {
    const { check, apply } = await both(bao, task)
    assert.ok(check.startsWith('failed ') && check.includes(`denies the token ${foreseen}`), check)
    assert.ok(apply.startsWith('failed ') && apply.includes(`denies the token ${refused}`), apply)
    assert.match(apply, / \| its policy would need: path "\S+" \{ capabilities = \[.*"(update|delete)"\] \}/)
  }
  const { apply } = await both(bao, secret('there'))
  assert.match(apply, /: it has only `read` there \| .*capabilities = \["read", "create", "update"\]/)
}

/** What may be done is not held up, whatever it is that allows it; what changes nothing is not asked about. */
async function mayDoIt(bao: Bao): Promise<void> {
  await prepared(bao)
  const token = await tokenWith(bao, { 'kv/*': ['create', 'read'], 'sys/mounts': ['read'] })
  const secret = (path: string) => ({ vault_secret: { mount: 'kv', path, data: { a: '7' }, token } })
  const made = await both(bao, secret(`fresh-${bao.version.replaceAll('.', '')}`))
  assert.match(made.check, /^changed/)
  assert.match(made.apply, /^changed/)
  const no = await both(bao, secret('there'))
  // that it is there already its policy does not tell beforehand
  assert.match(no.apply, /denies the token `update` on kv\/data\/there: it has only `create` and `read` there/)
  // one that may not even ask what it may
  const dumb = await tokenWith(
    bao,
    { 'sys/mounts': ['read'], 'sys/mounts/dumb': ['update'] },
    { no_default_policy: true },
  )
  const mounted = await both(bao, { vault_mount: { path: 'dumb', type: 'kv', version: 1, token: dumb } })
  assert.match(mounted.check, /^changed/)
  assert.match(mounted.apply, /^changed/)
  const other = await both(bao, { vault_mount: { path: 'dumber', type: 'kv', version: 1, token: dumb } })
  assert.match(other.apply, /denies the token `update` on sys\/mounts\/dumber \| its policy would need/)
}

/** It may nothing at all. */
async function blind(bao: Bao): Promise<void> {
  const token = await tokenWith(bao, { nothing: ['read'] })
  const tasks: [Task, RegExp][] = [
    [{ vault_mount: { path: 'new', type: 'kv', token } }, /`read` on sys\/mounts \|/],
    [{ vault_mount: { path: 'new', type: 'approle', auth: true, token } }, /`read` on sys\/auth \|/],
    [{ vault_policy: { name: 'new', policy: 'x', token } }, /`read` on sys\/policies\/acl\/new \|/],
    [{ vault_secret: { mount: 'kv', path: 'a', version: 2, data: { a: '1' }, token } }, /`read` on kv\/data\/a \|/],
    [{ vault_transit_key: { name: 'new', token } }, /`read` on transit\/keys\/new \|/],
    [{ vault_audit: { type: 'file', token } }, /`read` on sys\/audit \|/],
    [{ vault_entropy_check: { token } }, /denies the token `\w+`/],
    [{ vault_seal_wrap_check: { storage_path: '/none', token } }, /denies the token `\w+`/],
    ...(bao.version === '2.7.2'
      ? [
          [{ vault_node: { state: 'spare', token } }, /`read` on sys\/storage\/raft\/configuration \|/] as [
            Task,
            RegExp,
          ],
        ]
      : []),
  ]
  for (const [task, why] of tasks) {
    const { check, apply } = await both(bao, task)
    assert.match(check, why)
    assert.is(apply, check)
  }
}

async function unknown(bao: Bao): Promise<void> {
  const task = (token: string) => ({ vault_policy: { name: 'p', policy: 'path "x" {}', token } })
  const over = await tokenWith(bao, { over: ['read'] }, { ttl: '1s' })
  const revoked = await tokenWith(bao, { revoked: ['read'] })
  await bao.ask('POST', 'auth/token/revoke', { token: revoked })
  await new Promise((r) => setTimeout(r, 1500))
  for (const token of [over, revoked, 's.none'])
    assert.match(
      (await both(bao, task(token))).apply,
      /does not know the token \| it is over, was revoked, or is of another/,
    )
  // of a namespace, and of one that is not there
  await bao.ask('POST', 'sys/namespaces/team', {})
  const ofTeam = (await bao.ask('POST', 'team/auth/token/create', { policies: ['default'] })).data.auth.client_token
  assert.match((await both(bao, task(ofTeam))).apply, /; or is it to act in its own `namespace`\?/)
  const none = { vault_policy: { name: 'p', policy: 'x', namespace: 'nowhere' } }
  assert.match((await both(bao, none)).apply, /^failed http\S+ has no namespace nowhere/)
  const inTeam = { vault_policy: { name: 'p', policy: 'x', namespace: 'team', token: ofTeam } }
  assert.match((await both(bao, inTeam)).apply, /`read` on sys\/policies\/acl\/p in the namespace team/)
}

async function otherStore(bao: Bao): Promise<void> {
  const other = await startBao(bao.version)
  const dir = mkdtempSync(join(tmpdir(), 'store-test-'))
  try {
    const store = join(dir, 'keys.json')
    const keep = (more: object) =>
      writeFileSync(store, JSON.stringify({ root_token: other.rootToken, keys: [], ...more }), { mode: 0o600 })
    keep({ address: other.address, host: 'h7', at: '2026-11-25T10:00:00.000Z' })
    const task = { vault_policy: { name: 'p', policy: 'path "x" {}', token: '', store } }
    const { check, apply } = await both(bao, task)
    assert.is(
      apply,
      `failed ${bao.address} does not know the root token in ${store}: the store is of another server (it was written for ${other.address} on h7 at 2026-11-25T10:00:00.000Z), or that token was revoked | name the store that vault_init wrote for this server, or leave \`store\` out and give a token; a server whose storage was emptied since is another one`,
    )
    assert.is(check, apply)
    assert.match(said(await run('apply', playOf(other, [task]))), /^changed/)
    // one of long ago says less
    keep({})
    assert.match((await both(bao, task)).apply, /: the store is of another server, or that token was revoked/)
  } finally {
    await other.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

baoSuite(
  ['2.7.2', '2.6.2'],
  [
    ['a token that may look and not change', readsOnly],
    ['a token that may do what it is about to', mayDoIt],
    ['a token that may nothing', blind],
    ['a token that the server does not know, or of another namespace', unknown],
    ['the store of another server', otherStore],
  ],
)
