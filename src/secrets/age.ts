import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** One line for each identity, as age-keygen writes them; the path of such a file, or an identity itself. */
const identityVariable = 'RUNBOOK_AGE_IDENTITY'

/** Why something can't be encrypted or decrypted, in one sentence. */
export class AgeError extends Error {
  readonly hint: string | undefined
  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** An armored age file (`age -d -i IDENTITY FILE` reads it).
 * @throws AgeError for what is no recipient. */
export async function encryptTo(recipients: readonly string[], bytes: Uint8Array): Promise<Buffer> {
  const { armor, Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  for (const recipient of recipients)
    try {
      encrypter.addRecipient(recipient)
    } catch {
      throw new AgeError(`\`${recipient}\` is no age recipient`, 'as age-keygen prints it: `age1…`')
    }
  return Buffer.from(armor.encode(await encrypter.encrypt(bytes)))
}

const beginning = '-----BEGIN AGE ENCRYPTED FILE-----'

export const isEncrypted = (bytes: Buffer) =>
  bytes.subarray(0, beginning.length).toString('latin1') === beginning ||
  bytes.subarray(0, 21).toString('latin1') === 'age-encryption.org/v1'

/** @param identity the path of a file of identities; without it what the environment says.
 * @throws AgeError */
export async function decrypt(bytes: Buffer, identity: string | undefined): Promise<Buffer> {
  const { identities, where } = identitiesOf(identity)
  const { armor, Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  try {
    for (const i of identities) decrypter.addIdentity(i)
  } catch {
    throw new AgeError(`${where} holds no age identity`, 'as age-keygen writes it: `AGE-SECRET-KEY-1…`')
  }
  try {
    const raw = bytes.subarray(0, 3).toString('latin1') === 'age' ? bytes : armor.decode(bytes.toString('latin1'))
    return Buffer.from(await decrypter.decrypt(raw))
  } catch (e) {
    const foreign = /no identity matched/.test((e as Error).message)
    if (foreign) throw new AgeError('it is encrypted to somebody else', `${where} does not open it; ${howToName}`)
    throw new AgeError('it is damaged: it can’t be decrypted')
  }
}

const howToName = `name the file of the identity that opens it in ${identityVariable}, or with \`identity\``

function identitiesOf(file: string | undefined): { identities: string[]; where: string } {
  const named = file ?? process.env[identityVariable]
  if (named === undefined || named === '')
    throw new AgeError('it is encrypted, and no age identity was given', howToName)
  let [text, where] = [named, identityVariable]
  if (!/^AGE-SECRET-KEY-/.test(named.trim())) {
    where = named.startsWith('~/') ? join(homedir(), named.slice(2)) : named
    try {
      text = readFileSync(where, 'utf8')
    } catch (e) {
      throw new AgeError(`the age identity ${where} can’t be read: ${(e as NodeJS.ErrnoException).code}`, howToName)
    }
  }
  const identities = text
    .split(/\r?\n/)
    .map((l) => l.trim())
    .filter((l) => l !== '' && !l.startsWith('#'))
  if (identities.length === 0) throw new AgeError(`${where} holds no age identity`, howToName)
  return { identities, where }
}
