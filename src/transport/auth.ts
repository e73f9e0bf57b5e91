import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type ssh2 from 'ssh2'
import type { SshTarget } from './ssh.ts'
import { ConnectError } from './stream.ts'

/** One way to let the host know who we are. */
export interface AuthMethod {
  /** In words, for the error when none of them did. */
  readonly label: string
  /** The name by which the server offers it. */
  readonly needs: string
  /** As ssh2's authHandler takes it. */
  readonly auth: object
}

interface AuthOptions {
  readonly agent: string | undefined
  readonly password: string | undefined
  readonly askPassphrase: (file: string) => Promise<string>
}

const standardKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/** Who we are to hosts. Each key file is read, and its passphrase asked for, once. */
export class Identities {
  readonly #ssh: typeof ssh2
  readonly #options: AuthOptions
  readonly #keys = new Map<string, ssh2.ParsedKey | Encrypted>()
  readonly #unlocked = new Map<string, Promise<ssh2.ParsedKey>>()
  #agent: Promise<readonly Buffer[]> | undefined

  constructor(ssh: typeof ssh2, options: AuthOptions) {
    this.#ssh = ssh
    this.#options = options
  }

  /** Asks for the passphrases that these hosts need, before anything is drawn over the question. What goes wrong is told
   * when they are connected to. */
  async unlock(targets: readonly SshTarget[]): Promise<void> {
    const files = new Set(targets.map((t) => t.keyFile))
    for (const keyFile of files) await this.ways({ ...targets[0]!, keyFile }).catch(() => {})
  }

  /** The ways to try, in order: the key that is named, or else the agent's and the standard ones; then the password.
   * @throws ConnectError for a named key that can't be used. */
  async ways(target: SshTarget): Promise<AuthMethod[]> {
    const password = target.password ?? this.#options.password
    const typed = password === undefined ? [] : byPassword(target, password)
    if (target.keyFile !== undefined) return [await this.#byKey(target, target.keyFile), ...typed]
    const { agent } = this.#options
    const held = await this.#held()
    const files = standardFiles().filter((file) => this.#isUsable(file))
    const open = files.filter((file) => !(this.#read(file) instanceof Encrypted))
    // an encrypted standard key is opened only where there is nothing else
    const some = open.length > 0 || held.length > 0 || password !== undefined ? open : files.slice(0, 1)
    const keys: AuthMethod[] = []
    for (const file of some) keys.push(await this.#byKey(target, file))
    return [...(agent ? [agentKeys(target, agent)] : []), ...keys, ...typed]
  }

  /** A key by its file, or by the agent that holds it opened. */
  async #byKey(target: SshTarget, file: string): Promise<AuthMethod> {
    const key = this.#read(file)
    if (!(key instanceof Encrypted)) return publicKey(target, file, key)
    const { agent } = this.#options
    const open = agent && key.wire && (await this.#held()).some((held) => held.equals(key.wire!))
    if (!open) return publicKey(target, file, await this.#unlock(file))
    return { ...agentKeys(target, this.#only(agent, key.wire!)), label: `the key ${file} by the agent` }
  }

  /** The keys of the agent; none where it can not be asked. */
  #held(): Promise<readonly Buffer[]> {
    const { agent } = this.#options
    this.#agent ??= new Promise((resolve) => {
      if (!agent) return resolve([])
      this.#ssh.createAgent(agent).getIdentities((e, keys) => resolve(e ? [] : (keys ?? []).map((k) => wireOf(k))))
    })
    return this.#agent
  }

  /** An agent that knows of one key only: a server counts each that is shown to it. */
  #only(path: string, wire: Buffer): ssh2.BaseAgent {
    const agent = this.#ssh.createAgent(path)
    const all = agent.getIdentities.bind(agent)
    agent.getIdentities = (done) =>
      all((e, keys) => done(e, (keys?.filter((k) => wireOf(k).equals(wire)) ?? []) as never))
    return agent
  }

  #isUsable(file: string): boolean {
    try {
      return Boolean(this.#read(file))
    } catch {
      return false
    }
  }

  #read(file: string): ssh2.ParsedKey | Encrypted {
    const known = this.#keys.get(file)
    if (known) return known
    const bytes = readKeyFile(file)
    const key = this.#ssh.utils.parseKey(bytes)
    if (key instanceof Error && !/encrypted/i.test(key.message))
      throw new ConnectError('auth', `${file} is no key that can be used: ${key.message}`)
    const read = key instanceof Error ? new Encrypted(publicPart(bytes.toString('latin1'))) : one(key)
    this.#keys.set(file, read)
    return read
  }

  #unlock(file: string): Promise<ssh2.ParsedKey> {
    const known = this.#unlocked.get(file)
    if (known) return known
    const asked = this.#options.askPassphrase(file).then(
      (passphrase) => {
        const key = this.#ssh.utils.parseKey(readKeyFile(file), passphrase)
        if (!(key instanceof Error)) return one(key)
        throw new ConnectError(
          'auth',
          `the passphrase does not open the key ${file}`,
          'try again, or load it into the agent',
        )
      },
      (e: Error) => {
        throw new ConnectError(
          'auth',
          `the key ${file} is encrypted: ${e.message}`,
          'load it into the agent with ssh-add',
        )
      },
    )
    this.#unlocked.set(file, asked)
    return asked
  }
}

/** A key that needs its passphrase; `wire` is its public part, where the file tells it. */
class Encrypted {
  readonly wire: Buffer | undefined
  constructor(wire: Buffer | undefined) {
    this.wire = wire
  }
}

/** OpenSSH's own format has the public part in the clear. */
function publicPart(text: string): Buffer | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]*)/.exec(text)?.[1]
  if (body === undefined) return undefined
  const bytes = Buffer.from(body, 'base64')
  let at = 'openssh-key-v1\0'.length
  const next = () => {
    const end = at + 4 + bytes.readUInt32BE(at)
    const part = bytes.subarray(at + 4, end)
    at = end
    return part
  }
  try {
    for (let i = 0; i < 3; i++) next()
    at += 4
    return next()
  } catch {
    return undefined
  }
}

