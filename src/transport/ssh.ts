import type { Readable, Writable } from 'node:stream'
import type { Client, ClientChannel, ConnectConfig } from 'ssh2'
import { type AuthMethod, authMethods } from './auth.ts'
import {
  appendKnownHost,
  fingerprint,
  judgeKey,
  type KnownKey,
  keysOf,
  knownName,
  loadKnownHosts,
} from './known-hosts.ts'
import { Pacer } from './pacer.ts'
import { connectFailure } from './ssh-failure.ts'
import { type CommandStream, ConnectError, type Connection } from './stream.ts'

export interface SshTarget {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly user: string
  readonly keyFile: string | undefined
  readonly password: string | undefined
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
}

/** Handshakes at a time with one sshd: MaxStartups drops more at random. */
const handshakes = 8
/** Tries after sshd dropped a handshake all the same. */
const retries = 5

/** Connects to hosts by ssh2; what hosts have in common (keys, known hosts) is read once. */
export async function sshConnector(options: SshOptions): Promise<(target: SshTarget) => Promise<Connection>> {
  const { default: ssh2 } = await import('ssh2')
  const known = loadKnownHosts(options.knownHosts)
  const pacer = new Pacer(handshakes)
  const passphrases = new Map<string, Promise<string>>()
  const askPassphrase = (file: string) => {
    const asked = passphrases.get(file) ?? options.askPassphrase(file)
    passphrases.set(file, asked)
    return asked
  }
  return async (target) => {
    const methods = await authMethods(target, { ...options, askPassphrase }, ssh2)
    const connect = () => handshake(new ssh2.Client(), target, methods, known, options)
    for (let attempt = 0; ; attempt++) {
      try {
        return await pacer.run(`${target.address} ${target.port}`, connect)
      } catch (e) {
        if (!(e instanceof ConnectError) || e.reason !== 'dropped' || attempt === retries) throw e
        await new Promise((r) => setTimeout(r, 100 * 2 ** attempt * (0.5 + Math.random())))
      }
    }
  }
}

function handshake(
  client: Client,
  target: SshTarget,
  methods: readonly AuthMethod[],
  known: KnownKey[],
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
      client.destroy()
      reject(keyProblem ?? connectFailure(e, target, tried, options.connectTimeout))
    }
    client.on('connect', () => client.setNoDelay(true))
    client.on('keyboard-interactive', (_name, _instructions, _language, prompts, finish) => {
      finish(prompts.map(() => target.password ?? options.password ?? ''))
    })
    client.on('error', fail)
    client.on('close', () => fail(new Error('the connection was closed')))
    client.on('ready', () => {
      client.off('error', fail)
      resolve(connectionOf(client))
    })
    client.connect(configOf(target, methods, tried, known, options, verify))
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
    // only the exact value false denies
    hostVerifier: (key: Buffer) => verify(key),
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
function judge(key: Buffer, target: SshTarget, known: KnownKey[], options: SshOptions): ConnectError | undefined {
  const name = knownName(target.address, target.port)
  const judged = judgeKey(known, name, key)
  const print = fingerprint(key)
  const file = options.knownHosts[0] ?? 'known_hosts'
  if (judged.kind === 'known') return undefined
  if (judged.kind === 'unknown' && options.acceptNew) {
    appendKnownHost(file, name, key)
    known.push(...loadKnownHosts([file]).filter((k) => k.key === key.toString('base64')))
    return undefined
  }
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

function connectionOf(client: Client): Connection {
  let reason = ''
  client.on('error', (e) => {
    reason = e.message
  })
  const closed = new Promise<void>((resolve) => client.on('close', () => resolve()))
  return {
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
  let timedOut = false
  channel.stderr.on('data', (data: Buffer) => {
    errors = (errors + data.toString('latin1')).slice(-longestErrors)
  })
  channel.on('error', () => {})
  channel.on('exit', (status: number | null) => {
    code = status ?? undefined
  })
  const ended = new Promise<{ code: number | undefined }>((resolve) => {
    channel.on('close', () => resolve({ code }))
    void closed.then(() => {
      timedOut = code === undefined
      resolve({ code })
    })
  })
  return {
    input: channel as Writable,
    output: channel as Readable,
    errors: () => (errors.trim() !== '' || !timedOut ? errors : reason()),
    ended,
  }
}
