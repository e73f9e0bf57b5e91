import { hashOf } from './formats/hash.ts'

/** A question about the controller itself, most often about its files, answered without a host. */
export interface LocalRead<A = unknown> {
  readonly local: 'file' | 'tree' | 'links' | 'template' | 'signature' | 'place' | 'environment'
  /** As the engine found it: absolute. Of `environment` the variable's name. */
  readonly path: string
  /** Further files that it is about, found as the first. */
  readonly besides?: readonly string[]
  /** Where beside the playbook it is looked for; `files` but for templates. */
  readonly folder?: 'templates'
  /** Equal for equal questions. */
  readonly key: string
  /** The answer's type; never there. */
  readonly answer?: A
}

/** A file on the controller. */
export interface LocalFile {
  readonly path: string
  /** The low twelve bits. */
  readonly mode: number
  /** Bytes. */
  readonly size: number
  readonly bytes: Buffer
  /** SHA-256, hex. */
  readonly sha256: string
}

/** A regular file; undefined where there is none. */
export function localFile(path: string, folder?: 'templates'): LocalRead<LocalFile | undefined> {
  return { local: 'file', path, key: `file ${path}`, ...(folder ? { folder } : {}) }
}

/** All that lies below a directory of the controller, by path relative to it, a directory as undefined. */
export type LocalTree = ReadonlyMap<string, LocalFile | LocalLink | undefined>

export interface LocalLink {
  readonly target: string
}

/** Undefined where there is no directory. A link stays one where it leads nowhere or to a directory above it.
 * @param follow false: every link stays one. */
export function localTree(path: string, follow = true): LocalRead<LocalTree | undefined> {
  const local = follow ? 'tree' : 'links'
  return { local, path, key: `${local} ${path}` }
}

/** A template file rendered with the task's variables. */
export function rendered(path: string): LocalRead<Buffer> {
  return { local: 'template', path, key: `template ${path}`, folder: 'templates' }
}

/** Where a path of the controller is, absolute: a relative one starts beside the playbook. Nothing need be there. */
export function localPlace(path: string): LocalRead<string> {
  return { local: 'place', path, key: `place ${path}` }
}

/** A variable of the controller's environment that holds a secret: its value is masked from then on. Undefined where it is
 * not set. */
export function environmentSecret(name: string): LocalRead<string | undefined> {
  return { local: 'environment', path: name, key: `environment ${name}` }
}

/** What gpg of the controller says of a signature. */
export interface Signed {
  /** Why it is not good, or nobody can say; undefined for a good one. */
  readonly problem: string | undefined
  /** There is no gpg. */
  readonly noGpg?: true
  /** Of the key that signed, and of the one that it belongs to. */
  readonly fingerprints: readonly string[]
}

/** Whether `signature` is a good one of `file`, by one of the keys in the file `key`; undefined where one of the three is not
 * there. */
export function signature(file: string, signature: string, key: string): LocalRead<Signed | undefined> {
  return { local: 'signature', path: file, besides: [signature, key], key: `signature ${file} ${signature} ${key}` }
}

/** Bytes with their hash, worked out when first asked for. */
export function localFileOf(path: string, mode: number, size: number, read: () => Buffer): LocalFile {
  let bytes: Buffer | undefined
  return {
    path,
    mode,
    size,
    get bytes() {
      bytes ??= read()
      return bytes
    },
    get sha256() {
      return hashOf(this.bytes)
    },
  }
}
