import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fingerprint } from '../../src/transport/known-hosts.ts'
import { type SshOptions, type SshTarget, sshConnector } from '../../src/transport/ssh.ts'
import { connectFailure } from '../../src/transport/ssh-failure.ts'
import { ConnectError, type Connection } from '../../src/transport/stream.ts'
import { startProxy } from '../lab/proxy.ts'
import { newKey, optionsWith, type Peer, startPeer, startTcp, targetAt } from './peer.ts'

const dir = mkdtempSync(join(tmpdir(), 'ssh-test-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
// no keys of whoever runs this
process.env.HOME = join(dir, 'home')

let files = 0
/** A known_hosts file that knows these keys of a peer. */
function knowing(port: number, keys: readonly { line: string }[]): string {
  const file = join(dir, `known-${++files}`)
  writeFileSync(file, keys.map((k) => `[127.0.0.1]:${port} ${k.line}\n`).join(''))
  return file
}

function keyFile(key: { private: string }): string {
  const file = join(dir, `key-${++files}`)
  writeFileSync(file, key.private, { mode: 0o600 })
  return file
}

async function refusal(options: SshOptions, target: SshTarget): Promise<ConnectError> {
  const { connect } = await sshConnector(options)
  const e = await connect(target).then(
    (c) => c.close().then(() => new Error('it connected')),
    (x: unknown) => x,
  )
  assert.instance(e, ConnectError, String(e))
  return e as ConnectError
}

async function said(connection: Connection, command: string): Promise<{ text: string; code: number | undefined }> {
  const stream = await connection.exec(command)
  const parts: Buffer[] = []
  stream.output.on('data', (d: Buffer) => parts.push(d))
  const { code } = await stream.ended
  return { text: Buffer.concat(parts).toString('latin1'), code }
}

async function withPeer(options: Parameters<typeof startPeer>[0], run: (peer: Peer) => Promise<void>): Promise<void> {
  const peer = await startPeer(options)
  try {
    await run(peer)
  } finally {
    peer.close()
  }
}

const hostKey = newKey()
const userKey = newKey()

test('an unknown key is refused with its fingerprint and what to do, before anything of us is told', () =>
  withPeer({ hostKeys: [hostKey] }, async ({ port, logins }) => {
    const known = join(dir, 'empty/known_hosts')
    const e = await refusal(optionsWith(known), targetAt(port, { keyFile: keyFile(userKey) }))
    assert.is(e.reason, 'key-unknown')
    assert.is(e.message, `the key of [127.0.0.1]:${port} is not known: ${fingerprint(hostKey.wire)}`)
    assert.match(e.hint!, `--accept-new adds it to ${known}`)
    assert.equal(logins, [])
    assert.is(existsSync(known), false)
  }))

test('a changed and a revoked key are refused, also with --accept-new', () =>
  withPeer({ hostKeys: [hostKey] }, async ({ port, logins }) => {
    const file = knowing(port, [newKey()])
    const changed = await refusal(optionsWith(file, { acceptNew: true }), targetAt(port, { keyFile: keyFile(userKey) }))
    assert.is(changed.reason, 'key-changed')
    assert.match(changed.message, fingerprint(hostKey.wire))
    assert.match(changed.message, `${file}:1`)
    assert.match(changed.hint!, `ssh-keygen -R '[127.0.0.1]:${port}' -f ${file}`)
    writeFileSync(file, `@revoked * ${hostKey.line}\n`)
    const revoked = await refusal(optionsWith(file, { acceptNew: true }), targetAt(port, { keyFile: keyFile(userKey) }))
    assert.match(revoked.message, /is revoked/)
    assert.equal(logins, [])
  }))

test('--accept-new adds a key once, for twenty at the same time', () =>
  withPeer({ hostKeys: [hostKey] }, async ({ port }) => {
    const known = join(dir, 'new/ssh/known_hosts')
    const { connect } = await sshConnector(optionsWith(known, { acceptNew: true }))
    const target = targetAt(port, { keyFile: keyFile(userKey) })
    const all = await Promise.all(Array.from({ length: 20 }, () => connect(target)))
    await Promise.all(all.map((c) => c.close()))
    assert.is(readFileSync(known, 'utf8'), `[127.0.0.1]:${port} ${hostKey.line}\n`)
    assert.is(statSync(known).mode & 0o777, 0o600)
    assert.is(statSync(join(dir, 'new/ssh')).mode & 0o777, 0o700)
    const again = await sshConnector(optionsWith(known))
    await (await again.connect(target)).close()
  }))

test('a key that can not be remembered is not accepted', () =>
  withPeer({ hostKeys: [hostKey] }, async ({ port, logins }) => {
    const file = keyFile(userKey)
    const e = await refusal(
      optionsWith(join(file, 'known_hosts'), { acceptNew: true }),
      targetAt(port, { keyFile: file }),
    )
    assert.match(e.message, /cannot be added to /)
    assert.equal(logins, [])
  }))

// ssh2 takes everything but the exact value false for a yes: ours never is
test("ssh2's hostVerifier fails open, so ours answers with a boolean", () =>
  withPeer({ hostKeys: [hostKey] }, async ({ port }) => {
    const connects = (hostVerifier: unknown) =>
      new Promise<boolean>((resolve) => {
        const client = new ssh2.Client()
        const auth = { username: 'x', privateKey: userKey.private }
        client.on('ready', () => client.end()).on('error', () => resolve(false))
        client.on('close', () => resolve(true))
        client.connect({ host: '127.0.0.1', port, ...auth, hostVerifier: hostVerifier as never })
      })
    assert.is(await connects(async () => false), true)
    assert.is(await connects(() => null), true)
    assert.is(await connects(() => false), false)
  }))

test('a key that is not the known one when keys are exchanged again ends the connection', () =>
  withPeer({ hostKeys: [hostKey] }, async (peer) => {
    const { port, connections } = peer
    const { connect } = await sshConnector(optionsWith(knowing(port, [hostKey])))
    const connection = await connect(targetAt(port, { keyFile: keyFile(userKey) }))
    const rekey = () =>
      new Promise<void>((r) => (connections[0] as unknown as { rekey(cb: () => void): void }).rekey(r))
    await rekey()
    assert.equal(await said(connection, 'echo on'), { text: 'on\n', code: 0 })
    const stream = await connection.exec('sleep 20')
    const keys = (connections[0] as unknown as { _protocol: { _hostKeys: Record<string, unknown> } })._protocol
      ._hostKeys
    keys['ssh-ed25519'] = ssh2.utils.parseKey(newKey().private)
    void rekey()
    assert.is((await stream.ended).code, undefined)
    assert.match(stream.errors(), /is not the one that is known/)
    await connection.close()
  }))

test('the type of key that is known is asked for', () => {
  const rsa = newKey('rsa')
  return withPeer({ hostKeys: [hostKey, rsa, newKey('ecdsa')] }, async ({ port }) => {
    const { connect } = await sshConnector(optionsWith(knowing(port, [rsa])))
    await (await connect(targetAt(port, { keyFile: keyFile(userKey) }))).close()
  })
})

test('any bytes, the exit code, what is said on standard error', () =>
  withPeer({ hostKeys: [hostKey] }, async ({ port }) => {
    const { connect } = await sshConnector(optionsWith(knowing(port, [hostKey])))
    const connection = await connect(targetAt(port, { keyFile: keyFile(userKey) }))
    const stream = await connection.exec('cat; echo bad >&2; exit 7')
    const parts: Buffer[] = []
    stream.output.on('data', (d: Buffer) => parts.push(d))
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256))
    stream.input.end(bytes)
    assert.is((await stream.ended).code, 7)
    assert.is(Buffer.concat(parts).equals(bytes), true)
    assert.is(stream.errors(), 'bad\n')
    await connection.close()
  }))

