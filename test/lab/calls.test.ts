import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { Channel } from '../../src/host/channel.ts'
import { Conversation } from '../../src/host/conversation.ts'
import { api } from '../../src/host/reads/api.ts'
import type { Step } from '../../src/host/step.ts'
import { sshConnector } from '../../src/transport/ssh.ts'
import { ConnectError, type Connection } from '../../src/transport/stream.ts'
import { json, startApi } from '../host/api-server.ts'
import { newAuthority } from '../host/certificates.ts'
import { optionsWith } from '../transport/peer.ts'
import type { Lab } from './lab.ts'
import { startProxy } from './proxy.ts'
import { startRunbook, until } from './runbook.ts'
import { labSuite } from './suite.ts'
import { moreSshd } from './ways.ts'

// Calls through a real sshd. The hosts have this machine's network: what listens here they see as their own loopback.

async function connectTo(lab: Lab, address = lab.hosts[0]!.address, port = 22): Promise<Connection> {
  const ssh = await sshConnector(optionsWith(lab.knownHostsFile, { acceptNew: true, keepalive: 1 }))
  return ssh.connect({ name: 'h1', address, port, user: 'root', keyFile: lab.keyFile, password: undefined })
}

const pathOf = (answer: object) => ('body' in answer ? (answer.body as { url: string }).url : answer)

async function answers(lab: Lab): Promise<void> {
  const authority = newAuthority()
  const plain = await startApi(({ url }, response) => json(response, { url }))
  const secure = await startApi(({ url }, response) => json(response, { url }), authority.issue('IP:127.0.0.1'))
  const connection = await connectTo(lab)
  const channel = new Channel(connection)
  assert.is(pathOf(await channel.api({ url: `${plain.url}/a` })), '/a')
  assert.is(pathOf(await channel.api({ url: `${plain.url}/b` })), '/b')
  assert.is(plain.connections(), 1)
  // many at once: more than an sshd has sessions for
  const many = await Promise.all(Array.from({ length: 40 }, (_, i) => channel.api({ url: `${plain.url}/${i}` })))
  assert.equal(
    many.map(pathOf),
    Array.from({ length: 40 }, (_, i) => `/${i}`),
  )
  assert.ok(plain.connections() <= 4)
  const tls = { ca: authority.ca }
  assert.is(pathOf(await channel.api({ url: `${secure.url}/tls`, tls })), '/tls')
  const refused = await channel.api({ url: secure.url })
  assert.match('unreachable' in refused ? refused.unreachable : '', /nobody who is believed signed/)
  const body = { big: 'x'.repeat(3_000_000) }
  assert.is(pathOf(await channel.api({ method: 'PUT', url: `${plain.url}/big`, body })), '/big')
  channel.close()
  await connection.close()
  await plain.close()
  await secure.close()
}

