import type { Failure, Module } from '../contract.ts'
import type { Scope } from '../language/expression.ts'
import type { Task, Value } from '../language/playbook.ts'
import type { LocalRead } from '../local-read.ts'
import type { Queue } from './memory.ts'
import type { Models } from './models.ts'
import type { HostScope } from './scope.ts'
import type { Turns } from './turns.ts'

/** What a walk stands on: the play, and what is known of the host. */
export interface Ground {
  readonly queue: Queue
  readonly models: Models
  readonly scope: HostScope
  readonly check: boolean
  /** The host is this machine. */
  readonly here: boolean
  /** Of all hosts of the run. */
  readonly turns: Turns
  /** All facts come with the first answer, also those that take programs of their own. */
  readonly facts: boolean
  readonly diff: boolean
  /** As whom tasks run that say nothing; empty for the connection's own user. */
  readonly user: string
  /** As whom a task runs, when its own `become` is evaluated. */
  readonly userOf: (task: Task, evaluate: (value: Value) => unknown) => string
  /** @throws ValueError, UnknownValue */
  readonly params: (task: Task, module: Module, scope: Scope, home: () => string) => Record<string, unknown>
  /** The paths on the host among a task's parameters.
   * @throws ValueError, UnknownValue */
  readonly paths: (task: Task, module: Module, scope: Scope, home: () => string) => readonly string[]
  readonly local: (read: LocalRead, scope: Scope, task: Task) => unknown
  /** That a file of the controller which a task names is not there, and where it was looked for. */
  readonly unfound: (task: Task, module: Module, params: Readonly<Record<string, unknown>>) => Failure | undefined
  readonly secret: (value: string) => void
}
