import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { localConnection } from '../../src/transport/local.ts'
import { type Ran, run } from '../engine/scratch.ts'
import { secretsIn } from '../lab/secret-forms.ts'
import { onTerminal } from '../lab/terminal.ts'
import { type Bao, baoSuite } from './bao.ts'
import { standIn, type Trick } from './bare-bao.ts'

// Tokens that are handed over wrapped: unwrapped once a run, by an apply only, and never used for anything else.

/** Asks as root for something that comes wrapped. */
async function wrapped(bao: Bao, method: string, path: string, body?: object, ttl = '60s'): Promise<string> {
  const headers = { 'x-vault-token': bao.rootToken, 'x-vault-wrap-ttl': ttl }
  const init = body ? { method, headers, body: JSON.stringify(body) } : { method, headers }
  const { wrap_info } = (await (await fetch(`${bao.address}/v1/${path}`, init)).json()) as {
    wrap_info: { token: string }
  }
  return wrap_info.token
}

const wrappedToken = (bao: Bao, ttl?: string) =>
  wrapped(bao, 'POST', 'auth/token/create', { policies: ['root'], display_name: 'inner', ttl: '1h' }, ttl)

const isGood = async (bao: Bao, token: string) =>
  (await bao.ask('POST', 'sys/wrapping/lookup', { token }, '')).status === 200

/** Tokens that were made in the test, apart from those that wrap: their accessors. */
async function inner(bao: Bao): Promise<string[]> {
  const { data } = await bao.ask('LIST', 'auth/token/accessors')
  const all = (data.data.keys as string[]).map(async (accessor) => {
    const found = await bao.ask('POST', 'auth/token/lookup-accessor', { accessor })
    return found.data.data?.display_name === 'token-inner' ? [accessor] : []
  })
  return (await Promise.all(all)).flat()
}

const policy = (name: string, more: object = {}) => ({
  vault_policy: { name, policy: 'path "x" { capabilities = ["read"] }', ...more },
})

function play(tasks: readonly object[], at: object): string {
  const told = tasks.map((t) => Object.fromEntries(Object.entries(t).map(([k, v]) => [k, { ...(v as object), ...at }])))
  return JSON.stringify([{ hosts: 'all', gather_facts: false, tasks: told }])
}

const lines = (ran: Ran) => ran.tasks.map((t) => `${t.status} ${t.changes.join()}${t.message ?? ''} | ${t.hint ?? ''}`)

const failures = (ran: Ran) => Object.values(ran.recap.hosts).map((h) => h.failed)

/** Nothing of what is secret is in what was told. */
function silent(secrets: Readonly<Record<string, string>>, ...runs: Ran[]): void {
  assert.equal(secretsIn(JSON.stringify(runs.map((r) => r.events)), secrets), [])
}

/** All that a server hands out on its way, as a proxy sees it. */
async function watched(bao: Bao, trick: (what: string) => Trick | Promise<Trick> = () => 'pass') {
  const front = await standIn(bao.address, trick)
  const count = (what: string) => front.asked.filter((a) => a === what).length
  return { ...front, count }
}

const look = 'POST /v1/sys/wrapping/lookup'
const unwrap = 'PUT /v1/sys/wrapping/unwrap'

async function once(bao: Bao): Promise<void> {
  const token = await wrappedToken(bao)
  const front = await watched(bao)
  const at = { address: front.address, token }
  const hosts = ['a', 'b', 'c']
  const tasks = [policy('w1'), policy('w2')]
  // a check takes nothing of it, and says what it does not know
  const checked = await run('check', play(tasks, at), { hosts })
  assert.is(checked.tasks.length, 6)
  for (const line of lines(checked))
    assert.match(
      line,
      /^unknown .*what the wrapping token holds, which only an apply unwraps \(it is good until 20\S+Z\)/,
    )
  assert.is(front.count(unwrap), 0)
  assert.ok(await isGood(bao, token))
  const before = await inner(bao)
  const applied = await run('apply', play(tasks, at), { hosts })
  assert.equal(failures(applied), [0, 0, 0])
  assert.is(front.count(unwrap), 1)
  assert.not(await isGood(bao, token))
  // one token did it all
  assert.equal(await inner(bao), before)
  assert.is((await bao.ask('GET', 'sys/policies/acl/w2')).status, 200)
  silent({ token }, checked, applied)
  // the next run has nothing to unwrap
  const again = await run('apply', play([policy('w3')], at))
  assert.match(
    lines(again)[0]!,
    /^failed .* does not know the token \| .*A wrapping token looks the same when it was used already or is over: then somebody else may have read/,
  )
  silent({ token }, again)
  front.close()
}

