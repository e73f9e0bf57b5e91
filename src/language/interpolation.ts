import { type Expression, ExpressionError, parseExpression, type Scope } from './expression.ts'
import type { Kind } from './playbook.ts'
import { describe } from './values.ts'

/** A string of a playbook with `<%= … %>` in it. Offsets in `names` and in errors are within the string. */
export interface Interpolation {
  /** Exactly one `<%= … %>`: its value keeps its type. */
  readonly whole: boolean
  readonly names: ReadonlyMap<string, { readonly start: number; readonly end: number }>
  /** What it comes to, as far as its text tells. */
  readonly kind: Kind | undefined
  /** @throws ExpressionError, UnknownValue */
  readonly evaluate: (scope: Scope) => unknown
}

interface Hole {
  readonly expression: Expression
  /** Where the expression's own offset 0 lies in the string. */
  readonly offset: number
}

/** Whether a string has anything to interpolate; the cheap test before parseInterpolation. */
export function isTemplated(text: string): boolean {
  return text.includes('<%')
}

/** Parses `<%= expression %>` (also `<%- … %>`, the same here: nothing is HTML-escaped) and `<%%` for a literal `<%`.
 * @throws ExpressionError with offsets in `text`. */
export function parseInterpolation(text: string): Interpolation {
  const parts: (string | Hole)[] = []
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('<%', at)
    if (open === -1) break
    if (open > at) parts.push(text.slice(at, open))
    if (text.startsWith('<%%', open)) {
      parts.push('<%')
      at = open + 3
      continue
    }
    const close = text.indexOf('%>', open + 2)
    if (close === -1) throw new ExpressionError('`<%` has no `%>`', open, text.length)
    const kind = text[open + 2]
    if (kind !== '=' && kind !== '-') {
      throw new ExpressionError(
        'only `<%= … %>` stands in a value; statements belong into a template file',
        open,
        close + 2,
      )
    }
    parts.push(parseHole(text, open + 3, close))
    at = close + 2
  }
  if (at < text.length) parts.push(text.slice(at))
  return build(parts)
}

function parseHole(text: string, start: number, end: number): Hole {
  const leading = /^\s*/.exec(text.slice(start, end))![0].length
  const offset = start + leading
  const source = text.slice(offset, end).trimEnd()
  if (source === '') throw new ExpressionError('`<%= %>` is empty', start - 3, end + 2)
  return { offset, expression: moved(offset, () => parseExpression(source)) }
}

function build(parts: readonly (string | Hole)[]): Interpolation {
  const names = new Map<string, { start: number; end: number }>()
  for (const part of parts) {
    if (typeof part === 'string') continue
    for (const [name, { start, end }] of part.expression.names) {
      if (!names.has(name)) names.set(name, { start: start + part.offset, end: end + part.offset })
    }
  }
  const value = (hole: Hole, scope: Scope) => moved(hole.offset, () => hole.expression.evaluate(scope))
  const only = parts[0]
  if (parts.length === 1 && typeof only === 'object')
    return { whole: true, names, kind: only.expression.kind, evaluate: (scope) => value(only, scope) }
  const evaluate = (scope: Scope) => parts.map((p) => (typeof p === 'string' ? p : asText(value(p, scope), p))).join('')
  return { whole: false, names, kind: 'string', evaluate }
}

/** Runs with the errors' offsets moved from an expression's own text to the string around it. */
function moved<T>(offset: number, run: () => T): T {
  try {
    return run()
  } catch (e) {
    if (!(e instanceof ExpressionError)) throw e
    throw new ExpressionError(e.message, e.start + offset, e.end + offset)
  }
}

/** A value inside longer text. Lists and mappings have no one way to be text, so the author says which. */
function asText(value: unknown, hole: Hole): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const { offset, expression } = hole
  const fix = value === undefined || value === null ? 'say what stands for it: `… ?? ""`' : 'join it, or use toJSON(…)'
  throw new ExpressionError(
    `${describe(value)} cannot stand inside text: ${fix}`,
    offset,
    offset + expression.source.length,
  )
}
