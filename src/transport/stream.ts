import type { Duplex, Readable, Writable } from 'node:stream'

/** Milliseconds for the rest of a command's output after it ended. */
export const afterExit = 2000

/** A byte stream to a command on a host: what a transport gives, and all that src/host/ knows of it. */
export interface CommandStream {
  readonly input: Writable
  readonly output: Readable
  /** What it says on standard error, cut at a sensible length: for error messages only. */
  readonly errors: () => string
  /** Settles when the command ended; `code` is undefined where none was told (a signal, a lost connection). Never rejects. */
  readonly ended: Promise<{ readonly code: number | undefined }>
  /** Ends it at once, whatever is still on its way. */
  readonly destroy: () => void
}

/** An open way to a host on which commands can be started and addresses reached, one stream each. */
export interface Connection {
  /** Starts a command line; the host's login shell reads it.
   * @throws ConnectError (as a rejection) when the connection is gone or refuses another channel. */
  readonly exec: (command: string) => Promise<CommandStream>
  /** A byte stream to an address as the host sees it. It has ended where `close` ended the connection.
   * @throws AddressError (as a rejection) when nothing answers there, or the host does not let it through; ConnectError
   * when the connection is gone. */
  readonly connect: (host: string, port: number) => Promise<Duplex>
  /** Why the connection is gone; undefined as long as it is not known to be. */
  readonly lost: () => string | undefined
  /** Ends it politely; settles when it is closed. Never rejects. */
  readonly close: () => Promise<void>
}

/** Why there is no stream to an address, in one sentence. */
export class AddressError extends Error {
  readonly reason: AddressFailure
  /** What to do about it. */
  readonly hint: string | undefined
  constructor(reason: AddressFailure, message: string, hint?: string) {
    super(message)
    this.reason = reason
    this.hint = hint
  }
}

export type AddressFailure = 'refused' | 'no-route' | 'name-unknown' | 'timeout' | 'prohibited' | 'limit' | 'other'

/** Why a host can't be reached, for the report's one line and its hint. */
export class ConnectError extends Error {
  readonly reason: ConnectFailure
  /** What to do about it. */
  readonly hint: string | undefined
  constructor(reason: ConnectFailure, message: string, hint?: string) {
    super(message)
    this.reason = reason
    this.hint = hint
  }
}

export type ConnectFailure =
  | 'refused'
  | 'timeout'
  | 'no-route'
  | 'name-unknown'
  | 'key-unknown'
  | 'key-changed'
  | 'auth'
  | 'dropped'
  | 'lost'
  | 'become'
  | 'no-user'
  | 'shell'
  | 'other'
