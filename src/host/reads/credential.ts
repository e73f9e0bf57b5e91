import { createHash, randomBytes } from 'node:crypto'
import { type Read, read, type ShellKind } from '../read.ts'

// A credential that systemd-creds encrypted. What is in it never leaves the host: it is compared by a hash that nobody can
// look up, since it is of something else in each run.

const salt = randomBytes(16).toString('hex')

/** What `encryptedCredential` answers where it decrypts to this. */
export const credentialMark = (value: Buffer) => createHash('sha256').update(salt).update(value).digest('hex')

/** A hash of what the file decrypts to, as `credentialMark` makes it; undefined where there is none. One that can't be
 * decrypted, as one of another host or name, has a hash that no value has.
 * @param name it is part of what is encrypted */
export function encryptedCredential(path: string, name: string): Read<string | undefined> {
  return read(credentialKind, { path, name })
}

interface Question {
  readonly path: string
  readonly name: string
}

const credentialKind: ShellKind<Question, string | undefined> = {
  name: 'credential',
  key: ({ path, name }) => JSON.stringify([path, name]),
  script: (questions, sh) =>
    questions
      .map(({ path, name }) => {
        const decrypt = `systemd-creds decrypt --name=${sh.word(name)} ${sh.word(path)} -`
        const hash = `{ printf %s ${salt}; ${decrypt} 2>/dev/null || printf 'not decrypted by %s' ${salt}; } | sha256sum`
        return `{ if test -e ${sh.word(path)}; then ${hash}; else echo; fi; } >&3`
      })
      .join('\n'),
  parse: (bytes, questions) => {
    const lines = bytes.toString('latin1').split('\n')
    return questions.map((_, i) => /^[0-9a-f]{64}/.exec(lines[i] ?? '')?.[0])
  },
  paths: ({ path }) => [path],
  difference: (predicted, actual) => (predicted === actual ? undefined : 'it does not decrypt to what was encrypted'),
}
