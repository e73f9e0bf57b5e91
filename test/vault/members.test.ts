import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ApiRequest, Way } from '../../src/host/channel.ts'
import {
  awayFrom,
  type Cluster,
  illOf,
  type Member,
  neededBy,
  stepDown,
  vaultCluster,
} from '../../src/vault/members.ts'
import { type Bao, baoSuite } from './bao.ts'
import { apply, converges } from './tasks.ts'

// A server in its cluster: what is said of it, and of one that is alone.

const server = { address: 'http://192.0.2.1:8200', tls: {}, namespace: undefined, token: 'canary' }
const member = (id: string, more: Partial<Member> = {}): Member => ({ id, voter: true, wrong: undefined, ...more })
const three: Cluster = {
  ...{ version: '2.7.2', own: 'a', leader: 'b', leads: false, applied: 7, newest: 7 },
  members: [member('a'), member('b'), member('c')],
}

async function spare(): Promise<void> {
  const why = (change: Partial<Cluster>) => neededBy({ ...three, ...change }, server)?.failed
  assert.is(why({}), undefined)
  assert.is(why({ members: [], own: undefined }), undefined)
  assert.is(why({ members: [member('a')] }), undefined)
  assert.match(why({ leader: undefined })!, /192\.0\.2\.1:8200 knows no leader of its cluster/)
  assert.match(why({ own: undefined })!, /which member .* is not to be seen: they are a, b, c/)
  assert.match(why({ members: [member('a'), member('b')] })!, /without one of them it has no quorum/)
  assert.is(why({ members: [...three.members, member('d', { voter: false })] }), 'd of the cluster is no voter')
  const ill = [member('a'), member('b', { wrong: 'is not healthy' }), member('c')]
  assert.is(why({ members: ill }), 'b of the cluster is not healthy')
  assert.is(why({ members: [member('a', { wrong: 'is not healthy' }), member('b'), member('c')] }), undefined)
}

async function well(): Promise<void> {
  const why = (change: Partial<Cluster>) => illOf({ ...three, ...change }, server)?.failed
  // how far behind it may be is left to autopilot
  assert.is(why({ applied: 5 }), undefined)
  assert.is(why({ members: [], own: undefined }), undefined)
  assert.match(why({ leader: undefined })!, /knows no leader/)
  assert.match(why({ members: [member('a'), member('b', { wrong: 'is not healthy' })] })!, /b of .* is not healthy/)
  assert.match(why({ own: undefined })!, /which member/)
}

async function back(): Promise<void> {
  const why = (change: Partial<Cluster>) => awayFrom({ ...three, ...change }, server)?.failed
  assert.is(why({}), undefined)
  assert.match(why({ leader: undefined })!, /knows no leader/)
  assert.is(why({ applied: 5 }), 'a is at 5 of the log, the leader at 7')
  assert.is(why({ members: [member('a', { voter: false }), member('b')] }), 'a of the cluster is no voter')
  assert.match(why({ members: [member('a'), member('b', { wrong: 'knows no leader' })] })!, /b of .* knows no leader/)
  assert.match(why({ own: undefined })!, /which member/)
}

/** A way to a leader that is asked to step down; it has done so after the first answer that is not cut off, or after all. */
function leading(answers: readonly ('cut' | 'cut but done' | 403 | 204)[]) {
  const orders: string[] = []
  let leads = true
  const api = async ({ method, url }: ApiRequest) => {
    const body = (data: object) => ({ status: 200, body: data, headers: {} })
    if (url.endsWith('seal-status')) return body({ sealed: false, storage_type: 'consul', version: '1.19.0' })
    if (url.endsWith('leader'))
      return body({ ha_enabled: true, is_self: leads, leader_address: 'http://192.0.2.2:8200' })
    assert.is(`${method} ${url}`, 'PUT http://192.0.2.1:8200/v1/sys/step-down')
    const answer = answers[orders.length]
    orders.push(String(answer))
    if (answer === 204 || answer === 'cut but done') leads = false
    if (typeof answer === 'number') return { status: answer, body: undefined, headers: {} }
    return { unreachable: 'it ended the connection', sent: true }
  }
  return { orders, way: { api, connect: () => Promise.reject(new Error('it is not connected to')) } as Way }
}

async function down(): Promise<void> {
  const ordered = async (...answers: Parameters<typeof leading>[0]) => {
    const { orders, way } = leading(answers)
    const end = await stepDown(server, vaultCluster(server), 1).call(way, new AbortController().signal)
    return [orders.length, end.ok ? 'done' : end.why]
  }
  assert.equal(await ordered(204), [1, 'done'])
  assert.equal(await ordered('cut but done'), [1, 'done'], 'the new leader is not told to step down too')
  assert.equal(await ordered('cut', 204), [2, 'done'])
  assert.equal(await ordered('cut', 'cut'), [2, 'it ended the connection'])
  const [tries, why] = await ordered(403)
  assert.is(tries, 1)
  assert.match(String(why), /does not know the token|denies/)
}

async function alone(bao: Bao): Promise<void> {
  const [raft, all] = [bao.version === '2.7.2', ['healthy', 'spare', 'standby', 'voter']]
  const node = (state: string, more: object = {}) => ({ vault_node: { state, ...more }, register: state })
  const ran = await apply(
    bao,
    all.map((state) => node(state)),
  )
  assert.equal(
    ran.tasks.map((t) => [t.status, t.changes, t.message]),
    all.map(() => ['ok', [], undefined]),
  )
  assert.match(ran.warnings.join(), /is alone: nobody answers while it restarts/)
  assert.equal(await converges(bao, [node('voter')]), ['ok'])
  const told = { that: [`voter.node === '${raft ? 'n1' : ''}'`, 'voter.leads', `voter.version === '${bao.version}'`] }
  assert.equal(await converges(bao, [node('voter'), { assert: told }]), ['ok', 'ok'])
  if (!raft) return
  const other = (await apply(bao, [node('spare', { node: 'n2' })])).tasks[0]!
  assert.match(other.message!, /which member of its cluster .* is, is not to be seen: they are n1/)
  const late = (await apply(bao, [node('voter', { node: 'n2', timeout: 1 })])).tasks[0]!
  assert.match(late.message!, /they are n1, after 1 s/)
}

async function useless(bao: Bao): Promise<void> {
  const message = async (more: object) =>
    (await apply(bao, [{ vault_node: { state: 'spare', ...more } }])).tasks[0]!.message
  // only raft's questions need one
  if (bao.version === '2.7.2') assert.match((await message({ token: 'wrong-canary' }))!, /does not know the token/)
  await bao.seal()
  assert.match((await message({}))!, /is sealed/)
  const waited = (await apply(bao, [{ vault_node: { state: 'voter', timeout: 1 } }])).tasks[0]!
  assert.match(waited.message!, /is sealed, after 1 s/)
}

test('whom the others can do without', spare)
test('who is well', well)
test('who is back', back)
test('a leader steps down once, whatever becomes of the answer', down)

baoSuite(
  ['2.7.2', '2.6.2'],
  [
    ['one that is alone', alone],
    ['one that is sealed, and a token that is wrong', useless],
  ],
)