/** The token that comes out is hidden too: it is caught on its way, and made to be shown. */
async function hidden(bao: Bao): Promise<void> {
  const token = await wrappedToken(bao)
  const caught: string[] = []
  const front = await standIn(
    bao.address,
    () => 'pass',
    (what, body) => {
      if (what === unwrap) caught.push(JSON.parse(body.toString()).auth.client_token)
    },
  )
  // the server repeats it in its error
  const shows = await standIn(front.address, (what) =>
    what.includes('policies/acl/shown') ? { status: 500, errors: [`${token} ${caught[0]}`], forward: false } : 'pass',
  )
  const ran = await run('apply', play([policy('w4'), policy('shown')], { address: shows.address, token }))
  assert.is(caught.length, 1)
  assert.match(lines(ran)[1]!, /^failed .*\*{8} \*{8}/)
  silent({ token, inner: caught[0]! }, ran)
  for (const f of [front, shows]) f.close()
}

async function ordinary(bao: Bao): Promise<void> {
  const front = await watched(bao)
  const hosts = ['a', 'b', 'c']
  const at = { address: front.address, token: bao.rootToken }
  const ran = await run('apply', play([policy('o1'), policy('o2')], at), { hosts })
  assert.equal(failures(ran), [0, 0, 0])
  // asked beside the first question of each host that begins at the same time, then never again
  assert.ok(front.count(look) <= 3, String(front.count(look)))
  assert.is(front.count(unwrap), 0)
  const later = front.count(look)
  await run('apply', play([policy('o1'), policy('o2')], at))
  assert.is(front.count(look), later + 1)
  front.close()
}

async function noToken(bao: Bao): Promise<void> {
  await bao.ask('POST', 'sys/mounts/plain', { type: 'kv' })
  await bao.ask('POST', 'plain/a', { canary: 'canary-of-data' })
  await bao.ask('POST', 'sys/auth/approle', { type: 'approle' })
  await bao.ask('POST', 'auth/approle/role/r', { policies: ['default'] })
  const said: [string, RegExp][] = [
    [await wrapped(bao, 'GET', 'plain/a'), /holds no token, but what plain\/a answered: it was not unwrapped/],
    [
      await wrapped(bao, 'POST', 'auth/approle/role/r/secret-id', {}),
      /what auth\/approle\/role\/r\/secret-id answered: it was not unwrapped \| log in with the secret id/,
    ],
    [
      await wrapped(bao, 'POST', 'sys/wrapping/wrap', { canary: 'canary-of-data' }),
      /holds no token, but what sys\/wrapping\/wrap/,
    ],
  ]
  for (const [token, why] of said)
    for (const mode of ['check', 'apply'] as const) {
      const ran = await run(mode, play([policy('x')], { address: bao.address, token }))
      assert.match(lines(ran)[0]!, why)
      assert.ok(await isGood(bao, token), 'nothing is lost')
      silent({ token, data: 'canary-of-data' }, ran)
    }
  // what its looks did not tell
  const token = await wrapped(bao, 'GET', 'auth/approle/role/r/role-id')
  const ran = await run('apply', play([policy('x')], { address: bao.address, token }))
  assert.match(lines(ran)[0]!, /what was wrapped is no token: it is what auth\/approle\/role\/r\/role-id answered/)
}

async function over(bao: Bao): Promise<void> {
  const token = await wrappedToken(bao, '1s')
  await new Promise((r) => setTimeout(r, 1500))
  const ran = await run('apply', play([policy('x')], { address: bao.address, token }))
  assert.match(lines(ran)[0]!, /does not know the token \| .*used already or is over: then somebody else may have read/)
  // somebody is quicker, between look and unwrapping
  const raced = await wrappedToken(bao)
  const front = await watched(bao, async (what): Promise<Trick> => {
    if (what === unwrap) await bao.ask('PUT', 'sys/wrapping/unwrap', {}, raced)
    return 'pass'
  })
  const lost = await run('apply', play([policy('x'), policy('y')], { address: front.address, token: raced }), {
    hosts: ['a', 'b'],
  })
  for (const line of lines(lost))
    assert.match(
      line,
      /is used up now: somebody else unwrapped it meanwhile.* \| take what it held as known to somebody/,
    )
  assert.is(front.count(unwrap), 1)
  silent({ token, raced }, ran, lost)
  front.close()
}