function wireOf(key: unknown): Buffer {
  if (Buffer.isBuffer(key)) return key
  const parsed = key as { getPublicSSH?: () => Buffer; pubKey?: Buffer }
  return parsed.getPublicSSH?.() ?? parsed.pubKey ?? Buffer.alloc(0)
}

function one(key: ssh2.ParsedKey | ssh2.ParsedKey[]): ssh2.ParsedKey {
  return (Array.isArray(key) ? key[0] : key) as ssh2.ParsedKey
}

function standardFiles(): string[] {
  return standardKeys.map((n) => join(homedir(), '.ssh', n)).filter((file) => existsSync(file))
}

function readKeyFile(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (e) {
    const why = (e as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (e as Error).message
    throw new ConnectError(
      'auth',
      `the key ${file} cannot be read: ${why}`,
      'check ansible_ssh_private_key_file or --private-key',
    )
  }
}

function publicKey({ user }: SshTarget, file: string, key: ssh2.ParsedKey): AuthMethod {
  return { label: `the key ${file}`, needs: 'publickey', auth: { username: user, type: 'publickey', key } }
}

function agentKeys({ user }: SshTarget, agent: string | ssh2.BaseAgent): AuthMethod {
  return { label: 'the keys of the agent', needs: 'publickey', auth: { username: user, type: 'agent', agent } }
}

/** The same password in both ways that servers ask for it; only what is typed unseen is taken to be it. */
function byPassword({ user }: SshTarget, password: string): AuthMethod[] {
  const prompt = (
    _name: string,
    _instructions: string,
    _language: string,
    prompts: readonly { readonly echo?: boolean }[],
    finish: (answers: string[]) => void,
  ) => finish(prompts.map(({ echo }) => (echo ? '' : password)))
  return [
    { label: 'the password', needs: 'password', auth: { username: user, type: 'password', password } },
    {
      label: 'the password (keyboard-interactive)',
      needs: 'keyboard-interactive',
      auth: { username: user, type: 'keyboard-interactive', prompt },
    },
  ]
}
