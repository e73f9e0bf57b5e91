import { readFileSync, statSync } from 'node:fs'
import { type CallKind, type Read, read } from '../host/read.ts'
import { AgeError, decrypt, isEncrypted } from './age.ts'
import { barredAt, type Intent, intentAt, reasonOf, storedAt } from './store.ts'

/** What is known of a store on the controller. */
export interface Stored {
  readonly state: 'empty' | 'stored' | 'left-beside'
  /** Somebody was, or is, about to fill it. */
  readonly intent: Intent | undefined
  /** Undefined where there is none, or it can't be read. It is secret. */
  readonly content: Buffer | undefined
  /** Why it can't be read. */
  readonly problem: string | undefined
  readonly hint: string | undefined
  /** Others than its owner may read the file. */
  readonly open: boolean
  /** Why nothing can be put there, where that is seen already. */
  readonly barred?: string | undefined
}

interface Question {
  readonly path: string
  readonly identity: string | undefined
}

/** What a store on the controller holds, decrypted. It is asked again when steps have filled it.
 * @param path absolute.
 * @param identity the path of a file with age identities; without it what the environment says. */
export function stored(path: string, identity?: string): Read<Stored> {
  return read(storedKind, { path, identity })
}

const storedKind: CallKind<Question, Stored> = {
  name: 'store',
  key: ({ path, identity = '' }) => `${path} ${identity}`,
  about: ({ path }) => `the store ${path}`,
  call: ({ path, identity }) => readStore(path, identity),
  difference: (predicted, actual) =>
    predicted.state === actual.state ? undefined : `the store was to be ${predicted.state}, it is ${actual.state}`,
}

export async function readStore(path: string, identity?: string): Promise<Stored> {
  const intent = intentAt(path)
  const at = storedAt(path)
  const none = { intent, content: undefined, problem: undefined, hint: undefined, open: false }
  if (!at) return { ...none, state: 'empty', barred: barredAt(path) }
  const there = { ...none, state: at.beside ? ('left-beside' as const) : ('stored' as const) }
  try {
    const stat = statSync(at.file)
    // a device may have no end
    if (!stat.isFile()) {
      const what = stat.isDirectory() ? 'a directory' : 'no plain file'
      return { ...there, problem: `it can’t be read: it is ${what}`, hint: 'name a file' }
    }
    const bytes = readFileSync(at.file)
    const open = !isEncrypted(bytes) && (stat.mode & 0o077) !== 0
    return { ...there, open, content: isEncrypted(bytes) ? await decrypt(bytes, identity) : bytes }
  } catch (e) {
    if (e instanceof AgeError) return { ...there, problem: e.message, hint: e.hint }
    return { ...there, problem: `it can’t be read: ${reasonOf(e as Error)}` }
  }
}
