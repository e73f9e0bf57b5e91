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

/** The ways to try at once, and those that need a passphrase first: they are for when the others did not do. */
export interface Ways {
  readonly ready: readonly AuthMethod[]
  /** Undefined where no key is encrypted.
   * @throws ConnectError when the key stays closed. */
  readonly unlock: (() => Promise<AuthMethod[]>) | undefined
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

  constructor(ssh: typeof ssh2, options: AuthOptions) {
    this.#ssh = ssh
    this.#options = options
  }

  /** The key that is named, or else the agent's and the standard ones; then the password.
   * @throws ConnectError for a named key that can't be used. */
  ways(target: SshTarget): Ways {
    const files = target.keyFile === undefined ? standardFiles() : [target.keyFile]
    const keys = files.flatMap((file) => {
      try {
        return [{ file, key: this.#read(file) }]
      } catch (e) {
        if (target.keyFile !== undefined) throw e
        return []
      }
    })
    const locked = keys.filter(({ key }) => key instanceof Encrypted).map(({ file }) => file)
    const open = keys.flatMap(({ file, key }) => (key instanceof Encrypted ? [] : [publicKey(target, file, key)]))
    const wantsAgent = target.keyFile === undefined || locked.length > 0
    const agent = wantsAgent && this.#options.agent ? [agentKeys(target, this.#options.agent)] : []
    const password = target.password ?? this.#options.password
    return {
      ready: [...agent, ...open, ...(password === undefined ? [] : byPassword(target, password))],
      unlock:
        locked.length === 0
          ? undefined
          : async () => {
              const unlocked: AuthMethod[] = []
              for (const file of locked) unlocked.push(publicKey(target, file, await this.#unlock(file)))
              return unlocked
            },
    }
  }

  #read(file: string): ssh2.ParsedKey | Encrypted {
    const known = this.#keys.get(file)
    if (known) return known
    const key = this.#ssh.utils.parseKey(readKeyFile(file))
    if (key instanceof Error && !/encrypted/i.test(key.message))
      throw new ConnectError('auth', `${file} is no key that can be used: ${key.message}`)
    const read = key instanceof Error ? new Encrypted() : one(key)
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

/** A key that needs its passphrase. */
class Encrypted {}

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

function agentKeys({ user }: SshTarget, agent: string): AuthMethod {
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
