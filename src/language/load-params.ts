import { validatorFor } from './check-value.ts'
import { coerce } from './coerce.ts'
import { type Diagnostic, didYouMean, type Span } from './diagnostic.ts'
import { Fields } from './fields.ts'
import { hideValues } from './hidden.ts'
import { type Item, type MapItem, toData } from './item.ts'
import type { ParamSchema, ParamsSchema } from './schema.ts'

type Report = (d: Diagnostic) => void

const none: ParamsSchema = { type: 'object', properties: {} }
const types = ['string', 'integer', 'number', 'boolean', 'array', 'object', 'null']
/** The words of JSON Schema that a task file's params may use, with what each has to be. */
export const schemaWords: Readonly<Record<string, ParamSchema>> = {
  type: {
    anyOf: [
      { type: 'string', enum: types },
      { type: 'array', items: { type: 'string', enum: types } },
    ],
  },
  description: { type: 'string' },
  enum: { type: 'array', minItems: 1 },
  default: {},
  pattern: { type: 'string' },
  minLength: { type: 'integer', minimum: 0 },
  minimum: { type: 'number' },
  maximum: { type: 'number' },
  minItems: { type: 'integer', minimum: 0 },
  items: { type: 'object' },
  properties: { type: 'object' },
  required: { type: 'array', items: { type: 'string' } },
  additionalProperties: { type: ['boolean', 'object'] },
  anyOf: { type: 'array', minItems: 1, items: { type: 'object' } },
  examples: { type: 'array' },
  secret: { type: 'boolean' },
}

/** Reads what a task file declares under `params`: a JSON Schema of a mapping. What is wrong with it is reported, and left out. */
export function loadParams(item: Item | undefined, report: Report): ParamsSchema {
  if (!item) return none
  if (item.kind !== 'map') {
    error(report, '`params` is a JSON Schema: a mapping with `properties`', item.span)
    return none
  }
  const loose = item.entries.find((e) => !['type', 'description', 'properties', 'required'].includes(e.key))
  if (loose) {
    const declared = loose.value.kind === 'map' && !item.entries.some((e) => e.key === 'properties')
    const near = didYouMean(loose.key, ['properties', 'required', 'description'])
    error(
      report,
      `\`params\` has no word \`${loose.key}\``,
      loose.keySpan,
      declared ? 'put the parameters under `properties:`' : near && `did you mean \`${near}\`?`,
    )
    return none
  }
  const type = item.entries.find((e) => e.key === 'type')?.value
  if (type && toData(type) !== 'object') error(report, '`params` is always of type `object`', type.span)
  const schema = loadSchema(item, report)
  const names = new Fields(item, report).get('properties')
  const named = names?.kind === 'map' ? names.entries : []
  const good = named.filter((e) => new Fields(item, report).isName(e.key, e.keySpan)).map((e) => e.key)
  const properties = Object.fromEntries(Object.entries(schema.properties ?? {}).filter(([name]) => good.includes(name)))
  return { type: 'object', properties, required: (schema.required ?? []).filter((name) => good.includes(name)) }
}

function loadSchema(item: Item, report: Report): ParamSchema {
  if (item.kind !== 'map') {
    error(report, 'a JSON Schema is a mapping', item.span, 'write `{ type: string }`, or `{}` for anything')
    return {}
  }
  const schema: Record<string, unknown> = {}
  for (const { key, keySpan, value } of item.entries) {
    const word = Object.hasOwn(schemaWords, key) ? schemaWords[key] : undefined
    if (!word) {
      const near = didYouMean(key, Object.keys(schemaWords))
      const hint =
        near === undefined ? `there are: ${Object.keys(schemaWords).join(', ')}` : `did you mean \`${near}\`?`
      error(report, `the schema of a parameter has no word \`${key}\``, keySpan, hint)
      continue
    }
    const data = toData(value)
    const of = validatorFor({ type: 'object', properties: { [key]: word } })
    if (!of({ [key]: data })) error(report, wrongWord(key), value.span, typeHint(data))
    else if (key === 'pattern' && !isPattern(data)) error(report, '`pattern` is no regular expression', value.span)
    else if (key === 'secret') Object.assign(schema, data === true ? { secret: true } : {})
    else schema[key] = nested(key, value, report) ?? data
  }
  if (schema.secret)
    for (const { key, value } of item.entries) if (['default', 'enum', 'examples'].includes(key)) hideValues(value)
  checkRequired(item, schema, report)
  checkDefault(item, schema as ParamSchema, report)
  return schema as ParamSchema
}

/** The schemas inside a word's value. */
function nested(key: string, value: Item, report: Report): unknown {
  if (key === 'properties' && value.kind === 'map')
    return Object.fromEntries(value.entries.map((e) => [e.key, loadSchema(e.value, report)]))
  if (key === 'anyOf' && value.kind === 'list') return value.items.map((i) => loadSchema(i, report))
  if (key === 'items' || (key === 'additionalProperties' && value.kind === 'map')) return loadSchema(value, report)
  return undefined
}

function checkRequired(item: MapItem, { required, properties }: ParamSchema, report: Report): void {
  const list = item.entries.find((e) => e.key === 'required')?.value
  if (list?.kind !== 'list' || !Array.isArray(required)) return
  for (const [i, name] of required.entries()) {
    if (properties && Object.hasOwn(properties, name)) continue
    const near = didYouMean(name, Object.keys(properties ?? {}))
    error(report, `\`${name}\` is required and not declared`, list.items[i]!.span, near && `did you mean \`${near}\`?`)
  }
}

function checkDefault(item: MapItem, schema: ParamSchema, report: Report): void {
  const given = item.entries.find((e) => e.key === 'default')
  if (!given || !Object.hasOwn(schema, 'default')) return
  const of = validatorFor({ type: 'object', properties: { default: schema } })
  if (!of({ default: coerce(schema.default, schema, false) }))
    error(report, 'the default does not fit its own schema', given.value.span)
}

function isPattern(text: unknown): boolean {
  try {
    return Boolean(new RegExp(String(text), 'u'))
  } catch {
    return false
  }
}

function wrongWord(key: string): string {
  const { type, anyOf, items } = schemaWords[key]!
  if (anyOf && key === 'type') return `\`type\` is one of ${types.join(', ')}, or a list of them`
  if (type === 'array')
    return `\`${key}\` is a list${items?.type === 'object' ? ' of schemas' : items ? ' of texts' : ''}`
  const words = {
    string: 'a text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    object: 'a mapping',
  }
  return `\`${key}\` is ${[type]
    .flat()
    .map((t) => words[t as keyof typeof words])
    .join(' or ')}`
}

/** Names of types that other languages have. */
function typeHint(data: unknown): string | undefined {
  const other: Readonly<Record<string, string>> = {
    str: 'string',
    text: 'string',
    int: 'integer',
    float: 'number',
    bool: 'boolean',
    list: 'array',
    dict: 'object',
    path: 'string',
    raw: 'no type at all',
  }
  const word = typeof data === 'string' && Object.hasOwn(other, data) ? other[data] : undefined
  return word && `write ${word.includes(' ') ? word : `\`${word}\``}`
}

function error(report: Report, message: string, span: Span, hint?: string): void {
  report({ code: 'params-schema', severity: 'error', message, span, ...(hint === undefined ? {} : { hint }) })
}
