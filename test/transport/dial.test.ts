import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Dialled, mostHandshakes } from '../../src/transport/dial.ts'
import { sshConnector } from '../../src/transport/ssh.ts'
import { ConnectError } from '../../src/transport/stream.ts'
import { until } from '../until.ts'
import { newKey, optionsWith, startPeer, startTcp, targetAt } from './peer.ts'

// Connections that are begun before anyone speaks on them.

const dir = mkdtempSync(join(tmpdir(), 'dial-test-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
process.env.HOME = dir

const [hostKey, userKey] = [newKey(), newKey()]
const keyFile = join(dir, 'key')
writeFileSync(keyFile, userKey.private, { mode: 0o600 })

/** How one gets on with that port: connected, or why not. */
async function tried(port: number, dialled: Dialled, key = hostKey, connectTimeout = 20): Promise<string> {
  const known = join(dir, 'known')
  writeFileSync(known, `[127.0.0.1]:${port} ${key.line}\n`)
  const ssh = await sshConnector(optionsWith(known, { dialled, connectTimeout }))
  return ssh.connect(targetAt(port, { keyFile })).then(
    (c) => c.close().then(() => 'connected'),
    (e: unknown) => (e instanceof ConnectError ? e.reason : String(e)),
  )
}

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A way to a port; the first that come by it may be turned away. */
async function doorTo(port: number, away: readonly ((s: Socket) => void)[] = []) {
  const came: Socket[] = []
  const door = await startTcp((client) => {
    came.push(client)
    client.on('error', () => {})
    const turn = away[came.length - 1]
    if (turn) return turn(client)
    const inner = connect(port, '127.0.0.1').on('error', () => {})
    client.on('close', () => inner.destroy())
    client.pipe(inner).pipe(client)
  })
  const close = () => {
    for (const s of came) s.destroy()
    door.server.close()
  }
  return { port: door.port, came, close }
}

test('one that was begun is used; the key of its host is checked all the same', async () => {
  const peer = await startPeer({ hostKeys: [hostKey] })
  const door = await doorTo(peer.port)
  const dialled = new Dialled()
  for (let i = 0; i < mostHandshakes + 5; i++) dialled.ahead('127.0.0.1', door.port)
  await until(() => door.came.length === mostHandshakes)
  assert.is(await tried(door.port, dialled), 'connected')
  assert.is(await tried(door.port, dialled, newKey()), 'key-changed')
  assert.is(door.came.length, mostHandshakes)
  door.close()
  peer.close()
})

test('one that was cut meanwhile, or never came about, costs nothing but a new one', async () => {
  const peer = await startPeer({ hostKeys: [hostKey] })
  const cuts: ((s: Socket) => void)[] = [(s) => s.end(), (s) => s.resetAndDestroy(), (s) => s.end('not now\r\n')]
  for (const cut of cuts) {
    const door = await doorTo(peer.port, [cut])
    const dialled = new Dialled()
    dialled.ahead('127.0.0.1', door.port)
    await later(100)
    assert.is(await tried(door.port, dialled), 'connected', cut.toString())
    assert.is(door.came.length, 2)
    door.close()
  }
  const dialled = new Dialled()
  dialled.ahead('127.0.0.1', 1)
  await later(50)
  assert.is(await tried(1, dialled), 'refused')
  assert.is(dialled.take('127.0.0.1', 1), undefined)
  peer.close()
})

test('a port that accepts and is silent is given up in time', async () => {
  const silent = await doorTo(0, [() => {}])
  const dialled = new Dialled()
  dialled.ahead('127.0.0.1', silent.port)
  await later(50)
  const began = performance.now()
  assert.is(await tried(silent.port, dialled, hostKey, 1), 'timeout')
  assert.ok(performance.now() - began < 15_000, 'in its own time, not in the one of others')
  assert.is(silent.came.length, 1)
  silent.close()
})

test.run()
