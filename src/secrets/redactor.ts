const mask = '********'

/** Replaces secrets, and the forms they take in commands and files, wherever they would be shown. */
export class Redactor {
  readonly #secrets = new Set<string>()
  /** What is part of another one comes behind it. */
  #longestFirst: readonly string[] = []

  /** Values shorter than three characters are too common to be hidden. */
  add(value: string): void {
    if (value.length < 3 || this.#secrets.has(value)) return
    for (const form of formsOf(value)) if (form.length >= 3) this.#secrets.add(form)
    this.#longestFirst = [...this.#secrets].sort((a, b) => b.length - a.length)
  }

  /** No regular expression: one of long secrets is too large, and its error would show them. */
  text(text: string): string {
    return this.#longestFirst.reduce((left, secret) => left.replaceAll(secret, mask), text)
  }

  /** Every string in a value of plain data. */
  data<T>(value: T): T {
    if (this.#longestFirst.length === 0) return value
    return this.#walk(value) as T
  }

  #walk(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value)
    if (Array.isArray(value)) return value.map((v) => this.#walk(v))
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, this.#walk(v)]))
  }
}

/** The secret itself, its lines, and how it looks encoded or quoted. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const lines = value.includes('\n') ? value.split('\n').filter((l) => l.trim().length >= 8) : []
  return [
    value,
    ...lines,
    ...base64Forms(bytes),
    bytes.toString('hex'),
    // half a character has no encoding of its own
    encodeURIComponent(bytes.toString()),
    JSON.stringify(value).slice(1, -1),
    value.replaceAll("'", `'\\''`),
  ]
}

/** In base64 a text looks different at each of three places; what does not depend on its neighbours is kept. */
function base64Forms(bytes: Buffer): string[] {
  if (bytes.length < 6) return [bytes.toString('base64')]
  return [0, 1, 2].flatMap((shift) => {
    const padded = Buffer.concat([Buffer.alloc(shift), bytes])
    const whole = padded.toString('base64').replace(/=+$/, '')
    const inner = whole.slice(shift === 0 ? 0 : shift + 1, padded.length % 3 === 0 ? undefined : -1)
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
}
