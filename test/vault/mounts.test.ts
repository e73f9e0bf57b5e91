import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Encrypter, generateIdentity, identityToRecipient } from 'age-encryption'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { type Bao, baoSuite } from './bao.ts'
import { apply, converges, lines, playOf } from './tasks.ts'

const mount = (params: object) => ({ vault_mount: params })

async function madeAndTuned(bao: Bao): Promise<void> {
  const tasks = [
    mount({ path: 'kv1', type: 'kv', version: 1, description: 'plain' }),
    mount({
      path: 'team/kv2',
      type: 'kv-v2',
      default_lease_ttl: '1h',
      max_lease_ttl: '768h',
      listing_visibility: 'unauth',
    }),
    mount({ path: 'transit', type: 'transit', passthrough_request_headers: ['X-A'], audit_non_hmac_request_keys: [] }),
    mount({ path: 'up', type: 'userpass', auth: true, token_type: 'batch', listing_visibility: 'hidden' }),
  ]
  assert.equal(await converges(bao, tasks), [
    'changed mount kv at kv1/ (version 1)',
    'changed mount kv at team/kv2/ (version 2)',
    'changed mount transit at transit/',
    'changed mount the auth method userpass at up/',
  ])
  const kv2 = (await bao.ask('GET', 'sys/mounts/team/kv2')).data.data
  assert.equal([kv2.options.version, kv2.config.default_lease_ttl, kv2.config.max_lease_ttl], ['2', 3600, 2_764_800])
  assert.equal(
    await converges(bao, [
      mount({ path: 'kv1', type: 'kv', version: 2 }),
      mount({ path: 'team/kv2', type: 'kv', description: 'new', default_lease_ttl: 0, listing_visibility: 'hidden' }),
      mount({ path: 'transit', type: 'transit', passthrough_request_headers: [], allowed_response_headers: ['X-B'] }),
      mount({ path: 'up', type: 'userpass', auth: true, token_type: 'default-service', max_lease_ttl: 7200 }),
    ]),
    [
      'changed tune kv1/: version 2',
      'changed tune team/kv2/: description, default_lease_ttl, listing_visibility',
      'changed tune transit/: passthrough_request_headers, allowed_response_headers',
      'changed tune up/: max_lease_ttl, token_type',
    ],
  )
  assert.is((await bao.ask('GET', 'sys/mounts/kv1')).data.data.options.version, '2')
  assert.is((await bao.ask('GET', 'sys/mounts/team/kv2')).data.data.description, 'new')
}

async function createOnly(bao: Bao): Promise<void> {
  await apply(bao, [mount({ path: 'once', type: 'kv', version: 2 })])
  await bao.ask('POST', 'once/data/a', { data: { x: '1' } })
  await bao.ask('POST', 'once/data/b/c', { data: { x: '1' } })
  const wanted = { path: 'once', type: 'kv', version: 1, local: true }
  const no = (await apply(bao, [mount(wanted)])).tasks[0]!
  assert.is(no.status, 'failed')
  assert.is(no.message, "once/ can't be changed so: `local` is false, not true; `version` is 2, not 1")
  assert.match(no.hint!, /all that is in it would be lost: a, b\/; .*`recreate: true`/)
  const text = playOf(bao, [mount({ ...wanted, recreate: true })])
  const checked = await run('check', text)
  assert.equal(checked.warnings, ['module: what is in once/ is lost: a, b/'])
  const done = await run('apply', text)
  assert.equal(lines(done), lines(checked))
  assert.equal(lines(done), ['changed unmount once/, with all that is in it; mount kv at once/ (version 1)'])
  const { data } = (await bao.ask('GET', 'sys/mounts/once')).data
  assert.equal([data.local, data.options.version], [true, '1'])
  assert.is((await bao.ask('GET', 'once/a')).status, 404)
  assert.equal(lines(await run('apply', text)), ['ok'])
}

