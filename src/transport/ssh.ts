import type { Readable, Writable } from 'node:stream'
import type { Client, ClientChannel, ConnectConfig } from 'ssh2'
import { type AuthMethod, Identities } from './auth.ts'
import { type Dialled, mostHandshakes } from './dial.ts'
import { forward } from './forward.ts'
import {
  appendKnownHost,
  fingerprint,
  judgeHost,
  type KnownKey,
  keysOf,
  knownName,
  loadKnownHosts,
} from './known-hosts.ts'
import { Pacer } from './pacer.ts'
import { connectFailure } from './ssh-failure.ts'
import { afterExit, type CommandStream, ConnectError, type Connection } from './stream.ts'

export interface SshTarget {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly user: string
  readonly keyFile: string | undefined
  readonly password: string | undefined
  /** Instead of those for all. */
  readonly knownHosts?: readonly string[] | undefined
  readonly acceptNew?: boolean
}

export interface SshOptions {
  /** Files of known host keys; to the first `acceptNew` adds. */
  readonly knownHosts: readonly string[]
  readonly acceptNew: boolean
  /** Seconds. */
  readonly connectTimeout: number
  /** Seconds between two signs of life; three without an answer end the connection. */
  readonly keepalive: number
  /** The agent's socket. */
  readonly agent: string | undefined
  /** For hosts that have none of their own. */
  readonly password: string | undefined
  readonly askPassphrase: (file: string) => Promise<string>
  /** Connections that were begun already. */
  readonly dialled?: Dialled
}

/** Seconds for which a handshake that sshd dropped all the same is tried again. */
const patience = 20

interface KnownHosts {
  /** Where new keys are added. */
  readonly file: string | undefined
  readonly keys: KnownKey[]
}

export interface SshConnector {
  /** Asks for the passphrases that these hosts need. */
  readonly unlock: (targets: readonly SshTarget[]) => Promise<void>
  /** @throws ConnectError */
  readonly connect: (target: SshTarget) => Promise<Connection>
}

/** Connects to hosts by ssh2; what hosts have in common (keys, known hosts) is read once. */
export async function sshConnector(options: SshOptions): Promise<SshConnector> {
  const { default: ssh2 } = await import('ssh2')
  const loaded = new Map<string, KnownHosts>()
  const knownTo = ({ knownHosts: files = options.knownHosts }: SshTarget): KnownHosts => {
    const found = loaded.get(files.join('\n')) ?? { file: files[0], keys: loadKnownHosts(files) }
    loaded.set(files.join('\n'), found)
    return found
  }
  const pacer = new Pacer(mostHandshakes)
  const identities = new Identities(ssh2, options)
  const attempt = async (target: SshTarget, methods: readonly AuthMethod[]): Promise<Connection> => {
    const until = performance.now() + Math.max(options.connectTimeout, patience) * 1000
    for (let n = 0; ; n++) {
      try {
        return await pacer.run(`${target.address} ${target.port}`, () =>
          handshake(new ssh2.Client(), target, methods, knownTo(target), options),
        )
      } catch (e) {
        if (!(e instanceof ConnectError) || e.reason !== 'dropped' || performance.now() > until) throw e
        await new Promise((r) => setTimeout(r, 100 * 2 ** Math.min(n, 4) * (0.5 + Math.random())))
      }
    }
  }
  return {
    unlock: (targets) => identities.unlock(targets),
    connect: async (target) => attempt(target, await identities.ways(target)),
  }
}

function handshake(
  client: Client,
  target: SshTarget,
  methods: readonly AuthMethod[],
  known: KnownHosts,
  options: SshOptions,
): Promise<Connection> {
  const tried: string[] = []
  let keyProblem: ConnectError | undefined
  const verify = (key: Buffer): boolean => {
    keyProblem = judge(key, target, known, options)
    return keyProblem === undefined
  }
  return new Promise((resolve, reject) => {
    const fail = (e: Error & { level?: string; code?: string }) => {
      // an agent that fails is one way less: ssh2 goes on with the next
      if (e.level === 'agent') tried.push(`${tried.pop()} (${e.message})`)
      else {
        client.destroy()
        reject(keyProblem ?? connectFailure(e, target, tried, options.connectTimeout))
      }
    }
    client.on('connect', () => client.setNoDelay(true))
    client.on('error', fail)
    client.on('close', () => fail(new Error('the connection was closed')))
    client.on('ready', () => {
      client.off('error', fail)
      resolve(connectionOf(client, options.keepalive, () => keyProblem?.message))
    })
    const sock = options.dialled?.take(target.address, target.port)
    client.connect({ ...configOf(target, methods, tried, known.keys, options, verify), ...(sock ? { sock } : {}) })
  })
}

