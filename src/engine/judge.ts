import { fromBytes } from '../host/bytes.ts'
import { longestError, type StepEnd } from '../host/step.ts'
import { truth } from '../language/compile.ts'
import type { Task, Value } from '../language/playbook.ts'
import type { TaskStatus } from '../report/events.ts'
import { exitStatus } from '../said.ts'
import { Unknown, UnknownValue } from '../unknown.ts'
import type { Instance } from './instance.ts'
import type { HostScope } from './scope.ts'

/** What a task came to, on a host and for a loop item. */
export interface Verdict {
  readonly status: TaskStatus
  readonly changed: boolean | Unknown
  readonly failed: boolean
  /** It failed, and the play goes on all the same. */
  readonly ignored: boolean
  readonly message: string | undefined
  readonly hint: string | undefined
  /** Found while it ran. */
  readonly warnings: readonly string[]
  /** What `register` gives. */
  readonly result: Readonly<Record<string, unknown>>
}

interface Raw {
  readonly changed: boolean
  readonly failed: string | undefined
  readonly hint?: string | undefined
  readonly warnings?: readonly string[] | undefined
  readonly result: Readonly<Record<string, unknown>>
}

/** Judges an instance by the ends of its steps; without them by what is predicted.
 * @throws ValueError where a condition of the task goes wrong. */
export function judge(instance: Instance, ends: readonly StepEnd[] | undefined, scope: HostScope): Verdict {
  const { task, outcome } = instance
  if (outcome.kind === 'skipped') return skipped(outcome.reason)
  if (outcome.kind === 'unknown') return unknown(outcome.because)
  if (outcome.kind === 'planned' && outcome.plan.skipped !== undefined) return skipped(outcome.plan.skipped)
  const raw = rawOf(instance, ends)
  const predicted = ends === undefined && outcome.kind === 'planned' && outcome.steps.length > 0
  const maybe = predicted && (task.ignoreErrors !== undefined || task.failedWhen !== undefined)
  const shown = maybe ? { ...raw.result, failed: new Unknown(`whether ${task.name} fails`) } : raw.result
  const conditions = (values: readonly Value[] | undefined, otherwise: boolean) =>
    values === undefined ? otherwise : evaluateAll(values, instance, shown, scope)
  const changed = raw.failed === undefined || task.changedWhen ? conditions(task.changedWhen, raw.changed) : raw.changed
  const failing = predicted ? false : conditions(task.failedWhen, raw.failed !== undefined)
  const failed = failing === true
  const ignored = failed && isTrue(task.ignoreErrors, instance, scope)
  const message = failed
    ? (raw.failed ?? '`failed_when` holds')
    : changed instanceof Unknown
      ? changed.because
      : undefined
  return {
    status: failed ? 'failed' : changed instanceof Unknown ? 'unknown' : changed ? 'changed' : 'ok',
    changed,
    failed,
    ignored,
    message,
    hint: failed ? raw.hint : undefined,
    warnings: raw.warnings ?? [],
    result: {
      ...shown,
      changed,
      failed: maybe ? shown.failed : failed,
      ...(failed && message ? { msg: message } : {}),
    },
  }
}

function skipped(reason: string): Verdict {
  const result = { changed: false, skipped: true, skip_reason: reason, failed: false }
  return {
    status: 'skipped',
    changed: false,
    failed: false,
    ignored: false,
    message: reason,
    hint: undefined,
    warnings: [],
    result,
  }
}

function unknown(because: string): Verdict {
  const changed = new Unknown(because)
  const result = new Proxy({}, { getOwnPropertyDescriptor: () => known(changed), get: () => changed, has: () => true })
  return {
    status: 'unknown',
    changed,
    failed: false,
    ignored: false,
    message: because,
    hint: undefined,
    warnings: [],
    result,
  }
}

const known = (value: unknown) => ({ value, enumerable: true, configurable: true, writable: true })

function rawOf({ task, outcome }: Instance, ends: readonly StepEnd[] | undefined): Raw {
  if (outcome.kind === 'failed')
    return { changed: false, failed: outcome.failed, hint: outcome.hint, result: outcome.result ?? {} }
  if (outcome.kind !== 'planned') throw new Error('only what was planned can be judged')
  const { plan, steps } = outcome
  const bad = ends?.findIndex((e) => e.outcome !== 'done') ?? -1
  // a command that fails may have done anything; of other steps that one did nothing
  const done = steps.filter(({ step }, i) => bad === -1 || i < bad || (i === bad && step.opaque))
  const changed = plan.changed ?? done.some(({ step }) => !step.harmless)
  const result = task.noLog ? namingOnly(task, plan.result ?? {}) : (plan.result ?? {})
  if (ends === undefined || steps.length === 0) return { changed, failed: undefined, result }
  if (plan.settle && (bad === -1 || ends[bad]!.outcome === 'failed')) {
    const settled = plan.settle(ends)
    return {
      changed,
      failed: settled.failed,
      hint: settled.hint,
      warnings: settled.warnings,
      result: { ...result, ...settled.result },
    }
  }
  if (bad === -1) return { changed, failed: undefined, result: { ...result, ...plan.afterwards?.(ends) } }
  return { changed, failed: stepFailure(steps[bad]!.step.summary, ends[bad]!), result }
}

/** A result whose unknown values are put down to the task, not to the words of its command. */
function namingOnly(task: Task, result: Raw['result']): Raw['result'] {
  const named = new Unknown(`task ${task.name}`)
  return Object.fromEntries(Object.entries(result).map(([key, v]) => [key, v instanceof Unknown ? named : v]))
}

/** Why a step failed: its exit status and the end of what it said. */
export function stepFailure(summary: string, end: StepEnd): string {
  if (end.outcome === 'timed-out') return `${summary}: it was ended after ${end.limit} s`
  if (end.outcome === 'lost') return `${summary}: the connection was lost while it ran: ${fromBytes(end.stderr)}`
  if (end.outcome === 'not-started') return `${summary}: it was not started`
  if (end.status === undefined) return `${summary}: ${fromBytes(end.stderr)}`
  return `${summary}: ${exitStatus(end, end.stderr.length === longestError)}`
}

/** Whether all conditions hold, with the task's own result under the name it registers. */
export function evaluateAll(
  values: readonly Value[],
  { task, scope: at }: Instance,
  result: object,
  scope: HostScope,
): boolean | Unknown {
  const own = Object.create(at, task.register === undefined ? {} : { [task.register]: known(result) })
  try {
    return values.every((v) => truth(scope.evaluate(v, own), v))
  } catch (e) {
    if (e instanceof UnknownValue) return new Unknown(e.because)
    throw e
  }
}

function isTrue(value: Value | undefined, { scope: at }: Instance, scope: HostScope): boolean {
  return value !== undefined && truth(scope.evaluate(value, at), value)
}