test('who is let in by nothing hears what was tried', () =>
  withPeer(
    { hostKeys: [hostKey], allows: ['publickey', 'password'], publicKeys: [], password: 'right' },
    async ({ port }) => {
      const known = knowing(port, [hostKey])
      const file = keyFile(userKey)
      const e = await refusal(optionsWith(known), targetAt(port, { keyFile: file, password: 'wrong-canary' }))
      assert.is(e.reason, 'auth')
      assert.is(e.message, `127.0.0.1 port ${port} lets anna in by none of: the key ${file}, the password`)
      assert.match(e.hint!, '--ask-pass')
      const nothing = await refusal(optionsWith(known), targetAt(port))
      assert.match(nothing.message, /there is nothing to log in to 127.0.0.1 port \d+ as anna with/)
      const away = await refusal(optionsWith(known), targetAt(port, { keyFile: join(dir, 'none') }))
      assert.match(away.message, /cannot be read: there is no such file/)
      writeFileSync(join(dir, 'rubbish'), 'no key\n')
      const rubbish = await refusal(optionsWith(known), targetAt(port, { keyFile: join(dir, 'rubbish') }))
      assert.match(rubbish.message, /is no key that can be used/)
    },
  ))

test('a password by itself and by keyboard-interactive; what is asked for with an echo is not answered with it', async () => {
  const prompts = [
    { prompt: 'Code: ', echo: true },
    { prompt: 'Password: ', echo: false },
  ]
  for (const allows of [['password'], ['keyboard-interactive']] as const)
    await withPeer({ hostKeys: [hostKey], allows, password: 'right', prompts }, async ({ port, logins }) => {
      const { connect } = await sshConnector(optionsWith(knowing(port, [hostKey]), { password: 'right' }))
      await (await connect(targetAt(port))).close()
      assert.is(logins.at(-1)!.method, allows[0])
      if (allows[0] === 'keyboard-interactive') assert.equal(logins.at(-1)!.prompts, ['', 'right'])
    })
})

