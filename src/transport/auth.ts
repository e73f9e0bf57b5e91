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
const parsed = new Map<string, Promise<ssh2.ParsedKey>>()

/** The ways to try, in order: the key that is named, or else the agent's and the standard ones; then the password.
 * @throws ConnectError for a named key that can't be used. */
export async function authMethods(target: SshTarget, options: AuthOptions, ssh: typeof ssh2): Promise<AuthMethod[]> {
  const methods: AuthMethod[] = []
  const base = { username: target.user }
  const publicKey = (key: ssh2.ParsedKey, label: string): AuthMethod => ({
    label,
    needs: 'publickey',
    auth: { ...base, type: 'publickey', key },
  })
  if (target.keyFile !== undefined)
    methods.push(publicKey(await keyOf(target.keyFile, options, ssh), `the key ${target.keyFile}`))
  else {
    if (options.agent)
      methods.push({
        label: 'the keys of the agent',
        needs: 'publickey',
        auth: { ...base, type: 'agent', agent: options.agent },
      })
    for (const file of standardKeys.map((n) => join(homedir(), '.ssh', n)).filter(existsSync)) {
      const key = await keyOf(file, options, ssh).catch(() => undefined)
      if (key) methods.push(publicKey(key, `the key ${file}`))
    }
  }
  const password = target.password ?? options.password
  if (password !== undefined)
    methods.push(
      { label: 'the password', needs: 'password', auth: { ...base, type: 'password', password } },
      {
        label: 'the password (keyboard-interactive)',
        needs: 'keyboard-interactive',
        auth: {
          ...base,
          type: 'keyboard-interactive',
          prompt: (_n: string, _i: string, _l: string, prompts: unknown[], finish: (answers: string[]) => void) =>
            finish(prompts.map(() => password)),
        },
      },
    )
  return methods
}

/** Each file is read, and its passphrase asked for, once. */
function keyOf(file: string, options: AuthOptions, ssh: typeof ssh2): Promise<ssh2.ParsedKey> {
  const known = parsed.get(file)
  if (known) return known
  const key = readKey(file, options, ssh)
  parsed.set(file, key)
  return key
}

async function readKey(file: string, options: AuthOptions, ssh: typeof ssh2): Promise<ssh2.ParsedKey> {
  let text: Buffer
  try {
    text = readFileSync(file)
  } catch (e) {
    const why = (e as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (e as Error).message
    throw new ConnectError(
      'auth',
      `the key ${file} cannot be read: ${why}`,
      'check ansible_ssh_private_key_file or --private-key',
    )
  }
  let key = ssh.utils.parseKey(text)
  if (key instanceof Error && /encrypted/i.test(key.message)) {
    const passphrase = await options.askPassphrase(file).catch((e: Error) => {
      throw new ConnectError(
        'auth',
        `the key ${file} is encrypted: ${e.message}`,
        'load it into the agent with ssh-add',
      )
    })
    key = ssh.utils.parseKey(text, passphrase)
    if (key instanceof Error)
      throw new ConnectError(
        'auth',
        `the passphrase does not open the key ${file}`,
        'try again, or load it into the agent',
      )
  }
  if (key instanceof Error) throw new ConnectError('auth', `${file} is no key that can be used: ${key.message}`)
  return (Array.isArray(key) ? key[0] : key) as ssh2.ParsedKey
}
