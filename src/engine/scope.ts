import type { Scope } from '../language/expression.ts'
import { type Value, ValueError } from '../language/playbook.ts'

/** Where a host's variables come from, weakest first; task vars stand between `play` and what `register` gave. */
export interface Levels {
  /** Made by the engine: `inventory_hostname`, `groups`, … */
  readonly given: Readonly<Record<string, unknown>>
  readonly inventory: ReadonlyMap<string, Value>
  readonly play: ReadonlyMap<string, Value>
  /** From the command line: strongest. */
  readonly extra: ReadonlyMap<string, Value>
}

/** Makes the scopes of a host's tasks. A variable is evaluated when it is used, in the scope of the task that uses it. */
export class HostScope {
  readonly #base: object
  readonly #extra: ReadonlyMap<string, Value>
  #top: Scope = {}
  readonly #underWay = new Set<Value>()

  /** @param facts gives the host's facts, or Unknown. */
  constructor(levels: Levels, facts: () => unknown) {
    const given = Object.create(null) as object
    Object.defineProperties(given, Object.getOwnPropertyDescriptors(levels.given))
    Object.defineProperty(given, 'facts', { get: facts, enumerable: true })
    this.#base = this.#layer(this.#layer(given, levels.inventory), levels.play)
    this.#extra = levels.extra
  }

  /** @param known what `register` and `set_fact` gave so far.
   * @param own the strongest of all: the loop's item. */
  forTask(
    vars: ReadonlyMap<string, Value>,
    known: ReadonlyMap<string, unknown>,
    own: Readonly<Record<string, unknown>> = {},
  ): Scope {
    // defined, not assigned: below may be a getter of the same name
    const on = (below: object, values: object) => Object.create(below, Object.getOwnPropertyDescriptors(values))
    const task = vars.size === 0 ? this.#base : this.#layer(this.#base, vars)
    const brought = on(task, Object.fromEntries(known))
    return on(this.#extra.size === 0 ? brought : this.#layer(brought, this.#extra), own) as Scope
  }

  /** Evaluates in a scope made by `forTask`.
   * @throws ValueError, UnknownValue */
  evaluate(value: Value, scope: Scope): unknown {
    const before = this.#top
    this.#top = scope
    try {
      return value.evaluate(scope)
    } finally {
      this.#top = before
    }
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

  #layer(below: object, values: ReadonlyMap<string, Value>): object {
    const layer = Object.create(below) as object
    for (const [name, value] of values) {
      Object.defineProperty(layer, name, { get: () => this.#variable(name, value), enumerable: true })
    }
    return layer
  }

  #variable(name: string, value: Value): unknown {
    if (value.constant) return value.evaluate(this.#top)
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
