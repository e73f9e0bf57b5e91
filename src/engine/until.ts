import { type Value, ValueError } from '../language/playbook.ts'
import type { Unknown } from '../unknown.ts'
import type { Ground } from './ground.ts'
import type { Instance } from './instance.ts'
import { evaluateAll, judge, type Verdict } from './judge.ts'

/** What becomes of a task that is tried until something holds: a verdict that stands, or another try after so many
 * milliseconds. */
export type Tried = { readonly verdict: Verdict } | Again

/** `again` in milliseconds. */
export interface Again {
  readonly again: number
  readonly because: string
}

/** @param tries how often it was tried before.
 * @throws ValueError where a condition goes wrong. */
export function tried(ground: Ground, instance: Instance, verdict: Verdict, tries: number): Tried {
  const { task, scope } = instance
  if (!isTriedAgain(instance)) return { verdict }
  const number = (value: Value | undefined, otherwise: number) =>
    value === undefined ? otherwise : numberOf(ground.scope.evaluate(value, scope), value)
  const held = holds(ground, instance, verdict)
  const result = { ...verdict.result, attempts: tries + 1 }
  if (held) return { verdict: { ...verdict, result } }
  const words = conditionText(task.until)
  const because = verdict.failed ? (verdict.message ?? 'it failed') : `${words} does not hold`
  if (tries < number(task.retries, 3)) return { again: number(task.delay, 5) * 1000, because }
  const message = `${because} (tried ${tries === 0 ? 'once' : `${tries + 1} times`})`
  return {
    verdict: { ...verdict, ...failing(ground, instance, message), result: { ...result, failed: true, msg: message } },
  }
}

/** In check nothing is waited for: whether that will hold is not known.
 * @returns the instance and the verdict as check tells them. */
export function foreseen(
  ground: Ground,
  instance: Instance,
  verdict: Verdict,
): { readonly instance: Instance; readonly verdict: Verdict } {
  if (!isTriedAgain(instance) || holds(ground, instance, verdict) !== false) return { instance, verdict }
  const because = verdict.failed ? `until it does not fail: ${verdict.message}` : conditionText(instance.task.until)
  const unknown: Instance = { ...instance, outcome: { kind: 'unknown', because } }
  return { instance: unknown, verdict: judge(unknown, undefined, ground.scope) }
}

/** Whether its end has to be seen before anything may follow. */
export function isTriedAgain({ task, outcome }: Instance): boolean {
  const isTried = outcome.kind === 'failed' || (outcome.kind === 'planned' && outcome.plan.skipped === undefined)
  return isTried && (task.until !== undefined || task.retries !== undefined)
}

function holds(ground: Ground, instance: Instance, verdict: Verdict): boolean | Unknown {
  const { until } = instance.task
  if (until === undefined) return !verdict.failed
  try {
    return evaluateAll(until, instance, verdict.result, ground.scope)
  } catch (e) {
    // what failed may lack what is asked for
    if (e instanceof ValueError && verdict.failed) return false
    throw e
  }
}

function failing(ground: Ground, { task, scope }: Instance, message: string): Partial<Verdict> {
  const ignored = task.ignoreErrors !== undefined && Boolean(ground.scope.evaluate(task.ignoreErrors, scope))
  return { status: 'failed', failed: true, ignored, message }
}

function conditionText(until: readonly Value[] | undefined): string {
  const texts = (until ?? []).map(({ span }) => span.source.text.slice(span.start, span.end).trim())
  return `until: ${texts.join(' and ')}`
}

function numberOf(value: unknown, at: Value): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'number' && number >= 0 && Number.isFinite(number)) return number
  throw new ValueError({
    code: 'type',
    severity: 'error',
    message: 'this is not a number, 0 or more',
    span: at.span,
  })
}
