import { createHash } from 'node:crypto'

/** A question about the controller's own files, answered without a host. */
export interface LocalRead<A = unknown> {
  readonly local: 'file' | 'tree' | 'template'
  /** As the engine found it: absolute. */
  readonly path: string
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
export function localFile(path: string): LocalRead<LocalFile | undefined> {
  return { local: 'file', path, key: `file ${path}` }
}

/** All that lies below a directory, by path relative to it, a directory as undefined; links are followed.
 * Undefined where there is no directory. */
export function localTree(path: string): LocalRead<ReadonlyMap<string, LocalFile | undefined> | undefined> {
  return { local: 'tree', path, key: `tree ${path}` }
}

/** A template file rendered with the task's variables. */
export function rendered(path: string): LocalRead<Buffer> {
  return { local: 'template', path, key: `template ${path}` }
}

/** Bytes with their hash, worked out when first asked for. */
export function localFileOf(path: string, mode: number, size: number, read: () => Buffer): LocalFile {
  let bytes: Buffer | undefined
  let sha256: string | undefined
  return {
    path,
    mode,
    size,
    get bytes() {
      bytes ??= read()
      return bytes
    },
    get sha256() {
      sha256 ??= createHash('sha256').update(this.bytes).digest('hex')
      return sha256
    },
  }
}
