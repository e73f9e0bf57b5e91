// What a module is: its head, its questions, its pure plan. The engine takes modules by this, and what modules share is
// written against it; src/module.ts is the door by which modules themselves come to it.
import type { Facts } from './host/facts.ts'
import type { AnswerOf, Read } from './host/read.ts'
import type { Step, StepEnd } from './host/step.ts'
import type { Validate } from './language/module-set.ts'
import type { Params, ParamsSchema } from './language/schema.ts'
import type { LocalRead } from './local-read.ts'

/** What a module may know besides its parameters and its answers. */
export interface ModuleContext {
  /** Of the host, as the user that the task runs as.
   * @throws UnknownValue before the host has said them; the engine asks again then. */
  readonly facts: Facts
  /** Contents before a change are wanted, for a diff. */
  readonly diff: boolean
  /** The host is the controller itself, and the task runs as the user that runs runbook. */
  readonly here: boolean
  /** Shows what is secret as such wherever it may come out. */
  readonly secret: (value: string) => void
}

/** What a module asks, by a name of its own: of the host, or of the controller's files; a list for many of a kind. */
export type Reads = Readonly<Record<string, Read | LocalRead | readonly Read[] | undefined>>

export type Answers<R extends Reads> = { readonly [K in keyof R]: R[K] extends LocalRead<infer A> ? A : AnswerOf<R[K]> }

/** What came back so far: undefined where it was not asked yet.
 * @throws UnknownValue where only an apply will tell. */
export type Known = <A>(read: Read<A> | LocalRead<A>) => A | undefined

/** What a task would do. No steps: all is as it should be. */
export interface Plan {
  readonly steps: readonly Step[]
  /** What `register` gives, as far as it is known before the steps ran. */
  readonly result?: Readonly<Record<string, unknown>>
  readonly warnings?: readonly string[]
  /** For the reader of the report. */
  readonly output?: string
  /** Says `changed` where the steps alone do not (a check that ran, a command that was passed over). */
  readonly changed?: boolean
  /** Why nothing was to be done, for the report. */
  readonly skipped?: string
  /** Variables for the tasks that follow on this host. */
  readonly variables?: Readonly<Record<string, unknown>>
  /** What the ends of the steps add to the result, all being done. */
  readonly afterwards?: (ends: readonly StepEnd[]) => Readonly<Record<string, unknown>>
  /** What the ends of the steps make of the task, and add to the result. Without it a step that fails fails the task. */
  readonly settle?: (ends: readonly StepEnd[]) => Settled
}

export interface Settled {
  readonly result: Readonly<Record<string, unknown>>
  readonly failed?: string
  readonly hint?: string
  readonly warnings?: readonly string[]
}

/** A task that cannot be done. */
export interface Failure {
  readonly failed: string
  readonly hint?: string
  readonly result?: Readonly<Record<string, unknown>>
}

/** @param message one sentence without a full stop. */
export function fail(message: string, more: { hint?: string; result?: Record<string, unknown> } = {}): Failure {
  return { failed: message, ...more }
}

export interface ModuleHead<S extends ParamsSchema> {
  readonly name: string
  /** One sentence. */
  readonly summary: string
  readonly params: S
  /** It never changes anything on a host. */
  readonly harmless?: true
  /** What it may do where its plan is not known: what its reads are about (the default), only what is at and below its
   * parameters that are paths, only what reads of the kinds that it asks tell, none of the paths that they are about, or
   * anything. */
  readonly touches?: 'reads' | 'paths' | 'kinds' | 'anything'
  /** YAML of tasks, for the documentation. */
  readonly examples?: string
  /** Where it differs from Ansible's module of that name on purpose, one sentence each. */
  readonly differences?: readonly string[]
  /** What its user has to know besides, and what was not tried, one sentence each. */
  readonly notes?: readonly string[]
}

export interface ModuleBody<S extends ParamsSchema, R extends Reads> {
  /** Called again with what came back until it asks nothing new. */
  readonly reads?: (params: Params<S>, context: ModuleContext, known: Known) => R
  readonly plan: (params: Params<S>, answers: Answers<R>, context: ModuleContext) => Plan | Failure
}

/** A module as the engine takes it. */
export interface Module extends ModuleHead<ParamsSchema> {
  /** Made by the build for the modules of this package. */
  readonly validate?: Validate
  // biome-ignore lint/suspicious/noExplicitAny: the engine holds modules of every parameter type, checked against their schema
  readonly body: ModuleBody<any, any>
}

/** Defines a module: its schema, then its questions and its pure plan. */
export function defineModule<const S extends ParamsSchema>(head: ModuleHead<S>) {
  // biome-ignore lint/complexity/noBannedTypes: a module that asks nothing has no answers
  return <R extends Reads = {}>(body: ModuleBody<S, R>): Module => ({ ...head, body })
}
