/** Stands for a value that only an apply will bring; `because` names the task or step it waits for. */
export class Unknown {
  readonly because: string
  constructor(because: string) {
    this.because = because
  }

  /** Text made of it would be a lie: who tries learns that it is not known. */
  toString(): never {
    throw new UnknownValue(this.because)
  }

  toJSON(): never {
    throw new UnknownValue(this.because)
  }
}

/** Thrown where a value is needed that is Unknown. */
export class UnknownValue extends Error {
  readonly because: string
  constructor(because: string) {
    super(`known only after apply: ${because}`)
    this.because = because
  }
}

/** What a look gives; undefined where that is Unknown. */
export function ifKnown<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (e) {
    if (e instanceof UnknownValue) return undefined
    throw e
  }
}
