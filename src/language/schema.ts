/** The part of JSON Schema (draft 2020-12) that a module's parameters use, plus three notes of our own. */
export interface ParamSchema {
  readonly type?:
    | 'string'
    | 'integer'
    | 'number'
    | 'boolean'
    | 'array'
    | 'object'
    | readonly ('string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'null')[]
  readonly description?: string
  readonly enum?: readonly (string | number | boolean)[]
  readonly default?: unknown
  readonly pattern?: string
  readonly minLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly items?: ParamSchema
  readonly properties?: Readonly<Record<string, ParamSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | ParamSchema
  readonly examples?: readonly unknown[]
  readonly anyOf?: readonly ParamSchema[]
  /** Other names by which Ansible knows the parameter. */
  readonly aliases?: readonly string[]
  /** The value is masked wherever it would be shown. */
  readonly secret?: true
  /** A path on the controller: looked for beside the playbook, in `files/` or `templates/`; has to exist before anything connects. */
  readonly controllerPath?: 'files' | 'templates'
  /** A path on the host: `~` is the home of the task's user, and a relative path starts there. */
  readonly hostPath?: true
  /** Bare expressions, as in `when`: one or a list. The module gets each with its text, up to the first that does not hold. */
  readonly condition?: true
  /** One bare expression: the module gets its value with its text. */
  readonly expression?: true
  /** For a string of a mode: octal in quotes, or symbolic, or the word `preserve` too; a number is an error that shows the fix. */
  readonly mode?: true | 'preserve'
  /** What a text has to be besides: checked before anything connects. */
  readonly format?: 'python-regexp' | 'shell-words'
}

/** A module's parameters: always an object of named parameters. */
export interface ParamsSchema {
  readonly type: 'object'
  readonly properties: Readonly<Record<string, ParamSchema>>
  readonly required?: readonly string[]
  /** Any name is a parameter (`set_fact`). */
  readonly additionalProperties?: boolean
  /** At least one of the named parameters has to be given. */
  readonly anyOf?: readonly { readonly required: readonly string[] }[]
  /** The parameter that `module: text` sets (`command: ls -l`); without one, a module takes only a mapping. */
  readonly freeForm?: string
  /** Pairs that exclude each other. */
  readonly exclusive?: readonly (readonly string[])[]
}

/** A bare expression of a parameter, evaluated. */
export interface Evaluated {
  readonly text: string
  readonly value: unknown
}

/** The TypeScript type of a parameter's value. */
export type FromSchema<S> = S extends { condition: true }
  ? readonly Evaluated[]
  : S extends { expression: true }
    ? Evaluated
    : S extends { enum: readonly (infer E)[] }
      ? E
      : S extends { type: 'string' }
        ? string
        : S extends { type: 'integer' | 'number' }
          ? number
          : S extends { type: 'boolean' }
            ? boolean
            : S extends { type: 'array'; items: infer I }
              ? readonly FromSchema<I>[]
              : S extends { type: 'object'; properties: infer P }
                ? ObjectOf<P, S extends { required: readonly (infer R)[] } ? R : never>
                : S extends { type: 'object'; additionalProperties: infer A }
                  ? Readonly<Record<string, A extends object ? FromSchema<A> : unknown>>
                  : S extends { type: readonly (infer T)[] }
                    ? FromTypeName<T>
                    : unknown

type FromTypeName<T> = T extends 'string'
  ? string
  : T extends 'integer' | 'number'
    ? number
    : T extends 'boolean'
      ? boolean
      : T extends 'array'
        ? readonly unknown[]
        : T extends 'null'
          ? null
          : Readonly<Record<string, unknown>>

type Always<P, R> = { [K in keyof P]: K extends R ? K : P[K] extends { default: unknown } ? K : never }[keyof P]

/** Required and defaulted parameters are always there (the engine fills defaults in), the others may be undefined. */
type ObjectOf<P, R> = { readonly [K in Always<P, R>]: FromSchema<P[K]> } & {
  readonly [K in Exclude<keyof P, Always<P, R>>]?: FromSchema<P[K]> | undefined
}

export type Params<S extends ParamsSchema> = FromSchema<S>
