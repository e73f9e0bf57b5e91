import type { ServerResponse } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Channel, requestKey } from '../../src/host/channel.ts'
import { localConnection } from '../../src/transport/local.ts'
import { until } from '../until.ts'
import { json, startApi } from './api-server.ts'
import { newAuthority } from './certificates.ts'

const authority = newAuthority()

test('JSON goes and comes; a stream is kept for the next request; errors of the server are answers', async () => {
  const server = await startApi(({ method, url, headers, data }, response) => {
    if (url === '/gone') json(response, { errors: ['not here'] }, 404)
    else if (url === '/none') response.writeHead(204).end()
    else if (url === '/text') response.end('plain')
    else json(response, { method, token: headers['x-vault-token'], sent: data === '' ? null : JSON.parse(data) })
  })
  const channel = new Channel(localConnection)
  const headers = { 'x-vault-token': 'canary' }
  const body = (answer: object) => ('body' in answer ? answer.body : answer)
  assert.equal(body(await channel.api({ url: `${server.url}/a`, headers })), {
    method: 'GET',
    token: 'canary',
    sent: null,
  })
  const put = await channel.api({ method: 'PUT', url: `${server.url}/b`, body: { n: 1, t: 'ü' } })
  assert.equal(body(put), { method: 'PUT', sent: { n: 1, t: 'ü' } })
  const gone = await channel.api({ url: `${server.url}/gone` })
  assert.is('status' in gone && gone.status, 404)
  assert.equal(body(gone), { errors: ['not here'] })
  const none = await channel.api({ method: 'DELETE', url: `${server.url}/none` })
  assert.is('status' in none && none.status, 204)
  assert.is(body(none), undefined)
  assert.is(body(await channel.api({ url: `${server.url}/text` })), 'plain')
  assert.ok(server.connections() <= 2, `${server.connections()} connections`)
  channel.close()
  await server.close()
})

test('equal questions at one time are asked once, and not more streams are open than some', async () => {
  const waiting: ServerResponse[] = []
  const server = await startApi((_, response) => void waiting.push(response))
  const channel = new Channel(localConnection)
  const all = Promise.all(Array.from({ length: 30 }, (_, i) => channel.api({ url: `${server.url}/${i % 10}` })))
  for (const together of [4, 4, 2]) {
    await until(() => waiting.length >= together)
    // one more would have come by then
    await new Promise((r) => setTimeout(r, 20))
    assert.is(waiting.length, together)
    for (const response of waiting.splice(0)) json(response, {})
  }
  await all
  assert.is(server.asked.length, 10)
  const later = channel.api({ url: `${server.url}/0` })
  await until(() => waiting.length === 1)
  json(waiting[0]!, {})
  await later
  channel.close()
  await server.close()
})

test('a server that ends what was kept is asked anew', async () => {
  const server = await startApi((_, response) => json(response, {}))
  const channel = new Channel(localConnection)
  await channel.api({ url: server.url })
  channel.renew()
  const again = await channel.api({ url: server.url })
  assert.is('status' in again && again.status, 200)
  assert.is(server.connections(), 2)
  channel.close()
  await server.close()
})

test('a stream that ends in the moment it is used again: a question is asked anew, a change is not made twice', async () => {
  const sockets = new Set<unknown>()
  const server = await startApi((request, response) => {
    if (sockets.has(request.socket)) return request.socket.destroy()
    sockets.add(request.socket)
    json(response, {})
  })
  const channel = new Channel(localConnection)
  const asked = async (method: 'GET' | 'PUT') => {
    const answer = await channel.api({ method, url: server.url })
    return 'status' in answer ? answer.status : `${answer.unreachable.replace(/^\S+ /, '')}, ${answer.sent}`
  }
  assert.equal(
    [await asked('GET'), await asked('GET'), await asked('PUT'), await asked('PUT')],
    [200, 200, 'ended the connection before it answered, true', 200],
  )
  assert.is(server.asked.length, 5)
  channel.close()
  await server.close()
})

test('a stream that its server ended at rest is not used again, where nothing but its end is seen, as through an sshd', async () => {
  let streams = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    streams++
    // the first request is answered, the end follows, and later ones are taken without a word
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'))
    socket.on('data', () => {})
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let last: Socket
  const channel = new Channel({
    ...localConnection,
    connect: async (host, port) => (last = connect({ host, port, allowHalfOpen: true })),
  })
  const { port } = server.address() as { port: number }
  const request = { method: 'PUT', url: `http://127.0.0.1:${port}/`, timeout: 20 } as const
  for (const turn of [1, 2, 3]) {
    const answer = await channel.api(request)
    assert.is('status' in answer ? answer.status : answer.unreachable, 200)
    await until(() => last.readableEnded || last.destroyed)
    assert.is(streams, turn)
  }
  channel.close()
  server.close()
})

