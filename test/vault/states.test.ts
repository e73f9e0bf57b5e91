import { type ChildProcess, spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { baoRelease, whyNoServers } from '../lab/bao.ts'
import { answers, type BareBao, bareBao, ownSeal } from './bare-bao.ts'

// What the modules say of servers that are not the active one, or not up: of each state once.

const reason = whyNoServers()
if (reason !== undefined) console.log(`SKIP states of servers: ${reason}`)
const check = (name: string, body: () => Promise<void>) => (reason === undefined ? test(name, body) : test.skip(name))

async function started(options: Parameters<typeof bareBao>[0]): Promise<BareBao> {
  const bao = await bareBao(options)
  await bao.start()
  await answers(bao.address, bao.log)
  return bao
}

async function said(mode: 'check' | 'apply', module: string, params: object): Promise<string> {
  const tasks = [{ [module]: params }]
  const [task] = (await run(mode, JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }]))).tasks
  return `${task!.status}: ${task!.message ?? task!.changes.join()} | ${task!.hint}`
}

const asking = ({ address }: BareBao, token = 'canary'): [string, object][] => [
  ['vault_mount', { path: 'kv', type: 'kv', address, token }],
  ['vault_policy', { name: 'p', policy: 'path "x" {}', address, token }],
  ['vault_secret', { path: 'a', data: { a: '1' }, address, token }],
  ['vault_transit_key', { name: 'k', address, token }],
  ['vault_audit', { type: 'file', address, token }],
  ['vault_entropy_check', { address, token }],
  ['vault_seal_wrap_check', { storage_path: '/none', address, token }],
  ['vault_node', { state: 'spare', address, token }],
  ['vault_node', { state: 'standby', address, token }],
]

async function eachSays(bao: BareBao, why: RegExp): Promise<void> {
  for (const [module, params] of asking(bao))
    for (const mode of ['check', 'apply'] as const) assert.match(await said(mode, module, params), why, module)
}

const waiting = (bao: BareBao) => ({ state: 'voter', timeout: 1, address: bao.address, token: 'canary' })

check('one that nobody has initialised', async () => {
  const bao = await started({ seal: ownSeal })
  await eachSays(bao, /^failed: http\S+ is not initialised \| vault_init does it$/)
  assert.match(await said('apply', 'vault_node', waiting(bao)), /is not initialised, after 1 s \| vault_init does it/)
  await bao.kill()
})

check('one that is sealed, one that only its people unseal', async () => {
  const bao = await started({})
  await bao.ask('sys/init', '', { secret_shares: 1, secret_threshold: 1 })
  await eachSays(bao, /^failed: http\S+ is sealed \| it needs its unseal keys$/)
  assert.match(await said('apply', 'vault_node', waiting(bao)), /is sealed, after 1 s \| it needs its unseal keys/)
  await bao.kill()
})

check('one in recovery mode', async () => {
  const bao = await started({ seal: ownSeal })
  await bao.ask('sys/init', '', { recovery_shares: 1, recovery_threshold: 1 })
  await bao.kill()
  const child: ChildProcess = spawn(baoRelease('2.7.2').program, ['server', '-recovery', `-config=${bao.config}`], {
    stdio: 'ignore',
  })
  try {
    const up = async () => (await fetch(`${bao.address}/v1/sys/seal-status`).catch(() => undefined))?.status === 404
    for (const late = Date.now() + 20_000; Date.now() < late && !(await up()); )
      await new Promise((r) => setTimeout(r, 50))
    const why = /neither Vault nor OpenBao, or runs in recovery mode \(`server -recovery`\): it answers 404.* \| check/
    await eachSays(bao, why)
    assert.match(await said('apply', 'vault_node', waiting(bao)), why)
  } finally {
    const over = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await over
  }
})

check('a standby, with and without its leader', async () => {
  const leader = await started({})
  const { keys, root_token: token } = (await leader.ask('sys/init', '', { secret_shares: 1, secret_threshold: 1 })).data
  await leader.ask('sys/unseal', '', { key: keys[0] })
  const standby = await started({ joins: [leader.address] })
  const until = async (isSo: () => Promise<boolean>) => {
    for (const late = Date.now() + 40_000; Date.now() < late; await new Promise((r) => setTimeout(r, 100)))
      if (await isSo().catch(() => false)) return
    throw new Error(standby.log())
  }
  await until(async () => {
    await standby.ask('sys/unseal', '', { key: keys[0] })
    return (await standby.ask('sys/health')).status === 429
  })
  // it hands on what it is asked, also whether a token is a wrapping token, and to unwrap it
  const wrap = await fetch(`${leader.address}/v1/auth/token/create`, {
    method: 'POST',
    headers: { 'x-vault-token': token, 'x-vault-wrap-ttl': '60s' },
    body: JSON.stringify({ policies: ['root'] }),
  })
  const { wrap_info } = (await wrap.json()) as { wrap_info: { token: string } }
  const { address } = standby
  const policy = (name: string, by: string) => ({ name, policy: 'path "x" {}', address, token: by })
  assert.match(await said('check', 'vault_policy', policy('a', wrap_info.token)), /^unknown: what the wrapping token/)
  assert.match(await said('apply', 'vault_policy', policy('a', wrap_info.token)), /^changed: make policy a/)
  await until(async () => {
    const { data } = await leader.ask('sys/storage/raft/configuration', token)
    return data.data.config.servers.every((s: { voter: boolean }) => s.voter)
  })
  await leader.kill()
  assert.match(
    await said('apply', 'vault_policy', policy('b', token)),
    /is a standby and (sends to http\S+|knows no leader of its cluster) \| .*(has lost its leader|the other members)/,
  )
  await standby.kill()
})

test.run()
