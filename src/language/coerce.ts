import type { ParamSchema } from './schema.ts'

/** Makes a value what its schema wants where an Ansible user expects it: text of a number, a number for text, one text for
 * a list of them. What does not fit stays as it is, for the validator to name.
 * @param loose the value came through a template or a free form, where all is text: `yes` and `true` are booleans too. */
export function coerce(value: unknown, schema: ParamSchema, loose: boolean): unknown {
  switch (schema.type) {
    case 'string':
      // of a PIN, YAML has dropped the leading zeros
      return typeof value === 'number' && !schema.mode && !schema.secret ? String(value) : value
    case 'boolean':
      return loose && typeof value === 'string' ? booleanOf(value) : value
    case 'integer':
    case 'number':
      return typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value
    case 'array':
      return coerceList(value, schema.items ?? {}, loose)
    case 'object':
      return coerceObject(value, schema, loose)
    default:
      return value
  }
}

function booleanOf(text: string): unknown {
  if (/^(true|yes|on|y|t|1)$/i.test(text)) return true
  if (/^(false|no|off|n|f|0)$/i.test(text)) return false
  return text
}

function coerceList(value: unknown, items: ParamSchema, loose: boolean): unknown {
  const one = typeof value === 'string' || typeof value === 'number'
  const list =
    one && items.type === 'string'
      ? String(value)
          .split(',')
          .map((v) => v.trim())
      : value
  return Array.isArray(list) ? list.map((v) => coerce(v, items, loose)) : list
}

function coerceObject(value: unknown, schema: ParamSchema, loose: boolean): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  const takesAll = schema.additionalProperties === true
  const rest = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([k, v]) => {
      // null is "not given", as in Ansible; where names and values are anybody's it is one of them
      if (v === undefined || (v === null && !(takesAll && schema.properties?.[k] === undefined))) return []
      return [[k, coerce(v, schema.properties?.[k] ?? rest, loose)]]
    }),
  )
}