test('an agent; one that is gone is passed over', async () => {
  const file = keyFile(userKey)
  const agent = spawnSync('ssh-agent', ['-s', '-a', join(dir, 'agent')], { encoding: 'utf8' })
  if (agent.error) return console.log('(without ssh-agent)')
  const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent.stdout)![1])
  try {
    const env = { ...process.env, SSH_AUTH_SOCK: join(dir, 'agent') }
    assert.is(spawnSync('ssh-add', ['-q', file], { env }).status, 0)
    await withPeer({ hostKeys: [hostKey], publicKeys: [userKey.wire] }, async ({ port }) => {
      const known = knowing(port, [hostKey])
      const { connect } = await sshConnector(optionsWith(known, { agent: join(dir, 'agent') }))
      await (await connect(targetAt(port))).close()
      const gone = await refusal(optionsWith(known, { agent: join(dir, 'no agent') }), targetAt(port))
      assert.match(gone.message, /the keys of the agent \(/)
    })
    await withPeer({ hostKeys: [hostKey], allows: ['publickey', 'password'], password: 'right' }, async ({ port }) => {
      const options = { agent: join(dir, 'no agent'), password: 'right' }
      const { connect } = await sshConnector(optionsWith(knowing(port, [hostKey]), options))
      await (await connect(targetAt(port))).close()
    })
  } finally {
    process.kill(pid)
  }
})

test('the passphrase of an encrypted key is asked for once, unless the agent holds it', async () => {
  const file = join(dir, 'locked')
  spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'canary-passphrase', '-C', '', '-f', file])
  const wire = Buffer.from(readFileSync(`${file}.pub`, 'utf8').split(' ')[1]!, 'base64')
  let asked = 0
  const ask = async (answer: string) => {
    asked++
    return answer
  }
  await withPeer({ hostKeys: [hostKey], publicKeys: [wire] }, async ({ port, logins }) => {
    const known = knowing(port, [hostKey])
    const target = targetAt(port, { keyFile: file })
    const { connect, unlock } = await sshConnector(
      optionsWith(known, { askPassphrase: () => ask('canary-passphrase') }),
    )
    await unlock([target, target])
    assert.is(asked, 1)
    const all = await Promise.all(Array.from({ length: 5 }, () => connect(target)))
    await Promise.all(all.map((c) => c.close()))
    assert.is(asked, 1)
    const wrong = await refusal(optionsWith(known, { askPassphrase: () => ask('wrong-canary') }), target)
    assert.match(wrong.message, /the passphrase does not open the key/)
    assert.not.match(wrong.message, /canary/)
    const nobody = await refusal(optionsWith(known), target)
    assert.match(nobody.message, /is encrypted: there is no terminal to ask on/)
    assert.match(nobody.hint!, /ssh-add/)

    const agent = spawnSync('ssh-agent', ['-s', '-a', join(dir, 'agent2')], { encoding: 'utf8' })
    const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent.stdout)![1])
    try {
      const env = { ...process.env, SSH_AUTH_SOCK: join(dir, 'agent2') }
      for (const key of [keyFile(newKey()), keyFile(newKey())]) spawnSync('ssh-add', ['-q', key], { env })
      const opened = join(dir, 'opened')
      writeFileSync(opened, readFileSync(file), { mode: 0o600 })
      spawnSync('ssh-keygen', ['-q', '-p', '-P', 'canary-passphrase', '-N', '', '-f', opened])
      assert.is(spawnSync('ssh-add', ['-q', opened], { env }).status, 0)
      const before = [asked, logins.length]
      const held = await sshConnector(optionsWith(known, { agent: join(dir, 'agent2'), askPassphrase: () => ask('x') }))
      await held.unlock([target])
      await (await held.connect(target)).close()
      assert.is(asked, before[0])
      // only this key of the agent was shown: once to ask, once signed
      assert.is(logins.length - before[1]!, 2)
    } finally {
      process.kill(pid)
    }
  })
})

