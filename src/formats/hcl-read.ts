/** What a configuration in HCL or JSON holds, whichever way it is written. Under each name stand all of its values, in their
 * order; a block is a mapping, below mappings for its labels. */
export interface Settings extends ReadonlyMap<string, readonly Setting[]> {}

/** Numbers and booleans are the text that stands there. */
export type Setting = string | Settings | readonly Setting[]

interface Token {
  /** One of `{ } [ ] = : ,`. */
  readonly mark?: string
  readonly value?: string
}

const lexemes =
  /(?:#|\/\/).*|\/\*[\s\S]*?(?:\*\/|$)|<<-?(?<end>\w+)\r?\n(?<lines>(?:.*\n)*?)[ \t]*\k<end>\b|"(?<text>(?:[^"\\\n]|\\.)*)"|(?<word>[\w+-][\w.+-]*)|(?<mark>[{}[\]=:,])/g

/** Reads what it understands, and passes over the rest: who it is written for may read more. */
export function readHcl(text: string): Settings {
  const reader = new Reader(tokensOf(text))
  return reader.mapping()
}

function tokensOf(text: string): Token[] {
  return [...text.matchAll(lexemes)].flatMap(({ groups: { mark, word, text, lines } = {} }): Token[] => {
    if (mark !== undefined) return [{ mark }]
    const value = word ?? lines ?? (text === undefined ? undefined : unescaped(text))
    return value === undefined ? [] : [{ value }]
  })
}

const short: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }

const unescaped = (text: string) =>
  text.replace(/\\(?:u([0-9a-fA-F]{4})|U(00[01][0-9a-fA-F]{5})|(.))/g, (_, four, eight, one) => {
    const point = Number.parseInt(four ?? eight, 16)
    return one === undefined ? (point > 0x10ffff ? '\ufffd' : String.fromCodePoint(point)) : (short[one] ?? one)
  })

/** What a host answers may be nested as deep as it likes. */
const deepest = 64

class Reader {
  readonly #tokens: readonly Token[]
  #at: number

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
    // JSON stands in braces
    this.#at = tokens[0]?.mark === '{' ? 1 : 0
  }

  #next(): Token | undefined {
    return this.#tokens[this.#at++]
  }

  #takes(...marks: readonly string[]): boolean {
    const isOne = marks.includes(this.#tokens[this.#at]?.mark ?? '')
    if (isOne) this.#at++
    return isOne
  }

  /** As far as its closing brace. */
  mapping(depth = 0): Settings {
    const found = new Map<string, Setting[]>()
    for (let token = this.#next(); token && token.mark !== '}'; token = this.#next()) {
      if (token.value === undefined) continue
      const value = this.#takes('=', ':') ? this.#value(depth) : this.#block(depth)
      if (value !== undefined) found.set(token.value, [...(found.get(token.value) ?? []), value])
    }
    return found
  }

  #block(depth: number): Setting | undefined {
    if (this.#takes('{')) return this.#within(depth, (d) => this.mapping(d))
    const label = this.#tokens[this.#at]?.value
    if (label === undefined) return undefined
    this.#at++
    const body = this.#within(depth, (d) => this.#block(d))
    return body === undefined ? undefined : new Map([[label, [body]]])
  }

  #value(depth: number): Setting | undefined {
    if (this.#takes('{')) return this.#within(depth, (d) => this.mapping(d))
    if (this.#takes('[')) return this.#within(depth, (d) => this.#list(d))
    const { value } = this.#tokens[this.#at] ?? {}
    if (value !== undefined) this.#at++
    return value
  }

  #list(depth: number): Setting[] {
    const found: Setting[] = []
    while (this.#at < this.#tokens.length && !this.#takes(']')) {
      const value = this.#value(depth)
      if (value === undefined) this.#at++
      else found.push(value)
    }
    return found
  }

  #within<T>(depth: number, read: (depth: number) => T): T | undefined {
    if (depth < deepest) return read(depth + 1)
    this.#at = this.#tokens.length
    return undefined
  }
}

/** The mappings that are reached by these names, in their order: `mappingsAt(all, 'storage', 'raft', 'retry_join')`. */
export function mappingsAt(settings: Settings, ...[name, ...deeper]: readonly string[]): readonly Settings[] {
  if (name === undefined) return [settings]
  return (settings.get(name) ?? []).flatMap(mappingsIn).flatMap((m) => mappingsAt(m, ...deeper))
}

function mappingsIn(value: Setting): readonly Settings[] {
  if (typeof value === 'string') return []
  return value instanceof Map ? [value] : (value as readonly Setting[]).flatMap(mappingsIn)
}

/** The text under a name: of several the last, as those do who read it. */
export function textAt(settings: Settings, name: string): string | undefined {
  const value = settings.get(name)?.at(-1)
  return typeof value === 'string' ? value : undefined
}
