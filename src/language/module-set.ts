import type { ErrorObject } from 'ajv'
import type { ParamsSchema } from './schema.ts'

/** A compiled schema: false leaves what is wrong in `errors`. What ajv makes, at run time or ahead of it. */
export interface Validate {
  (data: unknown): boolean
  errors?: null | readonly ErrorObject[]
}

/** What the language has to know of a module. */
export interface ModuleSpec {
  readonly name: string
  readonly params: ParamsSchema
  /** Made by the build; without it ajv compiles `params` when the module is first used. */
  readonly validate?: Validate
}

/** The modules a playbook can name. */
export interface ModuleSet {
  readonly get: (name: string) => ModuleSpec | undefined
  readonly names: () => readonly string[]
}

/** A module's own name: `ansible.builtin.copy` and `ansible.legacy.copy` are `copy`. */
export function moduleName(written: string): string {
  return written.replace(/^ansible\.(builtin|legacy)\./, '')
}
