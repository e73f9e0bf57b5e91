import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ProxyOptions, startProxy } from './proxy.ts'

/** A server that sends back what it gets, with a proxy before it and a client of that. */
async function withEcho(options: ProxyOptions, run: (at: Awaited<ReturnType<typeof open>>) => Promise<void>) {
  const server = createServer((s) => s.on('error', () => {}).pipe(s))
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r))
  const at = await open(server, options)
  try {
    await run(at)
  } finally {
    at.client.destroy()
    await at.proxy.close()
    server.close()
  }
}

async function open(server: Server, options: ProxyOptions) {
  const proxy = await startProxy({ address: '127.0.0.1', port: (server.address() as { port: number }).port }, options)
  const client = connect(proxy.port, proxy.address)
  const got: Buffer[] = []
  client.on('data', (d) => got.push(d))
  client.on('error', () => {})
  return { proxy, client, text: () => Buffer.concat(got).toString() }
}

const closed = (client: Socket) => new Promise((r) => client.once('close', r))
const until = async (test: () => boolean) => {
  for (let i = 0; i < 4000 && !test(); i++) await new Promise((r) => setTimeout(r, 5))
  assert.ok(test(), 'it never came to that')
}

test('a round trip takes twice the delay, and what is sent ahead none of its own', async () => {
  await withEcho({ delay: 40 }, async ({ client, text }) => {
    client.write('a')
    await until(() => text() === 'a')
    const began = performance.now()
    client.write('b')
    setTimeout(() => client.write('c'), 10)
    await until(() => text() === 'abc')
    const took = performance.now() - began
    assert.ok(took >= 79, `${took} ms`)
  })
})

test('a connection is cut after so many bytes, which still arrive', async () => {
  await withEcho({ cutAfter: { toClient: 5 } }, async ({ client, text }) => {
    const end = closed(client)
    client.write('0123456789')
    await end
    assert.is(text(), '01234')
  })
})

test('a stalled connection stays open and says nothing', async () => {
  await withEcho({ stallAfter: { toClient: 3 } }, async ({ client, text, proxy }) => {
    client.write('0123456789')
    await until(() => text() === '012')
    await new Promise((r) => setTimeout(r, 50))
    assert.is(text(), '012')
    assert.not(client.destroyed)
    assert.is(proxy.passed.toClient, 3)
  })
})

test('stall and resume, then cut', async () => {
  await withEcho({}, async ({ client, text, proxy }) => {
    proxy.stall()
    client.write('late')
    await new Promise((r) => setTimeout(r, 50))
    assert.is(text(), '')
    proxy.resume()
    await until(() => text() === 'late')
    const end = closed(client)
    proxy.cut()
    await end
  })
})

/** What Node holds of TCP, also what it has forgotten to close. */
const tcpHandles = () => {
  const { libuv } = process.report!.getReport() as unknown as { libuv: { type: string }[] }
  return libuv.filter((h) => h.type === 'tcp').length
}

test('a connection that is cut in the moment of its end is closed all the same', async () => {
  await withEcho({}, async ({ client, text, proxy }) => {
    client.write('a')
    await until(() => text() === 'a')
    let cuts = 0
    const other = createServer((s) => s.once('data', () => cuts++ === 0 && proxy.cut()))
    await new Promise<void>((r) => other.listen(0, '127.0.0.1', r))
    const trigger = connect((other.address() as { port: number }).port, '127.0.0.1')
    await new Promise((r) => trigger.once('connect', r))
    await new Promise((r) => setTimeout(r, 20))
    // both are there when Node looks next, in this order: it is cut before the end was handed on
    client.destroy()
    trigger.write('now')
    await until(() => cuts === 1)
    trigger.destroy()
    other.close()
    await until(() => tcpHandles() === 2)
  })
})

test.run()
