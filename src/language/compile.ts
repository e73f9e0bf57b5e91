import type { Diagnostic, Span } from './diagnostic.ts'
import { type Expression, ExpressionError, parseExpression, type Scope } from './expression.ts'
import { hideSecrets } from './hidden.ts'
import { type Interpolation, isTemplated, parseInterpolation } from './interpolation.ts'
import { booleanHint, type Item, type ScalarItem, toData } from './item.ts'
import { type Kind, type Value, ValueError } from './playbook.ts'
import { jinjaHint, pythonHint, pythonHintAt } from './python-hints.ts'
import type { Evaluated } from './schema.ts'

type Report = (d: Diagnostic) => void

const noNames: ReadonlyMap<string, Span> = new Map()

/** Compiles what stands at one place. Errors go to `report`; the value given back then is what was written, as it stands. */
export function compileValue(item: Item, report: Report): Value {
  if (!hasTemplate(item)) return constantValue(item)
  const names = new Map<string, Span>()
  const { evaluate, kind } = compileItem(item, names, report)
  return { span: item.span, item, constant: false, names, kind, evaluate }
}

/** Compiles a variable, of which a name may say that it is secret. */
export function compileVariable(name: string, item: Item, report: Report): Value {
  hideSecrets(name, item, undefined)
  return compileValue(item, report)
}

/** A value that is the same in every scope. */
export function constantValue(item: Item): Value {
  let data: unknown
  let made = false
  // a large inventory has many that nobody asks for
  const evaluate = () => {
    if (!made) [data, made] = [toData(item), true]
    return data
  }
  return { span: item.span, item, constant: true, names: noNames, evaluate }
}

/** Data that no file holds, as a value. */
export function dataValue(data: unknown): Value {
  const span = { source: { path: '', text: '' }, start: 0, end: 0 }
  return { span, constant: true, names: noNames, evaluate: () => data }
}

/** Compiles a bare expression (`when:`, `changed_when:`, …): a string, or a boolean for itself. */
export function compileCondition(item: Item, report: Report): Value {
  if (item.kind === 'scalar' && typeof item.value === 'boolean') return constantValue(item)
  return compileBare(item, report, 'condition', 'a condition is an expression or a boolean')
}

function compileBare(item: Item, report: Report, what: string, otherwise: string): Value {
  if (item.kind !== 'scalar' || typeof item.value !== 'string' || item.value.trim() === '') {
    report({ code: 'condition', severity: 'error', message: otherwise, span: item.span })
    return constantValue(item)
  }
  const text = item.value
  const boolean = booleanHint(text)
  if (boolean !== undefined && !/^(true|false)$/.test(text)) {
    report({
      code: 'condition',
      severity: 'error',
      message: `\`${text}\` is a text to YAML, and no condition`,
      span: item.span,
      hint: boolean,
    })
    return constantValue(item)
  }
  if (isTemplated(text) || jinja.test(text)) {
    report({
      code: 'condition',
      severity: 'error',
      message: `${what === 'condition' ? 'a condition' : `\`${what}\``} is a bare expression, without \`<%= %>\` or \`{{ }}\` around it`,
      span: item.span,
      hint: `write \`${text.replace(/<%[=-]?|%>|\{\{|\}\}/g, '').trim()}\``,
    })
    return constantValue(item)
  }
  try {
    return expressionValue(item, parseExpression(text))
  } catch (e) {
    report(placed(e, item, pythonHint(text) ?? cutHint(item)))
    return constantValue(item)
  }
}

/** Compiles a parameter of conditions: it comes to each with its text, up to the first that does not hold. */
export function compileConditions(item: Item, report: Report): Value {
  const items = item.kind === 'list' ? item.items : [item]
  const conditions = items.map((i) => compileCondition(i, report))
  const evaluate = (scope: Scope) => {
    const found: Evaluated[] = []
    for (const condition of conditions) {
      const value = truth(condition.evaluate(scope), condition)
      found.push({ text: textOf(condition), value })
      if (!value) break
    }
    return found
  }
  return { span: item.span, item, constant: false, names: namesOf(conditions), evaluate }
}

/** Compiles a parameter that is one expression: it comes to its value with its text. */
export function compileExpression(item: Item, name: string, report: Report): Value {
  const value = compileBare(item, report, name, `\`${name}\` is an expression`)
  return { ...value, constant: false, evaluate: (scope) => ({ text: textOf(value), value: value.evaluate(scope) }) }
}

const textOf = ({ item }: Value) => String(item?.kind === 'scalar' ? item.value : '').trim()

function namesOf(values: readonly Value[]): ReadonlyMap<string, Span> {
  const names = new Map<string, Span>()
  for (const [name, span] of values.flatMap((v) => [...v.names])) if (!names.has(name)) names.set(name, span)
  return names
}

/** A condition's value, which has to be a boolean or as good as one.
 * @throws ValueError for text such as `no` and for what is empty: true to JavaScript, and not what anyone means. */
export function truth(value: unknown, at: Value): boolean {
  if (typeof value === 'string' && value !== '' && /^(no|false|off|0)$/i.test(value))
    throw new ValueError({
      code: 'condition',
      severity: 'error',
      message: `the condition is the text \`${value}\`, which counts as true`,
      span: at.span,
      hint: "compare it: `x === 'yes'`",
    })
  if (value !== null && typeof value === 'object' && Object.keys(value).length === 0)
    throw new ValueError({
      code: 'condition',
      severity: 'error',
      message: `the condition is an empty ${Array.isArray(value) ? 'list' : 'mapping'}, which counts as true`,
      span: at.span,
      hint: Array.isArray(value) ? 'ask for `x.length > 0`' : 'ask for `keys(x).length > 0`',
    })
  return Boolean(value)
}

