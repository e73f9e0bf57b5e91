/** Stands for a value that only an apply will bring; `because` names the task or step it waits for. */
export class Unknown {
  readonly because: string
  constructor(because: string) {
    this.because = because
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