async function removed(bao: Bao): Promise<void> {
  await apply(bao, [
    mount({ path: 'gone', type: 'transit' }),
    { vault_mount: { path: 'way', type: 'approle', auth: true } },
  ])
  await bao.ask('POST', 'gone/keys/orders', {})
  const no = (await apply(bao, [mount({ path: 'gone', state: 'absent' })])).tasks[0]!
  assert.is(no.message, 'gone/ is there, and all that is in it would be lost: orders')
  assert.match(no.hint!, /force: true/)
  // of an auth method: whom it lets in
  await bao.ask('POST', 'auth/way/role/deployer', {})
  const [shut, other] = (
    await apply(bao, [
      { ...mount({ path: 'way', state: 'absent', auth: true }), ignore_errors: true },
      mount({ path: 'way', type: 'userpass', auth: true }),
    ])
  ).tasks
  assert.is(shut!.message, 'way/ is there, and all that is in it would be lost: deployer')
  assert.match(other!.hint!, /all that is in it would be lost: deployer; .*`recreate: true`/)
  const yes = await apply(bao, [
    mount({ path: 'gone', state: 'absent', force: true }),
    mount({ path: '/way/', state: 'absent', auth: true, force: true }),
    mount({ path: 'never', state: 'absent' }),
  ])
  assert.equal(lines(yes), [
    'changed unmount gone/, with all that is in it',
    'changed unmount way/, with all that is in it',
    'ok',
  ])
  assert.is((await bao.ask('GET', 'sys/mounts/gone')).status, 400)
}

/** OpenBao takes both words, says true, and does nothing: never green. */
async function ignored(bao: Bao): Promise<void> {
  for (const [name, why] of [
    ['seal_wrap', /not Vault Enterprise: it says `seal_wrap: true` and wraps nothing/],
    [
      'external_entropy_access',
      /gives no entropy of its seal: it says `external_entropy_access: true`.*Vault Enterprise do/,
    ],
  ] as const) {
    const task = mount({ path: `deaf-${name}`, type: 'transit', [name]: true })
    for (const mode of ['check', 'apply'] as const) {
      const [it] = (await run(mode, playOf(bao, [task]))).tasks
      assert.is(it!.status, 'failed')
      assert.match(it!.message!, why)
      assert.match(it!.message!, new RegExp(`OpenBao ${bao.version}`))
    }
    assert.is((await bao.ask('GET', `sys/mounts/deaf-${name}`)).status, 400)
    // somebody made it so: the server says it is, and is not believed
    await bao.ask('POST', `sys/mounts/deaf-${name}`, { type: 'transit', [name]: true })
    assert.is((await bao.ask('GET', `sys/mounts/deaf-${name}`)).data.data[name], true)
    assert.is((await apply(bao, [task])).tasks[0]!.status, 'failed')
  }
}