async function cutOff(bao: Bao): Promise<void> {
  // the answer is lost
  const token = await wrappedToken(bao)
  const front = await watched(bao, (what) => (what === unwrap ? 'drop-after' : 'pass'))
  const ran = await run('apply', play([policy('x')], { address: front.address, token }), { hosts: ['a', 'b'] })
  for (const line of lines(ran))
    assert.match(
      line,
      /was unwrapped and the answer that held it was lost \(.*\): it can't be had any more \| get another/,
    )
  assert.is(front.count(unwrap), 1)
  front.close()
  // the question is lost, once: it is tried once more
  let tries = 0
  const second = await wrappedToken(bao)
  const flaky = await watched(bao, (what) => (what === unwrap && ++tries === 1 ? 'drop-before' : 'pass'))
  const went = await run('apply', play([policy('w5')], { address: flaky.address, token: second }))
  assert.match(lines(went)[0]!, /^changed/)
  assert.is(flaky.count(unwrap), 2)
  flaky.close()
  // then nobody answers
  const third = await wrappedToken(bao)
  let gone = false
  const dead = await watched(bao, (what) => {
    gone ||= what === unwrap
    return gone ? 'drop-after' : 'pass'
  })
  const unclear = await run('apply', play([policy('x')], { address: dead.address, token: third }))
  assert.match(
    lines(unclear)[0]!,
    /whether the token was unwrapped is not known: .* \| where the next run does not know/,
  )
  dead.close()
  silent({ token, second, third }, ran, went, unclear)
}

/** Wherever it was wrapped, and wherever it is used. */
async function namespaces(bao: Bao): Promise<void> {
  await bao.ask('POST', 'sys/namespaces/team', {})
  const all = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
  await bao.ask('PUT', 'team/sys/policies/acl/all', { policy: all })
  const inTeam = await wrapped(bao, 'POST', 'team/auth/token/create', { policies: ['all'] })
  const ofRoot = await wrappedToken(bao)
  const elsewhere = await run('check', play([policy('n')], { address: bao.address, token: inTeam }))
  assert.match(lines(elsewhere)[0]!, /^unknown what the wrapping token holds/)
  for (const token of [inTeam, ofRoot]) {
    const at = { address: bao.address, token, namespace: 'team' }
    const checked = await run('check', play([policy('n')], at))
    assert.match(lines(checked)[0]!, /^unknown what the wrapping token holds/)
    const ran = await run('apply', play([policy('n'), policy('n')], at))
    assert.match(lines(ran)[1]!, /^ok/, lines(ran).join())
    await bao.ask('DELETE', 'team/sys/policies/acl/n')
  }
}

/** The host itself is lost between question and answer. */
async function hostLost(bao: Bao): Promise<void> {
  const token = await wrappedToken(bao)
  let lost: string | undefined
  const front = await watched(bao, (what) => {
    if (what !== unwrap) return 'pass'
    lost = 'the line was cut'
    return 'drop-after'
  })
  const connect = async () => ({ ...localConnection, lost: () => lost })
  const ran = await run('apply', play([policy('x')], { address: front.address, token }), { connect })
  const [told] = ran.events.filter((e) => e.event === 'host')
  assert.match(
    JSON.stringify(told),
    /unreachable.*the line was cut; it was about to unwrap the token, and whether it did is not known.*get another one/,
  )
  silent({ token }, ran)
  front.close()
}

/** From the environment, and typed. */
async function elsewhere(bao: Bao): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'runbook-wrapped-'))
  try {
    const playbook = join(dir, 'play.yml')
    const task = (name: string) => policy(name, { address: bao.address })
    writeFileSync(playbook, JSON.stringify([{ hosts: 'localhost', tasks: [task('w6'), task('w7')] }]))
    const argv = [process.execPath, 'dist/main.js', 'apply', playbook, '--output', 'plain', '-vv']
    const typed = await wrappedToken(bao)
    const asked = await onTerminal([...argv, '--ask-vault-token'], [['OpenBao: ', `${typed}\r`]], {})
    assert.is(asked.status, 0, asked.screen)
    assert.match(asked.screen, /changed=2/)
    const set = await wrappedToken(bao)
    const told = await onTerminal(argv, [], { VAULT_TOKEN: `${set}\n` })
    assert.is(told.status, 0, told.screen)
    for (const { screen } of [asked, told]) assert.equal(secretsIn(screen, { typed, set }), [])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

baoSuite(
  ['2.7.2', '2.6.2'],
  [
    ['a wrapped token is unwrapped once, for all tasks and hosts; a check leaves it', once],
    ['what comes out of it is hidden', hidden],
    ['an ordinary token costs one question', ordinary],
    ['what holds no token is left as it is', noToken],
    ['one that is used or over is told, and what that may mean', over],
    ['a connection that ends behind the call', cutOff],
    ['namespaces', namespaces],
    ['a host that is lost behind the call', hostLost],
    ['it comes from the environment or is typed', elsewhere],
  ],
)
