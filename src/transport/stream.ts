import type { Readable, Writable } from 'node:stream'

/** A byte stream to a command on a host: what a transport gives, and all that src/host/ knows of it. */
export interface CommandStream {
  readonly input: Writable
  readonly output: Readable
  /** What it says on standard error, cut at a sensible length: for error messages only. */
  readonly errors: () => string
  /** Settles when the command ended; `code` is undefined where none was told (a signal, a lost connection). Never rejects. */
  readonly ended: Promise<{ readonly code: number | undefined }>
}
