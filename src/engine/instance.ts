import type { Failure, Known, Module, ModuleContext, Plan, Reads } from '../contract.ts'
import type { Effect } from '../host/effect.ts'
import type { Facts } from '../host/facts.ts'
import type { Read } from '../host/read.ts'
import type { Step } from '../host/step.ts'
import type { Scope } from '../language/expression.ts'
import { type Task, ValueError } from '../language/playbook.ts'
import type { LocalRead } from '../local-read.ts'
import { Unknown, UnknownValue } from '../unknown.ts'

/** A task for one host and one loop item, as far as a walk came with it. */
export interface Instance {
  readonly task: Task
  readonly module: Module
  /** Its place in the play's list of tasks and handlers. */
  readonly position: number
  readonly item: LoopItem | undefined
  /** As whom it runs; empty for the connection's own user. */
  readonly user: string
  readonly scope: Scope
  readonly params: Readonly<Record<string, unknown>>
  /** What it asked of the host. */
  readonly asked: readonly Read[]
  readonly outcome: Outcome
}

export interface LoopItem {
  readonly index: number
  readonly count: number
  readonly value: unknown
}

export type Outcome =
  | { readonly kind: 'skipped'; readonly reason: string }
  | ({ readonly kind: 'failed' } & Failure & { readonly at?: string })
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'planned'; readonly plan: Plan; readonly steps: readonly PlannedStep[] }

/** A step with its effects on this host: those of an opaque one come from what its task says that it affects. */
export interface PlannedStep {
  readonly step: Step
  readonly effects: readonly Effect[]
}

/** What a walk knows of the host for one user. */
export interface View {
  readonly has: (read: Read) => boolean
  readonly get: <A>(read: Read<A>) => A | Unknown | undefined
  readonly facts: Facts | undefined
}

export interface Question {
  readonly module: Module
  readonly params: Readonly<Record<string, unknown>>
  readonly view: View
  readonly diff: boolean
  /** What its steps need is asked for too. */
  readonly check?: boolean
  /** See `ModuleContext`. */
  readonly here: boolean
  readonly local: (read: LocalRead) => unknown
  readonly secret: (value: string) => void
}

export type Answer =
  | { readonly kind: 'missing'; readonly reads: readonly Read[]; readonly asked: readonly Read[] }
  | { readonly kind: 'unknown'; readonly because: string; readonly asked: readonly Read[] }
  | { readonly kind: 'plan'; readonly plan: Plan | Failure; readonly asked: readonly Read[] }

/** Asks a module what it wants to know and, when all is known, what it would do. */
export function consult(q: Question): Answer {
  const asked = new Map<string, Read>()
  const missing = new Map<string, Read>()
  const note = (read: Read) => {
    asked.set(read.key, read)
    if (!q.view.has(read)) missing.set(read.key, read)
  }
  const known: Known = (read) => {
    if ('local' in read) return q.local(read) as never
    note(read)
    return must(q.view.get(read))
  }
  const context: ModuleContext = {
    get facts() {
      return must(q.view.facts ?? new Unknown(factsWanted))
    },
    diff: q.diff,
    here: q.here,
    secret: q.secret,
  }
  try {
    const reads = (q.module.body.reads?.(q.params, context, known) ?? {}) as Reads
    for (const read of Object.values(reads).flat()) if (read && !('local' in read)) note(read)
    if (missing.size > 0) return { kind: 'missing', reads: [...missing.values()], asked: [...asked.values()] }
    const plan = q.module.body.plan(q.params, answersTo(reads, q) as never, context)
    if (!('failed' in plan || Array.isArray(plan.steps))) throw new TypeError('`plan` gave neither steps nor a failure')
    const needs = q.check && 'steps' in plan ? plan.steps.flatMap((s) => s.needs ?? []) : []
    const unasked = needs.map((n) => n.read).filter((r) => !q.view.has(r))
    if (unasked.length > 0) return { kind: 'missing', reads: unasked, asked: [...asked.values()] }
    const lacking = needs.find((n) => q.view.get(n.read) === undefined)
    const made = lacking ? { failed: lacking.otherwise } : plan
    return { kind: 'plan', plan: made, asked: [...asked.values()] }
  } catch (e) {
    if (e instanceof ValueError) throw e
    if (!(e instanceof UnknownValue)) return { kind: 'plan', plan: broken(q.module, e), asked: [...asked.values()] }
    if (missing.size > 0) return { kind: 'missing', reads: [...missing.values()], asked: [...asked.values()] }
    return { kind: 'unknown', because: e.because, asked: [...asked.values()] }
  }
}

/** A fault of the module itself fails its task; the other hosts are none of its business. */
function broken(module: Module, e: unknown): Failure {
  const { name, message, stack } = e instanceof Error ? e : new Error(String(e))
  const at = /^\s+at .*$/m.exec(stack ?? '')?.[0].trim()
  return {
    failed: `the module ${module.name} is broken: ${name}: ${message}${at === undefined ? '' : `\n${at}`}`,
    hint: 'this is a fault of the module, not of the playbook',
  }
}

/** Why a value is Unknown as long as the host has not said its facts. */
export const factsWanted = 'the facts of the host'

function must<A>(value: A | Unknown): A {
  if (value instanceof Unknown) throw new UnknownValue(value.because)
  return value
}

/** An answer throws when it is looked at and not known: a plan that needs only some of them is not held up. */
function answersTo(reads: Reads, q: Question): object {
  const answers = {}
  for (const [name, asked] of Object.entries(reads)) {
    const get = () => {
      if (asked === undefined) return undefined
      if ('local' in asked) return q.local(asked)
      return 'kind' in asked ? must(q.view.get(asked)) : asked.map((r) => must(q.view.get(r)))
    }
    Object.defineProperty(answers, name, { get, enumerable: true })
  }
  return answers
}
