import type { ErrorObject } from 'ajv'
import { parseMode } from '../formats/mode.ts'
import { pythonRegex } from '../formats/python-regex.ts'
import { splitWords } from '../formats/shell-words.ts'
import { coerce } from './coerce.ts'
import { type Diagnostic, didYouMean, type Span } from './diagnostic.ts'
import type { Scope } from './expression.ts'
import { hideSecrets } from './hidden.ts'
import { booleanHint, itemAt } from './item.ts'
import type { ModuleSpec } from './module-set.ts'
import { type Kind, type Value, ValueError } from './playbook.ts'
import type { ParamSchema } from './schema.ts'
import { validatorOf } from './validators.ts'
import { describe } from './values.ts'

type Params = ReadonlyMap<string, Value>

/** Checks a task's parameters before anything runs: constant ones wholly, of the others that they are there, and their type
 * as far as their text tells it. */
export function checkParams(spec: ModuleSpec, params: Params, at: Span, report: (d: Diagnostic) => void): void {
  const data: Record<string, unknown> = {}
  for (const [name, value] of params) if (value.item) hideSecrets(name, value.item, schemaOf(spec, name))
  for (const [name, value] of params)
    if (value.constant) data[name] = coerce(value.evaluate({}), schemaOf(spec, name), name === spec.params.freeForm)
    else if (!canBecome(value.kind, schemaOf(spec, name))) report(wrongKind(name, value, schemaOf(spec, name)))
  for (const d of diagnose(spec, data, params, at)) report(d)
}

/** A task's parameters with all templates evaluated, defaults filled in; null and undefined are "not given".
 * @throws ValueError, UnknownValue */
export function evaluateParams(spec: ModuleSpec, params: Params, at: Span, scope: Scope): Record<string, unknown> {
  const data: Record<string, unknown> = {}
  for (const [name, value] of params) {
    const given = value.evaluate(scope)
    if (given === null || given === undefined) continue
    data[name] = coerce(given, schemaOf(spec, name), !value.constant || name === spec.params.freeForm)
  }
  const wrong = diagnose(spec, data, new Map([...params].filter(([name]) => Object.hasOwn(data, name))), at)
  if (wrong[0]) throw new ValueError(wrong[0])
  for (const [name, schema] of Object.entries(spec.params.properties))
    if (schema.default !== undefined && !Object.hasOwn(data, name)) data[name] = schema.default
  return data
}

/** Whether a value of that kind may fit once `coerce` has seen it. */
function canBecome(kind: Kind | undefined, { type, condition, expression, items }: ParamSchema): boolean {
  if (kind === undefined || type === undefined || condition || expression) return true
  const asText = ['string', 'integer', 'number', ...(kind === 'string' ? ['boolean'] : [])]
  return [type].flat().some((t) => {
    if (t === 'array') return kind === 'array' || ((kind === 'string' || kind === 'number') && items?.type === 'string')
    return kind === 'string' || kind === 'number' ? asText.includes(t) : t === kind
  })
}

function wrongKind(name: string, { kind, span }: Value, { type }: ParamSchema): Diagnostic {
  const message = `\`${name}\` has to be ${typeName(type)}, not ${typeName(kind)}`
  return { code: 'param', severity: 'error', message, span }
}

function isGiven(spec: ModuleSpec, name: string, { kind }: Value): boolean {
  const { expression, condition } = schemaOf(spec, name)
  return kind !== undefined || Boolean(expression || condition)
}

function schemaOf(spec: ModuleSpec, name: string): ParamSchema {
  return Object.hasOwn(spec.params.properties, name) ? spec.params.properties[name]! : {}
}