function configOf(
  target: SshTarget,
  methods: readonly AuthMethod[],
  tried: string[],
  known: readonly KnownKey[],
  options: SshOptions,
  verify: (key: Buffer) => boolean,
): ConnectConfig {
  const remaining = [...methods]
  const types = keysOf(known, knownName(target.address, target.port)).flatMap((k) =>
    k.type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [k.type],
  )
  const order = [...new Set([...types.filter((t) => hostKeyTypes.includes(t)), ...hostKeyTypes])]
  return {
    host: target.address,
    port: target.port,
    username: target.user,
    readyTimeout: options.connectTimeout * 1000,
    keepaliveInterval: options.keepalive * 1000,
    keepaliveCountMax: 3,
    algorithms: { serverHostKey: order as never },
    // only the exact value false denies; it is called again on every rekey
    hostVerifier: (key: Buffer) => verify(key) === true,
    authHandler: (left, _partial, next) => {
      const allowed = left as readonly string[] | null
      let method = remaining.shift()
      while (method && allowed && !allowed.includes(method.needs)) method = remaining.shift()
      if (method) tried.push(method.label)
      next((method?.auth ?? false) as never)
    },
  }
}

const hostKeyTypes = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
]

/** Why a host's key is not accepted; undefined where it is. */
function judge(key: Buffer, target: SshTarget, known: KnownHosts, options: SshOptions): ConnectError | undefined {
  const name = knownName(target.address, target.port)
  const judged = judgeHost(known.keys, target.address, target.port, key)
  const print = fingerprint(key)
  const file = known.file ?? 'known_hosts'
  if (judged.kind === 'known') return undefined
  if (judged.kind === 'unknown' && (options.acceptNew || target.acceptNew)) return accept(key, name, file, known.keys)
  if (judged.kind === 'unknown')
    return new ConnectError(
      'key-unknown',
      `the key of ${name} is not known: ${print}`,
      `compare the fingerprint with the host's own, then --accept-new adds it to ${file}`,
    )
  if (judged.kind === 'revoked')
    return new ConnectError('key-changed', `the key of ${name} is revoked (${judged.at}): ${print}`)
  return new ConnectError(
    'key-changed',
    `the key of ${name} is not the one that is known (${judged.at}): now it shows ${print}`,
    `somebody may be in between; if the host was set up anew: ssh-keygen -R '${name}' -f ${file}, then --accept-new`,
  )
}

/** Remembers a key, also for the rest of this run.
 * @returns why it can not be remembered: then it is not accepted. */
function accept(key: Buffer, name: string, file: string, known: KnownKey[]): ConnectError | undefined {
  try {
    known.push(appendKnownHost(file, name, key))
    return undefined
  } catch (e) {
    return new ConnectError('key-unknown', `the key of ${name} cannot be added to ${file}: ${(e as Error).message}`)
  }
}

/** @param keyProblem what a key that the host showed later is refused for. */
function connectionOf(client: Client, keepalive: number, keyProblem: () => string | undefined): Connection {
  let reason = ''
  client.on('error', (e) => {
    const silent = e.message === 'Keepalive timeout' ? `no sign of life for ${keepalive * 4} s` : undefined
    reason ||= keyProblem() ?? silent ?? e.message
  })
  let gone = false
  const closed = new Promise<void>((resolve) =>
    client.on('close', () => {
      gone = true
      resolve()
    }),
  )
  const lost = () => (gone ? reason || 'the connection ended' : undefined)
  return {
    connect: (host, port) => forward(client, host, port, lost),
    lost,
    exec: (command) =>
      new Promise((resolve, reject) => {
        client.exec(command, (e, channel) => {
          if (e) reject(new ConnectError('lost', `no command can be started: ${e.message}`))
          else resolve(streamOf(channel, closed, () => reason))
        })
      }),
    close: async () => {
      client.end()
      const late = new Promise<void>((resolve) => setTimeout(resolve, 2000).unref())
      await Promise.race([closed, late])
      client.destroy()
    },
  }
}

const longestErrors = 8192

function streamOf(channel: ClientChannel, closed: Promise<void>, reason: () => string): CommandStream {
  let errors = ''
  let code: number | undefined
  let cut = false
  channel.stderr.on('data', (data: Buffer) => {
    errors = (errors + data.toString('latin1')).slice(-longestErrors)
  })
  channel.on('error', () => {})
  const ended = new Promise<{ code: number | undefined }>((resolve) => {
    channel.on('exit', (status: number | null) => {
      code = status ?? undefined
      // what a shell that was killed had started may hold its output open
      setTimeout(() => {
        resolve({ code })
        channel.destroy()
      }, afterExit).unref()
    })
    channel.on('close', () => resolve({ code }))
    void closed.then(() => {
      cut = code === undefined
      resolve({ code })
    })
  })
  return {
    input: channel as Writable,
    output: channel as Readable,
    // what a login says on standard error is not why a connection died
    errors: () => (cut ? reason() || errors : errors),
    ended,
    destroy: () => channel.destroy(),
  }
}
