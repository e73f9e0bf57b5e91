import type { Scope } from '../language/expression.ts'
import { type Inclusion, type Value, ValueError } from '../language/playbook.ts'

/** Where a host's variables come from, weakest first; task vars stand between `play` and what `register` gave. */
export interface Levels {
  /** Made by the engine: `inventory_hostname`, `groups`, … */
  readonly given: Readonly<Record<string, unknown>>
  readonly inventory: ReadonlyMap<string, Value>
  readonly play: ReadonlyMap<string, Value>
  /** From the command line: strongest. */
  readonly extra: ReadonlyMap<string, Value>
}

/** Of a scope inside of includes: those of the places where they stand, the outermost first. */
const places = Symbol('places')

/** Makes the scopes of a host's tasks. A variable is evaluated when it is used, in the scope of the task that uses it. */
export class HostScope {
  readonly #base: object
  readonly #extra: ReadonlyMap<string, Value>
  #top: Scope = {}
  readonly #underWay = new Set<Value>()
  readonly #secret: (value: string) => void

  /** @param facts gives the host's facts, or Unknown.
   * @param secret is told what is never to be shown. */
  constructor(levels: Levels, facts: () => unknown, secret: (value: string) => void = () => {}) {
    const given = Object.create(null) as object
    Object.defineProperties(given, Object.getOwnPropertyDescriptors(levels.given))
    Object.defineProperty(given, 'facts', { get: facts, enumerable: true })
    this.#base = this.#layer(this.#layer(given, levels.inventory), levels.play)
    this.#extra = levels.extra
    this.#secret = secret
  }

  /** @param known what `register` and `set_fact` gave so far.
   * @param own the strongest of all: the loop's item.
   * @param includes those that brought the task, whose parameters come next. */
  forTask(
    vars: ReadonlyMap<string, Value>,
    known: ReadonlyMap<string, unknown>,
    own: Readonly<Record<string, unknown>> = {},
    includes: readonly Inclusion[] = [],
  ): Scope {
    // defined, not assigned: below may be a getter of the same name
    const on = (below: object, values: object) => Object.create(below, Object.getOwnPropertyDescriptors(values))
    const at = includes.map((i, depth) => once(() => this.forTask(i.vars, known, {}, includes.slice(0, depth))))
    const around = includes.reduce(
      (below, i, depth) => (i.vars.size === 0 ? below : this.#layer(below, i.vars, at[depth])),
      this.#base,
    )
    const task = vars.size === 0 ? around : this.#layer(around, vars)
    const brought = on(task, Object.fromEntries(known))
    const outer = this.#extra.size === 0 ? brought : this.#layer(brought, this.#extra)
    const inner = includes.length === 0 ? outer : this.#layer(outer, includes.at(-1)!.params, at.at(-1))
    return on(inner, at.length === 0 ? own : { ...own, [places]: at }) as Scope
  }

  /** Evaluates in a scope made by `forTask`.
   * @throws ValueError, UnknownValue */
  evaluate(value: Value, scope: Scope): unknown {
    const at = value.outside === undefined ? scope : placesOf(scope)[value.outside]!()
    return this.within(at, () => value.evaluate(at))
  }

  /** Runs with the variables of that scope. */
  within<T>(scope: Scope, run: () => T): T {
    const before = this.#top
    this.#top = scope
    try {
      return run()
    } finally {
      this.#top = before
    }
  }

  /** @param at where the values are evaluated; without it, where they are used. */
  #layer(below: object, values: ReadonlyMap<string, Value>, at?: () => Scope): object {
    const layer = Object.create(below) as object
    for (const [name, value] of values) {
      const used = () => this.#variable(name, value)
      const get = at ? once(() => this.within(at(), used)) : used
      Object.defineProperty(layer, name, { get, enumerable: true })
    }
    return layer
  }

  #variable(name: string, value: Value): unknown {
    const found = value.constant ? value.evaluate(this.#top) : this.#guarded(name, value)
    if (value.secret) for (const text of textsIn(found)) this.#secret(text)
    return found
  }

  #guarded(name: string, value: Value): unknown {
    if (this.#underWay.has(value))
      throw new ValueError({
        code: 'variable-cycle',
        severity: 'error',
        message: `the variable \`${name}\` is made of itself`,
        span: value.span,
      })
    this.#underWay.add(value)
    try {
      return value.evaluate(this.#top)
    } finally {
      this.#underWay.delete(value)
    }
  }
}

function placesOf(scope: Scope): readonly (() => Scope)[] {
  return (scope as { readonly [places]?: readonly (() => Scope)[] })[places] ?? []
}

/** Makes a value when it is first asked for; what throws is tried again. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** All texts and numbers in a value of plain data. */
function textsIn(value: unknown): string[] {
  if (value !== null && typeof value === 'object') return Object.values(value).flatMap(textsIn)
  return typeof value === 'string' || typeof value === 'number' ? [String(value)] : []
}