/** @param params all that are given, of which `data` has those whose value is known. */
function diagnose(spec: ModuleSpec, data: Record<string, unknown>, params: Params, at: Span): Diagnostic[] {
  const found: Diagnostic[] = []
  const error = (code: string, message: string, span: Span, hint?: string) =>
    void found.push({ code, severity: 'error', message, span, ...(hint === undefined ? {} : { hint }) })
  for (const name of spec.params.required ?? [])
    if (!params.has(name)) error('missing-param', `\`${spec.name}\` needs the parameter \`${name}\``, at)
  const { anyOf = [], exclusive = [] } = spec.params
  if (anyOf.length > 0 && !anyOf.some((a) => a.required.every((n) => params.has(n))))
    error(
      'missing-param',
      `\`${spec.name}\` needs one of ${anyOf.map((a) => code(a.required.join(' and '))).join(', ')}`,
      at,
    )
  // what nobody can say the kind of yet may turn out to be null: not given
  for (const names of exclusive) {
    const both = names.filter((n) => params.has(n) && (Object.hasOwn(data, n) || isGiven(spec, n, params.get(n)!)))
    if (both.length > 1)
      error('exclusive-params', `${both.map(code).join(' and ')} exclude each other`, params.get(both[1]!)!.span)
  }
  for (const [name, schema] of Object.entries(spec.params.properties)) {
    const wrong = wrongText(schema, data[name])
    if (wrong) error('param', `\`${name}\` ${wrong}`, params.get(name)!.span)
  }
  const validate = validatorOf(spec)
  if (validate(data)) return found
  const reported = new Set<string>()
  for (const e of validate.errors ?? []) {
    const [name, ...pointer] = e.instancePath.split('/').slice(1).map(unescapePointer)
    if (name === undefined || reported.has(name)) continue
    reported.add(name)
    const value = params.get(name)
    const span = value?.item ? itemAt(value.item, pointer).span : (value?.span ?? at)
    const { message, hint } = explain(e, [name, ...pointer].join('.'), schemaAt(schemaOf(spec, name), pointer), span)
    error(e.keyword === 'additionalProperties' ? 'unknown-param' : 'param', message, span, hint)
  }
  return found
}

/** What no JSON Schema says of a text. */
function wrongText({ mode, format }: ParamSchema, value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  try {
    if (mode && !(mode === 'preserve' && value === mode)) parseMode(value, 0, false)
    if (format === 'python-regexp') pythonRegex(value)
    if (format === 'shell-words') splitWords(value)
  } catch (e) {
    return e instanceof RangeError ? `is no mode: ${e.message}` : `cannot be read: ${(e as Error).message}`
  }
  return undefined
}

const code = (text: string) => `\`${text}\``
const unescapePointer = (part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~')

function schemaAt(schema: ParamSchema, pointer: readonly string[]): ParamSchema {
  return pointer.reduce<ParamSchema>((s, part) => {
    if (s.items && /^\d+$/.test(part)) return s.items
    const rest = typeof s.additionalProperties === 'object' ? s.additionalProperties : {}
    return s.properties?.[part] ?? rest
  }, schema)
}

function explain(e: ErrorObject, path: string, schema: ParamSchema, span: Span): { message: string; hint?: string } {
  const params = e.params as Record<string, unknown>
  const data = e.data
  if (schema.mode && typeof data === 'number') {
    const written = span.source.text.slice(span.start, span.end)
    return {
      message: `\`${path}\` is a text in quotes: YAML reads ${written} as a number`,
      hint: octalHint(written, data),
    }
  }
  switch (e.keyword) {
    case 'type': {
      const digits = schema.secret && typeof data === 'number'
      const quoted = digits ? 'write it in quotes: a number loses its leading zeros' : undefined
      const hint = schema.type === 'boolean' ? booleanHint(data) : quoted
      return {
        message: `\`${path}\` has to be ${typeName(params.type)}, not ${describe(data)}`,
        ...(hint ? { hint } : {}),
      }
    }
    case 'enum': {
      const values = (params.allowedValues as unknown[]).map(String)
      const near = didYouMean(String(data), values)
      return {
        message: `\`${path}\` is one of ${values.join(', ')}${schema.secret ? '' : `, not \`${String(data)}\``}`,
        ...(near && !schema.secret ? { hint: `did you mean \`${near}\`?` } : {}),
      }
    }
    case 'required':
      return { message: `\`${path}\` needs \`${String(params.missingProperty)}\`` }
    case 'additionalProperties': {
      const name = String(params.additionalProperty)
      const near = didYouMean(name, Object.keys(schema.properties ?? {}))
      return { message: `\`${path}\` has no \`${name}\``, ...(near ? { hint: `did you mean \`${near}\`?` } : {}) }
    }
    default: {
      const empty = data === '' || (Array.isArray(data) && data.length === 0)
      const message = `\`${path}\` ${e.message ?? 'is not valid'}`
      return { message, ...(empty && schema.description ? { hint: schema.description } : {}) }
    }
  }
}

/** Digits that can be octal were meant so; others are the decimal number of a mode. */
function octalHint(written: string, value: number): string {
  const octal = /^0?o?([0-7]{3,4})$/.exec(written)?.[1] ?? value.toString(8)
  return `write '${octal.padStart(4, '0')}'`
}

function typeName(type: unknown): string {
  const names: Record<string, string> = {
    string: 'a string',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping',
    null: 'nothing',
  }
  return [type]
    .flat()
    .map((t) => names[String(t)] ?? String(t))
    .join(' or ')
}
