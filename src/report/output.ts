/** What a reporter needs of process.stdout or of a file's stream. */
export interface TextStream {
  write(text: string, done?: (error?: Error | null) => void): boolean
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface Output {
  write(text: string): void
  /** Resolves when all that was written is out; rejects with the first error that is not a reader who went away. */
  flush(): Promise<void>
}

/** A pipe without a reader, a terminal that was closed. */
const goneReader = new Set(['EPIPE', 'ERR_STREAM_DESTROYED', 'EIO'])

/** A stream that outlives its reader: after EPIPE the rest is dropped in silence, so that the run itself goes on. */
export function quietOutput(stream: TextStream): Output {
  let failure: NodeJS.ErrnoException | undefined
  stream.on('error', (error) => {
    failure ??= error
  })
  return {
    write(text) {
      if (!failure) stream.write(text)
    },
    async flush() {
      if (!failure) await new Promise<void>((resolve) => stream.write('', () => resolve()))
      // A failed write calls back before the stream says why.
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (failure && !goneReader.has(failure.code ?? '')) throw failure
    },
  }
}