async function refusals(lab: Lab): Promise<void> {
  const connection = await connectTo(lab)
  const why = async (from: Connection, url: string) => {
    const answer = await new Channel(from).api({ url, timeout: 30 })
    return 'unreachable' in answer ? `${answer.sent} ${answer.unreachable} | ${answer.hint}` : `status ${answer.status}`
  }
  assert.match(await why(connection, 'http://127.0.0.1:9/'), /^false 127\.0\.0\.1:9 .*refused.*\| does the service run/)
  assert.match(await why(connection, 'http://no-such-host.invalid/'), /^false .*no-such-host\.invalid:80/)
  await connection.close()
  const port = await moreSshd(lab, 'h1', 'AllowTcpForwarding=no')
  const strict = await connectTo(lab, lab.hosts[0]!.address, port)
  assert.match(await why(strict, 'http://127.0.0.1:9/'), /^false the host's sshd lets no connection through .*AllowTcp/)
  await strict.close()
  const gone = await new Channel(strict).api({ url: 'http://127.0.0.1:9/' }).catch((e: unknown) => e)
  assert.instance(gone, ConnectError)
}

async function lostOnes(lab: Lab): Promise<void> {
  let asked = () => {}
  const server = await startApi((_, response) => {
    response.on('error', () => {})
    asked()
  })
  const step: Step = {
    summary: 'call',
    effects: [],
    call: async (way) => ({ ok: 'status' in (await way.api({ method: 'PUT', url: server.url })) }),
  }
  // a reset; and a way that falls silent, which the signs of life tell
  for (const breakIt of ['cut', 'stall'] as const) {
    const proxy = await startProxy(lab.hosts[0]!)
    const connection = await connectTo(lab, proxy.address, proxy.port)
    const talk = await Conversation.open(connection)
    await talk.ask([])
    const begun = new Promise<void>((resolve) => {
      asked = resolve
    })
    const { ends, answers: told } = talk.apply([{ step, timeout: undefined }], [])
    told.catch(() => {})
    await begun
    proxy[breakIt]()
    const end = await ends[0]!
    assert.is(end.outcome, 'lost', breakIt)
    assert.match(end.stderr.toString(), breakIt === 'cut' ? /reset|ended/i : /no sign of life/)
    const answer = await talk.ask([api({ url: server.url })]).catch((e: unknown) => e)
    assert.instance(answer, ConnectError)
    await talk.kill()
    await connection.close()
    await proxy.close()
  }
  await server.close()
}

/** The command line, with a server that never answers a change: whoever is cut off then is not told that it was done. */
async function lostRuns(lab: Lab): Promise<void> {
  let writes = 0
  let asked = () => {}
  const server = await startApi(({ method, url }, response) => {
    // what a token is, and may do, is asked by a POST too
    if (method !== 'GET' && !url!.includes('policies')) return json(response, { errors: ['no'] }, 400)
    if (method !== 'GET') {
      writes += 1
      return asked()
    }
    if (url === '/v1/sys/seal-status')
      return json(response, {
        sealed: false,
        initialized: true,
        version: '2.7.2',
        commit_date: 'x',
        recovery_seal: true,
      })
    json(response, {}, url!.includes('policies') ? 404 : 200)
  })
  const file = join(lab.dir, 'lost.yml')
  const policy = (name: string) => ({ vault_policy: { name, policy: 'x', address: server.url, token: 'canary-token' } })
  writeFileSync(file, JSON.stringify([{ hosts: 'all', gather_facts: false, tasks: [policy('a'), policy('b')] }]))
  const args = (inventory: string) => [
    'apply',
    file,
    '-i',
    inventory,
    '--known-hosts',
    join(lab.dir, 'calls-known'),
    '--accept-new',
  ]
  for (const how of ['cut', 'interrupt'] as const) {
    const proxy = await startProxy(lab.hosts[0]!)
    const inventory = join(lab.dir, `${how}.json`)
    const at = { ansible_host: proxy.address, ansible_port: proxy.port, ansible_user: 'root' }
    const host = { ...at, ansible_ssh_private_key_file: lab.keyFile }
    writeFileSync(inventory, JSON.stringify({ all: { hosts: { h1: host } } }))
    const begun = new Promise<void>((resolve) => {
      asked = resolve
    })
    const run = startRunbook([...args(inventory), '--output', 'ndjson'])
    await begun
    if (how === 'cut') proxy.cut()
    else {
      run.child.kill('SIGINT')
      // two that are not taken yet are one
      await until('the first is told', () => run.stderr().includes('interrupted'))
      run.child.kill('SIGINT')
    }
    const { stdout, stderr, status } = await run.ended
    assert.is.not(status, 0)
    assert.match(stdout, /"status":"unreachable".*make policy a: the connection was lost while it ran/)
    assert.not.match(stdout, /"status":"(ok|changed)"/)
    assert.not.match(stdout + stderr, /canary-token/)
    await proxy.close()
  }
  assert.is(writes, 2)
  await server.close()
}

async function brokenServers(lab: Lab): Promise<void> {
  const server = await startApi((_, response) => json(response, { long: 'x'.repeat(100_000) }))
  const connection = await connectTo(lab)
  const channel = new Channel(connection)
  const why = async (port: number, timeout = 30) => {
    const answer = await channel.api({ url: `http://127.0.0.1:${port}/`, timeout })
    return 'unreachable' in answer ? `${answer.sent} ${answer.unreachable}` : `status ${answer.status}`
  }
  const cut = await startProxy({ address: '127.0.0.1', port: server.port }, { cutAfter: { toClient: 500 } })
  assert.match(await why(cut.port), /^true .*ended the connection before it answered/)
  const stalled = await startProxy({ address: '127.0.0.1', port: server.port }, { stallAfter: { toClient: 500 } })
  assert.match(await why(stalled.port, 1), /^true .*did not answer within 1 s/)
  const banner = createServer((s) => s.end('220 mail\r\n')).listen(0, '127.0.0.1')
  await new Promise((r) => banner.once('listening', r))
  assert.match(await why((banner.address() as { port: number }).port), /does not speak HTTP/)
  // the connection is as good as before
  assert.match(await why(server.port), /^status 200$/)
  channel.close()
  await connection.close()
  banner.close()
  for (const proxy of [cut, stalled]) await proxy.close()
  await server.close()
}

/** What a step was to start is not waited for where another, of another user, failed before it. */
async function notStarted(lab: Lab): Promise<void> {
  const file = join(lab.dir, 'not-started.yml')
  const tasks = [
    { command: 'false', become_user: 'nobody', affects: 'nothing' },
    { command: 'true' },
    { vault_init: { address: 'http://127.0.0.1:9', store: '/nowhere/keys', plaintext: true, timeout: 40 } },
  ]
  writeFileSync(file, JSON.stringify([{ hosts: 'all', become: true, tasks }]))
  const began = Date.now()
  const { stdout, status } = await startRunbook(['apply', file], lab).ended
  assert.is(status, 1, stdout)
  assert.ok(Date.now() - began < 30_000, stdout)
}

labSuite(1, [
  ['calls are answered through a real sshd, on streams that are kept', answers],
  ['an address that nobody listens on, and an sshd that lets nothing through, are told apart', refusals],
  ['a call whose host is lost is lost, never done', lostOnes],
  ['a run whose host is lost, or that is ended, during a call says that nobody knows', lostRuns],
  ['a server that breaks off or falls silent is an answer, and the host stays', brokenServers],
  ['what a step was to start is not waited for where another failed before it', notStarted],
])
