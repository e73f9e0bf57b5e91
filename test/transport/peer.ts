import { spawn } from 'node:child_process'
import { type AddressInfo, createServer, type Server as TcpServer } from 'node:net'
import ssh2 from 'ssh2'
import type { SshOptions, SshTarget } from '../../src/transport/ssh.ts'
import { newKeyPair } from '../embedded/key-pair.ts'

type Key = ReturnType<typeof newKey>

/** A key pair as a server and a known_hosts line take it. */
export function newKey(type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519') {
  const made = newKeyPair(type)
  const [name, base64] = made.public.split(' ')
  return { private: made.private, line: `${name} ${base64}`, wire: Buffer.from(base64!, 'base64') }
}

export interface Login {
  readonly method: string
  readonly user: string
  readonly prompts?: readonly string[]
}

/** An sshd of our own in this process: a stand-in where what the server does has to be odd. */
export interface Peer {
  readonly address: string
  readonly port: number
  readonly logins: Login[]
  /** Handshakes under way, at most. */
  readonly most: () => number
  readonly connections: ssh2.Connection[]
  readonly close: () => void
}

export interface PeerOptions {
  readonly hostKeys?: readonly Key[]
  readonly allows?: readonly ('publickey' | 'password' | 'keyboard-interactive')[]
  readonly publicKeys?: readonly Buffer[]
  readonly password?: string
  /** What keyboard-interactive asks; what is asked with an echo is no password. */
  readonly prompts?: readonly { readonly prompt: string; readonly echo: boolean }[]
  /** Milliseconds before a login is answered. */
  readonly slow?: number
}

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const { hostKeys = [newKey()], allows = ['publickey'], publicKeys, password, prompts = [], slow = 0 } = options
  const logins: Login[] = []
  const connections: ssh2.Connection[] = []
  let underway = 0
  let most = 0
  const server = new ssh2.Server({ hostKeys: hostKeys.map((k) => k.private) }, (client) => {
    connections.push(client)
    most = Math.max(most, ++underway)
    let counted = true
    const done = () => {
      if (counted) underway--
      counted = false
    }
    client.on('error', () => {})
    client.on('close', done)
    client.on('authentication', (ctx) => {
      const refuse = () => ctx.reject([...allows])
      if (!allows.includes(ctx.method as never)) return refuse()
      if (ctx.method === 'publickey') {
        logins.push({ method: ctx.method, user: ctx.username })
        const fits = !publicKeys || publicKeys.some((k) => k.equals(ctx.key.data))
        setTimeout(() => (fits ? ctx.accept() : refuse()), slow)
      } else if (ctx.method === 'password') {
        logins.push({ method: ctx.method, user: ctx.username })
        setTimeout(() => (ctx.password === password ? ctx.accept() : refuse()), slow)
      } else if (ctx.method === 'keyboard-interactive')
        ctx.prompt(prompts as never, (answers) => {
          logins.push({ method: ctx.method, user: ctx.username, prompts: answers })
          if (answers.every((a, i) => a === (prompts[i]!.echo ? '' : password))) ctx.accept()
          else refuse()
        })
    })
    client.on('ready', () => {
      done()
      client.on('session', (accept) =>
        accept().on('exec', (take, _refuse, { command }) => run(take() as ssh2.ServerChannel, command)),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    for (const c of connections) c.end()
    server.close()
  }
  return { address: '127.0.0.1', port, logins, most: () => most, connections, close }
}

function run(channel: ssh2.ServerChannel, command: string): void {
  const child = spawn('sh', ['-c', command])
  channel.on('data', (d: Buffer) => child.stdin.write(d)).on('end', () => child.stdin.end())
  channel.on('close', () => child.stdin.destroy())
  child.stdin.on('error', () => {})
  child.stdout.pipe(channel, { end: false })
  child.stderr.on('data', (d) => channel.stderr.write(d))
  child.on('close', (code) => {
    channel.exit(code ?? 1)
    channel.end()
  })
}

/** A TCP server that is no sshd. */
export async function startTcp(each: Parameters<typeof createServer>[1]): Promise<{ port: number; server: TcpServer }> {
  const server = createServer({}, each as never)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, server }
}

export function targetAt(port: number, more: Partial<SshTarget> = {}): SshTarget {
  const target = { name: 'h', address: '127.0.0.1', port, user: 'anna', keyFile: undefined, password: undefined }
  return { ...target, ...more }
}

export function optionsWith(knownHosts: string, more: Partial<SshOptions> = {}): SshOptions {
  return {
    knownHosts: [knownHosts],
    acceptNew: false,
    connectTimeout: 10,
    keepalive: 10,
    agent: undefined,
    password: undefined,
    askPassphrase: () => Promise.reject(new Error('there is no terminal to ask on')),
    ...more,
  }
}
