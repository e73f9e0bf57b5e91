import { spawn } from 'node:child_process'
import { timingSafeEqual } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { userInfo } from 'node:os'
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel, type Session } from 'ssh2'

/** A host that is no machine of its own: an SSH server whose commands run on this machine, by the user's own `sh`, with a
 * home directory of their own. A stand-in for hosts where none can be booted. */
export interface EmbeddedHost {
  readonly port: number
  readonly close: () => Promise<void>
}

export interface EmbeddedOptions {
  /** Becomes HOME of every command. */
  readonly home: string
  /** Private, in OpenSSH's format. */
  readonly hostKey: string
  /** The one public key that is let in. */
  readonly userKey: string
}

/** Listens on a free port of 127.0.0.1. */
export async function startHost({ home, hostKey, userKey }: EmbeddedOptions): Promise<EmbeddedHost> {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const allowed = ssh2.utils.parseKey(userKey) as ParsedKey
  const open = new Set<Connection>()
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    open.add(client)
    client.on('close', () => open.delete(client))
    client.on('error', () => {})
    client.on('authentication', (ctx) => (isAllowed(ctx, allowed) ? ctx.accept() : ctx.reject(['publickey'])))
    client.on('ready', () => client.on('session', (accept) => serve(accept(), home)))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const client of open) client.end()
      }),
  }
}

function isAllowed(ctx: AuthContext, allowed: ParsedKey): boolean {
  if (ctx.method !== 'publickey' || ctx.key.algo !== allowed.type) return false
  const [given, own] = [ctx.key.data, allowed.getPublicSSH()]
  if (given.length !== own.length || !timingSafeEqual(given, own)) return false
  // without a signature the client only asks whether it should sign
  return !ctx.signature || allowed.verify(ctx.blob!, ctx.signature, ctx.hashAlgo) === true
}

function serve(session: Session, home: string): void {
  let signal = (_name: NodeJS.Signals) => {}
  session.on('signal', (accept, _reject, { name }) => {
    accept?.()
    signal(`SIG${name}` as NodeJS.Signals)
  })
  session.on('exec', (accept, _reject, { command }) => {
    signal = run(accept(), command, home)
  })
}

/** Runs a command in a process group of its own, which gets SIGHUP when the channel goes, as from a terminal that is closed.
 * @returns sends a signal to the group. */
function run(channel: ServerChannel, command: string, home: string): (name: NodeJS.Signals) => void {
  const { username, shell } = userInfo()
  const { PATH = '/usr/bin:/bin', LANG = 'C.UTF-8' } = process.env
  const env = { HOME: home, USER: username, LOGNAME: username, SHELL: shell ?? '/bin/sh', PATH, LANG }
  const child = spawn('sh', ['-c', command], { cwd: home, env, detached: true })
  const send = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name)
    } catch {
      // the group is gone already
    }
  }
  child.stdin.on('error', () => {})
  channel.on('error', () => {})
  channel.pipe(child.stdin)
  child.stdout.pipe(channel, { end: false })
  child.stderr.pipe(channel.stderr, { end: false })
  child.on('error', () => {
    channel.exit(127)
    channel.end()
  })
  child.on('close', (code, name) => {
    if (name) channel.exit(name.slice(3))
    else channel.exit(code ?? 255)
    channel.end()
  })
  channel.on('close', () => send('SIGHUP'))
  return send
}