async function refusals(bao: Bao): Promise<void> {
  const why = async (params: object) => {
    const [task] = (await apply(bao, [mount({ path: 'x', type: 'kv', ...params })])).tasks
    return `${task!.status}: ${task!.message} | ${task!.hint}`
  }
  assert.match(
    await why({ token: 'canary-wrong-token' }),
    /http:\/\/127\.\S+:\d+ does not know the token \| it is over, was revoked, or is of another server/,
  )
  assert.not.match(await why({ token: 'canary-wrong-token' }), /canary/)
  assert.match(await why({ token: 'canary\ntwo' }), /^failed: the header x-vault-token can't be sent: it holds a line/)
  assert.match(await why({ namespace: 'né\u0100' }), /^failed: the header x-vault-namespace can't be sent/)
  assert.match(
    await why({ type: 'nope' }),
    /mount nope at x\/: http.* answers 400: plugin not found in the catalog: nope/,
  )
  assert.match(await why({ address: 'http://127.0.0.1:9' }), /127\.0\.0\.1:9 refused the connection/)
  assert.match(await why({ address: bao.address.replace('http:', 'https:') }), /does not speak TLS \| .*http:/)
  assert.match(await why({ default_lease_ttl: 'soon' }), /no duration: soon/)
  assert.match(await why({ version: 2, type: 'pki' }), /`version` is of `type: kv` only/)
  assert.match(await why({ path: 'a/b', token_type: 'batch' }), /needs `auth: true`/)
  assert.match(await why({ default_lease_ttl: '2h', max_lease_ttl: '1h' }), /longer than `max_lease_ttl`/)
  for (const path of ['a//b', '../x', 'a/.']) assert.match(await why({ path }), /is no path of a server/)
  await apply(bao, [mount({ path: 'outer/one', type: 'kv' })])
  assert.match(await why({ path: 'outer/one/in' }), /nothing can be mounted at outer\/one\/in\/: outer\/one\/ is there/)
  assert.match(await why({ path: 'outer' }), /nothing can be mounted at outer\/: outer\/one\/ is there/)
  assert.match(await why({ path: 'sys', recreate: true }), /sys\/ is the server's own and stays as it is: `type`/)
  assert.match(await why({ path: 'cubbyhole', state: 'absent', force: true }), /own and can't be removed/)
  assert.match(await why({ path: 'token', auth: true, state: 'absent', force: true }), /own and can't be removed/)
  const known = process.env.VAULT_TOKEN
  delete process.env.VAULT_TOKEN
  assert.match(await why({ token: '' }), /there is no token/)
  process.env.VAULT_TOKEN = bao.rootToken
  assert.is(await why({ token: '' }), 'changed: undefined | undefined')
  if (known === undefined) delete process.env.VAULT_TOKEN
  else process.env.VAULT_TOKEN = known
}

/** The token of a store that vault_init filled, decrypted or plain; and why there is none. */
async function fromStore(bao: Bao): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'token-test-'))
  const store = join(dir, 'store.json')
  const content = {
    address: bao.address,
    product: 'OpenBao',
    at: 'now',
    root_token: bao.rootToken,
    keys: ['canary-key='],
  }
  const why = async (more: object) => {
    const ran = await apply(bao, [mount({ path: 'stored', type: 'kv', token: '', store, ...more })])
    assert.not(JSON.stringify(ran.events).includes(bao.rootToken))
    assert.not.match(JSON.stringify(ran.events), /canary-key/)
    const [task] = ran.tasks
    return task!.status === 'failed' ? `${task!.message} | ${task!.hint}` : task!.status
  }
  assert.is(
    await why({}),
    `there is no token in the store ${store}: there is no such file | vault_init fills it, but only where it initialises the server; otherwise leave \`store\` out and set VAULT_TOKEN or BAO_TOKEN`,
  )
  writeFileSync(store, JSON.stringify(content), { mode: 0o600 })
  assert.is(await why({}), 'changed')
  assert.is(await why({}), 'ok')
  const identity = await generateIdentity()
  writeFileSync(join(dir, 'identity'), identity, { mode: 0o600 })
  const encrypter = new Encrypter()
  encrypter.addRecipient(await identityToRecipient(identity))
  writeFileSync(store, await encrypter.encrypt(JSON.stringify(content)), { mode: 0o600 })
  assert.is(await why({ identity: join(dir, 'identity') }), 'ok')
  assert.match(await why({ identity: join(dir, 'none') }), /no token in the store/)
  writeFileSync(store, JSON.stringify({ ...content, root_token_pgp: true }))
  assert.match(await why({}), /encrypted by PGP/)
  rmSync(dir, { recursive: true })
}

baoSuite(
  ['2.7.2', '2.6.2'],
  [
    ['engines and methods are mounted and tuned as declared', madeAndTuned],
    ['what can only be set when it is made fails with both values, or is made anew', createOnly],
    ['what is removed needs force', removed],
    ['an ignored seal wrap or external entropy is never green', ignored],
    ['why it fails is said in a sentence', refusals],
    ['the token is in the store', fromStore],
  ],
)
