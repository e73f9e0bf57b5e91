/** Lets a fixed number of tasks of one key run at a time; the others wait in order. */
export class Pacer {
  readonly #most: number
  readonly #running = new Map<string, number>()
  readonly #waiting = new Map<string, (() => void)[]>()

  constructor(most: number) {
    this.#most = most
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key) ?? 0
    if (running >= this.#most)
      await new Promise<void>((go) => {
        this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), go])
      })
    else this.#running.set(key, running + 1)
    try {
      return await task()
    } finally {
      // the place is handed on, so that nobody slips in between
      const next = this.#waiting.get(key)?.shift()
      if (next) next()
      else this.#running.set(key, this.#running.get(key)! - 1)
    }
  }
}
