// HCL as Vault 1.5 (HCL 1) and every HCL 2 parser read it alike. The two differ in strings: HCL 1 knows no `$${` (it gives
// back both dollars), and takes whatever stands in `${…}` verbatim, quotes and backslashes included, up to the balancing brace; HCL 2
// knows `$${` and `%%{` and evaluates the rest. Both read `\u0024` as a dollar that opens nothing, so that is how a literal
// `${` is printed (and `%{` as `\u0025{`). Escapes that only one of them has (`\a \b \x24 \101`) are never printed.

export type HclValue = string | number | boolean | readonly HclValue[] | { readonly [key: string]: HclValue }

export interface HclBlock {
  /** An identifier, as `listener`. */
  readonly type: string
  /** Printed quoted, as in `listener "tcp"`. */
  readonly labels: readonly string[]
  readonly body: HclBody
}

export interface HclBody {
  readonly attributes: Readonly<Record<string, HclValue>>
  readonly blocks: readonly HclBlock[]
}

const identifier = /^[A-Za-z_][A-Za-z0-9_-]*$/
/** HCL 1 lexes these two as values wherever they stand. */
const literals = new Set(['true', 'false'])
/** As a bare object key these mean something else in HCL 2. */
const words = new Set(['true', 'false', 'null', 'for', 'if', 'in'])
const longestList = 80

/** Canonical text, as the formatters of HCL 1 and 2 leave it; ends with a newline unless the body is empty.
 * @throws RangeError for what HCL cannot say: a name that is no identifier or is used twice, a number that is not finite or
 * an integer beyond ±2^53, text that is not valid Unicode, null or undefined. */
export function printHcl(body: HclBody): string {
  const lines = bodyLines(body, '')
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function bodyLines(body: HclBody, indent: string): string[] {
  const names = Object.keys(body.attributes)
  for (const name of [...names, ...body.blocks.map((b) => b.type)]) checkName(name)
  for (const { type } of body.blocks)
    if (Object.hasOwn(body.attributes, type))
      throw new RangeError(`HCL cannot hold both a value and a block named ${type}`)
  const lines = assignments(
    names.map((n) => [n, body.attributes[n]!] as const),
    indent,
  )
  for (const block of body.blocks) {
    if (lines.length > 0) lines.push('')
    lines.push(...blockLines(block, indent))
  }
  return lines
}

function checkName(name: string): void {
  if (!identifier.test(name) || literals.has(name))
    throw new RangeError(
      `${JSON.stringify(name)} cannot be a name in HCL: letters, digits, _ and - only, no digit first`,
    )
}

function blockLines(block: HclBlock, indent: string): string[] {
  const head = [block.type, ...block.labels.map(quoted)].join(' ')
  const inner = bodyLines(block.body, `${indent}  `)
  return inner.length === 0 ? [`${indent}${head} {}`] : [`${indent}${head} {`, ...inner, `${indent}}`]
}

/** One line a value, `=` aligned in each run of single-line values; a value of several lines stands between blank lines. */
function assignments(entries: readonly (readonly [string, HclValue])[], indent: string): string[] {
  const lines: string[] = []
  let run: [name: string, value: string][] = []
  const flush = () => {
    const width = Math.max(0, ...run.map(([name]) => columns(name)))
    for (const [name, value] of run) lines.push(`${indent}${name}${' '.repeat(width - columns(name))} = ${value}`)
    run = []
  }
  let afterTall = false
  for (const [name, value] of entries) {
    const text = printed(value, indent)
    const tall = text.includes('\n')
    if (tall) flush()
    if (lines.length > 0 && (tall || afterTall)) lines.push('')
    run.push([name, text])
    if (tall) flush()
    afterTall = tall
  }
  flush()
  return lines
}

const columns = (text: string) => [...text].length

function printed(value: HclValue, indent: string): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return numeral(value)
  if (Array.isArray(value)) return list(value, indent)
  if (value === null || typeof value !== 'object') throw new RangeError(`HCL has no way to write ${String(value)}`)
  const entries = Object.entries(value).map(([k, v]) => [key(k), v] as const)
  if (entries.length === 0) return '{}'
  return ['{', ...assignments(entries, `${indent}  `), `${indent}}`].join('\n')
}

function list(values: readonly HclValue[], indent: string): string {
  const flat = values.map((v) => printed(v, indent))
  const line = `[${flat.join(', ')}]`
  if (!line.includes('\n') && indent.length + line.length <= longestList) return line
  const inner = `${indent}  `
  return ['[', ...values.map((v) => `${inner}${printed(v, inner)},`), `${indent}]`].join('\n')
}

const key = (name: string) => (identifier.test(name) && !words.has(name) ? name : quoted(name))

function numeral(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`HCL cannot write the number ${value}`)
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new RangeError(`the number ${value} is beyond ±2^53, write it as a string`)
  return String(value)
}

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '"': '\\"', '\\': '\\\\' }

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must be escaped
const toEscape = /[\u0000-\u001f\u007f-\u009f"\\\ufeff\ue123]|[$%](?=\{)/g

/** U+E123 is escaped because HCL 1's scanner refuses it raw. */
function quoted(text: string): string {
  if (/\p{Surrogate}/u.test(text))
    throw new RangeError('HCL text must be valid Unicode, and this holds half a surrogate pair')
  const escaped = text.replace(toEscape, (c) => short[c] ?? codePoint(c))
  return `"${escaped}"`
}

const codePoint = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
