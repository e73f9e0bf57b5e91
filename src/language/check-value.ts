import type { ErrorObject } from 'ajv'
import type { Validate } from './module-set.ts'
import type { ParamSchema, ParamsSchema } from './schema.ts'

/** A validator for a schema that an author wrote: what ajv would say, without the time that ajv takes to be loaded. */
export function validatorFor(params: ParamsSchema): Validate {
  const validate: Validate = (data) => {
    validate.errors = faultsOf({ ...params, additionalProperties: params.additionalProperties ?? false }, data, '')
    return validate.errors.length === 0
  }
  return validate
}

/** All that is wrong with a value.
 * @param path where the value stands in the whole, as a JSON pointer. */
function faultsOf(schema: ParamSchema, data: unknown, path: string): ErrorObject[] {
  const fault = (keyword: string, params: object, message = '', at = data): ErrorObject => ({
    keyword,
    instancePath: path,
    schemaPath: '',
    params,
    message,
    data: at,
  })
  const { type } = schema
  if (type !== undefined && ![type].flat().some((t) => isOf(t, data))) return [fault('type', { type })]
  const found: ErrorObject[] = []
  if (schema.enum && !schema.enum.includes(data as string)) found.push(fault('enum', { allowedValues: schema.enum }))
  if (schema.anyOf && !schema.anyOf.some((s) => faultsOf(s, data, path).length === 0))
    found.push(anyOfFault(schema.anyOf, data, path) ?? fault('anyOf', {}, 'fits none of what it may be'))
  if (typeof data === 'string') found.push(...textFaults(schema, data).map((m) => fault('text', {}, m)))
  if (typeof data === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = schema
    if (data < minimum) found.push(fault('minimum', {}, `has to be at least ${minimum}`))
    if (data > maximum) found.push(fault('maximum', {}, `has to be at most ${maximum}`))
  }
  if (Array.isArray(data)) return [...found, ...listFaults(schema, data, path, fault)]
  if (isOf('object', data)) return [...found, ...mappingFaults(schema, data as Record<string, unknown>, path, fault)]
  return found
}

type Fault = (keyword: string, params: object, message?: string, at?: unknown) => ErrorObject

/** Of the alternatives, the one that was meant is the first of the value's type. */
function anyOfFault(alternatives: readonly ParamSchema[], data: unknown, path: string): ErrorObject | undefined {
  const meant = alternatives.find((s) => s.type === undefined || [s.type].flat().some((t) => isOf(t, data)))
  return meant && faultsOf(meant, data, path)[0]
}

function textFaults({ minLength = 0, pattern }: ParamSchema, text: string): string[] {
  const short = [...text].length < minLength
  return [
    ...(short ? [minLength === 1 ? 'is empty' : `has to have at least ${minLength} characters`] : []),
    ...(pattern !== undefined && !new RegExp(pattern, 'u').test(text) ? [`does not match \`${pattern}\``] : []),
  ]
}

function listFaults({ minItems = 0, items }: ParamSchema, list: readonly unknown[], path: string, fault: Fault) {
  const few = minItems === 1 ? 'is an empty list' : `has to have at least ${minItems} elements`
  return [
    ...(list.length < minItems ? [fault('minItems', {}, few)] : []),
    ...(items ? list.flatMap((value, i) => faultsOf(items, value, `${path}/${i}`)) : []),
  ]
}

function mappingFaults(schema: ParamSchema, data: Record<string, unknown>, path: string, fault: Fault): ErrorObject[] {
  const { properties = {}, required = [], additionalProperties = true } = schema
  const missing = required.filter((name) => !Object.hasOwn(data, name))
  return [
    ...missing.map((missingProperty) => fault('required', { missingProperty })),
    ...Object.entries(data).flatMap(([name, value]) => {
      const own = Object.hasOwn(properties, name) ? properties[name]! : additionalProperties
      if (own === false) return [fault('additionalProperties', { additionalProperty: name })]
      return own === true ? [] : faultsOf(own, value, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    }),
  ]
}

function isOf(type: string, data: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(data)
    case 'number':
      return Number.isFinite(data)
    case 'array':
      return Array.isArray(data)
    case 'object':
      return data !== null && typeof data === 'object' && !Array.isArray(data)
    case 'null':
      return data === null
    default:
      return typeof data === type
  }
}