test('each way a connection does not come about has its own words', async () => {
  const known = join(dir, 'none')
  const file = keyFile(userKey)
  const at = (port: number, more: Partial<SshTarget> = {}) => targetAt(port, { keyFile: file, ...more })
  const silent = await startTcp(() => {})
  const web = await startTcp((s) => s.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  try {
    const timeout = await refusal(optionsWith(known, { connectTimeout: 1 }), at(silent.port))
    assert.is(timeout.reason, 'timeout')
    assert.match(timeout.message, /did not answer within 1 s/)
    const unknown = await refusal(optionsWith(known), at(22, { address: 'no-such-host.invalid' }))
    assert.is(unknown.reason, 'name-unknown')
    assert.is((await refusal(optionsWith(known), at(1))).reason, 'refused')
  } finally {
    silent.server.close()
    web.server.close()
  }
  const failure = (e: object) => connectFailure(Object.assign(new Error('x'), e), at(22), ['the key k'], 10)
  assert.is(failure({ code: 'EHOSTUNREACH' }).reason, 'no-route')
  assert.is(failure({ code: 'ENETUNREACH' }).reason, 'no-route')
  assert.is(failure({ code: 'ETIMEDOUT' }).reason, 'timeout')
  assert.is(failure({ code: 'EAI_AGAIN' }).reason, 'name-unknown')
  assert.is(failure({ code: 'ECONNRESET' }).reason, 'dropped')
  assert.match(failure({ message: 'Too many authentication failures' }).message, /took no more tries .*the key k/)
  for (const code of ['ECONNREFUSED', 'EHOSTUNREACH', 'ETIMEDOUT', 'ENOTFOUND', 'ECONNRESET'])
    assert.ok(failure({ code }).hint, code)
})

test('handshakes that are dropped are tried again; at most eight are under way with one sshd', () =>
  withPeer({ hostKeys: [hostKey], slow: 20 }, async (peer) => {
    let drops = 25
    const { connect: join } = await import('node:net')
    const door = await startTcp((client) => {
      if (drops-- > 0) return client.destroy()
      const host = join(peer.port, '127.0.0.1')
      client.pipe(host).pipe(client)
      for (const s of [client, host]) s.on('error', () => [client, host].forEach((x) => void x.destroy()))
    })
    try {
      const { connect } = await sshConnector(optionsWith(knowing(door.port, [hostKey])))
      const file = keyFile(userKey)
      const all = await Promise.all(Array.from({ length: 60 }, () => connect(targetAt(door.port, { keyFile: file }))))
      assert.is(all.length, 60)
      assert.ok(peer.most() <= 8 && peer.most() > 3, `${peer.most()} at a time`)
      await Promise.all(all.map((c) => c.close()))
    } finally {
      door.server.close()
    }
  }))

test('a connection that falls silent is lost in bounded time, one that is cut at once', () =>
  withPeer({ hostKeys: [hostKey] }, async (peer) => {
    const proxy = await startProxy(peer)
    try {
      const { connect } = await sshConnector(optionsWith(knowing(proxy.port, [hostKey]), { keepalive: 1 }))
      const target = targetAt(proxy.port, { keyFile: keyFile(userKey) })
      const [one, two] = [await connect(target), await connect(target)]
      const cut = await one.exec('sleep 20')
      proxy.cut()
      assert.is((await cut.ended).code, undefined)
      assert.match(cut.errors(), /ECONNRESET/)
      await two.close()
      const three = await connect(target)
      const silent = await three.exec('sleep 20')
      proxy.stall()
      const from = performance.now()
      assert.is((await silent.ended).code, undefined)
      assert.ok(performance.now() - from < 15_000)
      assert.is(silent.errors(), 'no sign of life for 4 s')
      await Promise.all([one.close(), three.close()])
    } finally {
      await proxy.close()
    }
  }))

test.run()