test('whatever keeps an answer from coming is said in a sentence', async () => {
  const channel = new Channel(localConnection)
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  const rude = createServer((s) => s.once('data', () => s.destroy())).listen(0, '127.0.0.1')
  const odd = createServer((s) => s.end('SSH-2.0-hello\r\n')).listen(0, '127.0.0.1')
  await Promise.all([silent, rude, odd].map((s) => new Promise((r) => s.once('listening', r))))
  const portOf = (s: typeof silent) => (s.address() as { port: number }).port
  const long = await startApi((_, response) => {
    const part = Buffer.alloc(1_000_000, 'x')
    const more = () => response.write(part) && setImmediate(more)
    response.on('drain', more)
    more()
  })
  const why = async (url: string) => {
    const answer = await channel.api({ url, timeout: url.includes('silent') ? 1 : 20 })
    return 'unreachable' in answer ? `${answer.unreachable}, ${answer.sent}` : `status ${answer.status}`
  }
  assert.match(await why('http://127.0.0.1:9/'), /^127\.0\.0\.1:9 refused the connection, false$/)
  assert.match(await why('http://no-such-host.invalid/'), /does not know the name in no-such-host\.invalid:80, false$/)
  assert.match(await why(`http://127.0.0.1:${portOf(silent)}/silent`), /did not answer within 1 s, true$/)
  assert.match(await why(`http://127.0.0.1:${portOf(rude)}/`), /ended the connection before it answered, true$/)
  assert.match(await why(`http://127.0.0.1:${portOf(odd)}/`), /does not speak HTTP, true$/)
  assert.match(await why(`https://127.0.0.1:${portOf(rude)}/`), /ended the connection before it answered, false$/)
  assert.match(await why(`${long.url}/`), /answered more than 16 MB, true$/)
  channel.close()
  for (const s of [silent, rude, odd]) s.close()
  await long.close()
})

test('TLS is verified: the authority, the name, the time', async () => {
  const ok = await startApi(
    (_, response) => json(response, { ok: true }),
    authority.issue('IP:127.0.0.1,DNS:vault.test'),
  )
  const other = await startApi((_, response) => json(response, {}), authority.issue('DNS:vault.test'))
  const old = await startApi((_, response) => json(response, {}), authority.issue('IP:127.0.0.1', -1))
  const plain = await startApi((_, response) => json(response, {}))
  const channel = new Channel(localConnection)
  const { ca } = authority
  const said = async (url: string, tls: object) => {
    const answer = await channel.api({ url, tls })
    return 'unreachable' in answer ? answer.unreachable : `status ${answer.status}`
  }
  assert.is(await said(ok.url, { ca }), 'status 200')
  assert.is(await said(ok.url, { ca, serverName: 'vault.test' }), 'status 200')
  assert.match(await said(ok.url, {}), /nobody who is believed signed the certificate of 127/)
  assert.match(await said(ok.url, { ca: newAuthority().ca }), /nobody who is believed signed/)
  assert.is(await said(ok.url, { unverified: true }), 'status 200')
  assert.match(await said(ok.url, { ca, serverName: 'other.test' }), /is not for this name: .*vault\.test/)
  assert.match(await said(other.url, { ca }), /is not for this name/)
  assert.is(await said(other.url, { ca, serverName: 'vault.test' }), 'status 200')
  assert.match(await said(old.url, { ca }), /has expired/)
  assert.match(await said(plain.url.replace('http:', 'https:'), { ca }), /does not speak TLS/)
  channel.close()
  for (const server of [ok, other, old, plain]) await server.close()
})

test('a key tells requests apart and shows no secret', () => {
  const url = 'http://127.0.0.1:8200/v1/secret/a'
  const [a, b] = ['token-canary-a', 'token-canary-b'].map((token) =>
    requestKey({ url, headers: { 'x-vault-token': token } }),
  )
  assert.is.not(a, b)
  assert.not.match(`${a}${b}`, /canary/)
  assert.not.match(requestKey({ url, body: { password: 'canary' } }), /canary/)
})

test.run()