function expressionValue(item: ScalarItem, expression: Expression): Value {
  const names = new Map([...expression.names].map(([n, at]) => [n, spanWithin(item, at.start, at.end)]))
  const evaluate = (scope: Scope) => located(item, () => expression.evaluate(scope))
  return { span: item.span, item, constant: false, names, evaluate }
}

function hasTemplate(item: Item): boolean {
  if (item.kind === 'scalar')
    return typeof item.value === 'string' && (isTemplated(item.value) || jinja.test(item.value))
  if (item.kind === 'list') return item.items.some(hasTemplate)
  return item.entries.some((e) => isTemplated(e.key) || hasTemplate(e.value))
}

/** What Jinja would take for a template. */
const jinja = /\{\{-?\s*[A-Za-z_'"([\d~][^}]*\}\}|\{%-?\s*\w+[^%]*%\}/

interface Compiled {
  readonly evaluate: (scope: Scope) => unknown
  readonly kind: Kind | undefined
}

function compileItem(item: Item, names: Map<string, Span>, report: Report): Compiled {
  if (item.kind === 'list') {
    const items = item.items.map((i) => compileItem(i, names, report).evaluate)
    return { kind: 'array', evaluate: (scope) => items.map((evaluate) => evaluate(scope)) }
  }
  if (item.kind === 'map') {
    const entries = item.entries.map((e) => {
      const key: ScalarItem = { kind: 'scalar', span: e.keySpan, value: e.key, quoted: true }
      return {
        key: compileText(key, names, report).evaluate,
        value: compileItem(e.value, names, report).evaluate,
      }
    })
    const evaluate = (scope: Scope) => {
      const data: Record<string, unknown> = {}
      for (const { key, value } of entries) {
        const name = String(key(scope))
        Object.defineProperty(data, name, { value: value(scope), enumerable: true, configurable: true, writable: true })
      }
      return data
    }
    return { kind: 'object', evaluate }
  }
  return typeof item.value === 'string'
    ? compileText(item, names, report)
    : { kind: undefined, evaluate: () => item.value }
}

function compileText(item: ScalarItem, names: Map<string, Span>, report: Report): Compiled {
  const text = item.value as string
  const asWritten: Compiled = { kind: undefined, evaluate: () => text }
  if (!isTemplated(text)) {
    const found = jinja.exec(text)
    if (found) report(jinjaDiagnostic(item, found))
    return asWritten
  }
  let parsed: Interpolation
  try {
    parsed = parseInterpolation(text)
  } catch (e) {
    report(placed(e, item, pythonHintAt(text, e instanceof ExpressionError ? e.start : 0) ?? cutHint(item)))
    return asWritten
  }
  for (const [name, at] of parsed.names) if (!names.has(name)) names.set(name, spanWithin(item, at.start, at.end))
  return { kind: parsed.kind, evaluate: (scope) => located(item, () => parsed.evaluate(scope)) }
}

/** YAML takes ` #` for the start of a comment. */
function cutHint(item: ScalarItem): string | undefined {
  const { source, end } = item.span
  const cut = !item.quoted && /^[ \t]+#/.test(source.text.slice(end, end + 200))
  return cut ? 'YAML cuts a value off at ` #`: quote the whole value' : undefined
}

function jinjaDiagnostic(item: ScalarItem, found: RegExpExecArray): Diagnostic {
  const inner = found[0].replace(/^\{[{%]-?|-?[}%]\}$/g, '').trim()
  return {
    code: 'jinja',
    severity: 'error',
    message: 'this is a Jinja template; values are interpolated with `<%= … %>` here',
    span: spanWithin(item, found.index, found.index + found[0].length),
    hint: jinjaHint(found[0].startsWith('{%'), inner),
  }
}

/** Runs an evaluation with the place put to what goes wrong in it.
 * @throws ValueError, UnknownValue */
function located<T>(item: ScalarItem, run: () => T): T {
  try {
    return run()
  } catch (e) {
    if (e instanceof ExpressionError) throw new ValueError(placed(e, item))
    throw e
  }
}

function placed(e: unknown, item: ScalarItem, hint?: string): Diagnostic {
  if (!(e instanceof ExpressionError)) throw e
  return {
    code: 'expression',
    severity: 'error',
    message: e.message,
    span: spanWithin(item, e.start, e.end),
    ...(hint === undefined ? {} : { hint }),
  }
}

/** The place in the file of a part of a scalar's text, as near as it can be told. */
export function spanWithin(item: ScalarItem, start: number, end: number): Span {
  const { source, start: from, end: to } = item.span
  const text = String(item.value)
  const raw = source.text.slice(from, to)
  for (const shift of [0, 1]) {
    if (raw.startsWith(text, shift)) return { source, start: from + shift + start, end: from + shift + end }
  }
  // folded, block or escaped text: look for the part itself
  const part = text.slice(start, end)
  const at = part === '' ? -1 : raw.indexOf(part)
  return at === -1 ? item.span : { source, start: from + at, end: from + at + part.length }
}
