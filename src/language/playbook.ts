import type { Diagnostic, Source, Span } from './diagnostic.ts'
import type { Scope } from './expression.ts'
import type { Item } from './item.ts'

/** What an author wrote at one place, compiled: plain data, or data with `<%= … %>` in it. */
export interface Value {
  readonly span: Span
  /** What was compiled, for places inside it; none for a value that was put together. */
  readonly item?: Item
  /** Nothing to evaluate: the same in every scope. */
  readonly constant: boolean
  /** Free names, each with the place of its first use. */
  readonly names: ReadonlyMap<string, Span>
  /** What it comes to, as far as its text tells. */
  readonly kind?: Kind | undefined
  /** Never shown. */
  readonly secret?: true
  /** Of an include, in a task that it brought: where that include stands among those around the task, 0 for the outermost. It
   * is evaluated there, outside of its file. */
  readonly outside?: number
  /** @throws ValueError with a place, UnknownValue where a part is known only after apply. */
  readonly evaluate: (scope: Scope) => unknown
}

export type Kind = 'string' | 'number' | 'boolean' | 'array' | 'object'

/** An expression that went wrong when it was evaluated, as a diagnostic. */
export class ValueError extends Error {
  readonly diagnostic: Diagnostic
  constructor(diagnostic: Diagnostic) {
    super(diagnostic.message)
    this.diagnostic = diagnostic
  }
}

export interface Playbook {
  readonly source: Source
  readonly plays: readonly Play[]
}

/** How many hosts of a play go at a time: so many, or a share of all, above 0 and at most 1. */
export type Batch = { readonly hosts: number } | { readonly share: number }

/** Seconds; with more a timer of Node ends at once. */
export const longestTimeout = 2_147_483

export const orders = ['inventory', 'reverse_inventory', 'sorted', 'reverse_sorted'] as const
export type Order = (typeof orders)[number]

export interface Play {
  readonly name: string
  readonly span: Span
  /** The pattern as written; a list is joined by `,`. */
  readonly hosts: Value
  readonly become: Value | undefined
  readonly becomeUser: Value | undefined
  readonly vars: ReadonlyMap<string, Value>
  readonly gatherFacts: boolean
  /** Undefined for all hosts at once. */
  readonly serial: readonly Batch[] | undefined
  readonly order: Order
  /** The first host that fails ends the run. */
  readonly anyErrorsFatal: boolean
  readonly tags: readonly string[]
  readonly tasks: readonly Task[]
  readonly handlers: readonly Task[]
  /** Names that tasks would bring which could not be read. */
  readonly lost: readonly string[]
}

/** A task file where one task includes it: what its tasks see besides what all see. */
export interface Inclusion {
  /** The task that includes it. */
  readonly span: Span
  /** What stands before the names of its tasks. */
  readonly label: string
  /** The folder of the file. */
  readonly dir: string
  /** The include's own `vars`, for all its tasks; evaluated where the include stands. */
  readonly vars: ReadonlyMap<string, Value>
  /** All that the file declares, likewise: each checked, and its default or null where it is not given. */
  readonly params: ReadonlyMap<string, Value>
  readonly when: readonly Value[]
  readonly become: Value | undefined
  readonly becomeUser: Value | undefined
}

export interface Task {
  /** As written, or the module's name. */
  readonly name: string
  readonly span: Span
  readonly module: string
  /** By parameter. A name with `<%= %>` in it is not allowed. */
  readonly params: ReadonlyMap<string, Value>
  /** Place of the module's key: for errors about the parameters as a whole. */
  readonly moduleSpan: Span
  /** All have to hold. */
  readonly when: readonly Value[]
  readonly loop: Value | undefined
  readonly register: string | undefined
  readonly notify: readonly Value[]
  /** Handlers only: other names to be notified by. */
  readonly listen: readonly string[]
  readonly tags: readonly string[]
  readonly become: Value | undefined
  readonly becomeUser: Value | undefined
  readonly vars: ReadonlyMap<string, Value>
  readonly noLog: boolean
  readonly ignoreErrors: Value | undefined
  readonly changedWhen: readonly Value[] | undefined
  readonly failedWhen: readonly Value[] | undefined
  /** Tried again until all hold; without it, where there are retries, until it does not fail. */
  readonly until: readonly Value[] | undefined
  /** How many times more. */
  readonly retries: Value | undefined
  /** Seconds between two tries. */
  readonly delay: Value | undefined
  /** Seconds that its steps may take on a host. */
  readonly timeout: number | undefined
  /** What a step of unknown effect may touch at most: the word `nothing`, or a list of absolute paths and mappings with
   * exactly one of `path`, `unit`, `package`, `user`. Undefined: anything. Checked as far as it is constant. */
  readonly affects: Value | undefined
  /** The includes that brought it, the outermost first. */
  readonly includes: readonly Inclusion[]
}
