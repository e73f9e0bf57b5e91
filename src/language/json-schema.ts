import type { ParamSchema, ParamsSchema } from './schema.ts'

/** Plain JSON Schema (draft 2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A module's parameters as plain JSON Schema: our own notes left out, closed unless the module is open on purpose. */
export function jsonSchema(params: ParamsSchema): JsonSchema {
  const { freeForm: _, exclusive: __, properties, ...rest } = params
  return { additionalProperties: false, ...rest, properties: mapValues(properties, plainParam) }
}

/** One parameter as plain JSON Schema. */
export function plainParam(schema: ParamSchema): JsonSchema {
  // what an expression comes to may be anything
  if (schema.condition || schema.expression) return {}
  // a default is filled in by us; examples and descriptions would only make the generated code longer
  const { aliases, secret, controllerPath, hostPath, mode, format, default: _, description, examples, ...rest } = schema
  return {
    ...rest,
    ...(schema.items ? { items: plainParam(schema.items) } : {}),
    ...(schema.properties ? { properties: mapValues(schema.properties, plainParam) } : {}),
    ...(typeof schema.additionalProperties === 'object'
      ? { additionalProperties: plainParam(schema.additionalProperties) }
      : {}),
    ...(schema.anyOf ? { anyOf: schema.anyOf.map(plainParam) } : {}),
  }
}

/** The same keys with other values. */
export function mapValues<T, U>(
  from: Readonly<Record<string, T>>,
  map: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, map(value, key)]))
}
