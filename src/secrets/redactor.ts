const mask = '********'

/** Replaces secrets, and the forms they take in commands and files, wherever they would be shown. */
export class Redactor {
  readonly #secrets = new Set<string>()
  #pattern: RegExp | undefined

  /** Values shorter than three characters are too common to be hidden. */
  add(value: string): void {
    if (value.length < 3 || this.#secrets.has(value)) return
    for (const form of formsOf(value)) if (form.length >= 3) this.#secrets.add(form)
    const longestFirst = [...this.#secrets].sort((a, b) => b.length - a.length)
    this.#pattern = new RegExp(longestFirst.map((s) => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g')
  }

  text(text: string): string {
    return this.#pattern ? text.replace(this.#pattern, mask) : text
  }

  /** Every string in a value of plain data. */
  data<T>(value: T): T {
    if (!this.#pattern) return value
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
    encodeURIComponent(value),
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
