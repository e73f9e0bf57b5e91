import { jsonSchema } from './json-schema.ts'
import type { ModuleSpec, Validate } from './module-set.ts'

const compiled = new WeakMap<object, Validate>()

/** Makes the validators of these modules ready. ajv is loaded only for a module that brings none: compiling takes longer
 * than all else that happens before a connection. */
export async function prepareValidators(specs: Iterable<ModuleSpec>): Promise<void> {
  const missing = [...specs].filter((s) => !s.validate && !compiled.has(s.params))
  if (missing.length === 0) return
  // bundled, it has no other name than default
  const { default: ajv2020 } = await import('ajv/dist/2020.js')
  const ajv = new ajv2020.Ajv2020({ allErrors: true, strict: false, verbose: true })
  for (const spec of missing) {
    if (!compiled.has(spec.params)) compiled.set(spec.params, ajv.compile(jsonSchema(spec.params)) as Validate)
  }
}

/** The validator of a module that was prepared. */
export function validatorOf(spec: ModuleSpec): Validate {
  const validate = spec.validate ?? compiled.get(spec.params)
  if (!validate) throw new Error(`no validator was prepared for the module ${spec.name}`)
  return validate
}
