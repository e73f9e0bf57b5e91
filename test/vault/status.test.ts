import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as assert from 'uvu/assert'
import { Channel } from '../../src/host/channel.ts'
import { localConnection } from '../../src/transport/local.ts'
import { errorsIn } from '../../src/vault/said.ts'
import { type VaultStatus, vaultStatus } from '../../src/vault/status.ts'
import { type Bao, baoSuite } from './bao.ts'
import { startEnterprise } from './enterprise.ts'
import { apply, converges } from './tasks.ts'

// Who answers, in what state, and why it is of no use.

const policy = (params: object = {}) => ({ vault_policy: { name: 'p', policy: 'path "x" {}', ...params } })

async function statusOf(address: string): Promise<VaultStatus> {
  const read = vaultStatus({ address, tls: {}, namespace: undefined, token: undefined })
  const channel = new Channel(localConnection)
  const answer = await read.kind.call!(read.question, channel)
  channel.close()
  return answer as VaultStatus
}

async function products(bao: Bao): Promise<void> {
  const { clusterName, ...status } = await statusOf(bao.address)
  assert.match(clusterName, /^vault-cluster/)
  const rest = { initialized: true, sealed: false, health: 200, sealType: 'static', autoUnseal: true }
  const storage = bao.version === '2.7.2' ? 'raft' : 'file'
  assert.equal(status, { product: 'OpenBao', version: bao.version, edition: '', storage, ...rest })
  const standIn = await startEnterprise({ address: bao.address, dataDir: '/nowhere', storage: `${bao.dataDir}-none` })
  const { product, version, edition } = await statusOf(standIn.address)
  assert.equal([product, version, edition], ['Vault', '1.19.0', 'ent.hsm'])
  await standIn.close()
}

async function namespaces(bao: Bao): Promise<void> {
  assert.is((await bao.ask('POST', 'sys/namespaces/team', {})).status, 200)
  const inTeam = { namespace: 'team' }
  const tasks = [
    { vault_mount: { path: 'kv', type: 'kv', version: 2, ...inTeam } },
    { vault_mount: { path: 'kv', type: 'kv', version: 1 } },
    { vault_secret: { mount: 'kv', path: 'a', data: { word: 'of the team' }, ...inTeam } },
  ]
  assert.equal(await converges(bao, tasks), [
    'changed mount kv at kv/ (version 2)',
    'changed mount kv at kv/ (version 1)',
    'changed write kv/a (word)',
  ])
  assert.is((await bao.ask('GET', 'team/kv/data/a')).data.data.data.word, 'of the team')
  assert.is((await bao.ask('GET', 'kv/a')).status, 404)
}

async function strangers(bao: Bao): Promise<void> {
  const why = async (address: string) => {
    const [task] = (await apply(bao, [policy({ address })])).tasks
    return `${task!.message} | ${task!.hint}`
  }
  const answers: [number, string, object?][] = [
    [404, '<html>nothing here</html>'],
    [307, '', { location: 'http://127.0.0.9:8200/v1/sys/seal-status' }],
    [200, '{"hello": 1}'],
    [301, '', { location: 'https://v/v1/sys/seal-status' }],
  ]
  const said: string[] = []
  for (const [status, text, headers] of answers) {
    const other = createServer((_, r) => r.writeHead(status, headers as never).end(text)).listen(0, '127.0.0.1')
    await new Promise((r) => other.once('listening', r))
    said.push(await why(`http://127.0.0.1:${(other.address() as AddressInfo).port}`))
    other.closeAllConnections()
    other.close()
  }
  assert.match(said[0]!, /is neither Vault nor OpenBao: it answers 404: <html>nothing here<\/html> \| check `address`/)
  assert.match(
    said[1]!,
    /is a standby and sends to http:\/\/127\.0\.0\.9:8200.* \| use the address of the active server/,
  )
  assert.match(said[2]!, /is neither Vault nor OpenBao: it answers 200 \|/)
  assert.match(
    said[3]!,
    /answers 301 and sends to https:\/\/v\/v1\/.*: no server does that, what stands before it does/,
  )
}

async function sealed(bao: Bao): Promise<void> {
  await bao.seal()
  for (const what of [policy(), { vault_status: { token: undefined, state: 'unsealed' } }]) {
    const [task] = (await apply(bao, [what])).tasks
    assert.match(
      `${task!.message} | ${task!.hint}`,
      /^http:\S+ is sealed \| it unseals itself once it reaches its seal/,
    )
  }
}

/** What the module says of it; nobody there is no failure. */
async function module(bao: Bao): Promise<void> {
  const status = (more: object) => ({ vault_status: { token: undefined, ...more }, register: 's' })
  const nowhere = { that: ["!s.answers && s.why.includes('127.0.0.1:1')", 's.sealed === undefined'] }
  const storage = bao.version === '2.7.2' ? 'raft' : 'file'
  const there = {
    that: ['s.answers && s.initialized && !s.sealed', `s.storage === '${storage}' && s.version === '${bao.version}'`],
  }
  const tasks = [status({ address: 'http://127.0.0.1:1' }), { assert: nowhere }, status({}), { assert: there }]
  assert.equal(
    await converges(bao, tasks),
    tasks.map(() => 'ok'),
  )
  const why = async (more: object) => (await apply(bao, [status({ state: 'unsealed', ...more })])).tasks[0]!.message
  assert.is(await why({}), undefined)
  assert.match((await why({ address: 'http://127.0.0.1:1' }))!, /127\.0\.0\.1:1/)
}

async function words(): Promise<void> {
  assert.is(errorsIn({ errors: ['1 error occurred:\n\t* unsupported path\n\n'] }), 'unsupported path')
  assert.is(
    errorsIn({ errors: ['rpc error: code = Unknown desc = failed: CKR_GENERAL_ERROR'] }),
    'failed: CKR_GENERAL_ERROR',
  )
  assert.is(errorsIn({ errors: ['2 errors occurred:\n\t* a\n\t* b\n', 'c'] }), 'a; b; c')
  assert.is(errorsIn(undefined), '')
}

baoSuite(
  ['2.7.2', '2.6.2'],
  [
    ['which product answers, and in what state', products],
    ['the same by the module vault_status', module],
    ['a namespace is a server of its own', namespaces],
    ['what is no server of this kind is told', strangers],
    ['errors without what is put around them', words],
    ['a sealed server is told', sealed],
  ],
)
