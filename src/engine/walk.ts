import type { Module } from '../contract.ts'
import { anythingEffect, perhapsEffect } from '../host/effect.ts'
import type { StepEnd } from '../host/step.ts'
import { truth } from '../language/compile.ts'
import { type Task, type Value, ValueError } from '../language/playbook.ts'
import type { Ground } from './ground.ts'
import { guess, isSound } from './guess.ts'
import type { Instance, LoopItem, PlannedStep } from './instance.ts'
import { judge, type Verdict } from './judge.ts'
import { advance, atNext, copyOf, type Memory, stops } from './memory.ts'
import { ReadsByUser } from './models.ts'
import { brokenValue, consultFor, homeOf, loopItems, namesOf, type ReachedInstance, reach, scopeOf } from './reach.ts'
import { affectedBy, affectedEffects, affectedReads, unknownEffects } from './touches.ts'
import { type Again, foreseen, isTriedAgain, tried } from './until.ts'

export interface Judged {
  readonly instance: Instance
  readonly verdict: Verdict
}

export interface Walked {
  readonly instances: readonly Judged[]
  readonly stop: 'done' | 'failed' | 'missing' | 'unknown' | 'again'
  /** For `unknown` and `again`: what it waits for. */
  readonly because: string
  /** For `missing` what has to be asked; for `unknown` what may be asked ahead. */
  readonly wanted: ReadsByUser
  /** For `again`: milliseconds until the next try. */
  readonly delay: number
}

/** Walks on from a place in the play, as far as all that is needed is known. Pure but for the planned steps, which it adds
 * to the models. */
export function walk(ground: Ground, start: Memory): Walked {
  const memory = copyOf(start)
  const instances: Judged[] = []
  const end = (stop: Walked['stop'], because = '', wanted = new ReadsByUser(), delay = 0): Walked => ({
    instances,
    stop,
    because,
    wanted,
    delay,
  })
  while (atNext(memory, ground.queue)) {
    const reached = reach(ground, memory)
    if ('missing' in reached) {
      const wanted = scout(ground, memory)
      wanted.add(reached.user, reached.missing)
      return end('missing', '', wanted)
    }
    if ('unknown' in reached) return end('unknown', reached.unknown, scout(ground, memory))
    const { instance } = reached
    if (instance.outcome.kind === 'unknown' && !ground.check)
      return end('unknown', instance.outcome.because, scout(ground, memory))
    // what it waits for may come of the steps before it
    const awaits = !ground.check && isTriedAgain(instance)
    if (awaits && instances.some((i) => hasSteps(i.instance)))
      return end('unknown', `task ${instance.task.name}`, scout(ground, memory))
    const judged = judgedAhead(ground, withEffects(ground, reached), memory.tries)
    if ('again' in judged) return end('again', judged.because, new ReadsByUser(), judged.again)
    instances.push(judged)
    advance(memory, ground.queue, judged.instance, judged.verdict, notifies(ground, judged.instance))
    if (stops(judged.verdict)) return end('failed')
    if (awaits && hasSteps(judged.instance)) return end('unknown', `task ${instance.task.name}`, scout(ground, memory))
  }
  return end('done')
}

/** The names a task notifies; those that can't be said yet are judged when it has run. */
export function notifies(ground: Ground, { task, scope }: Instance): string[] {
  return task.notify.flatMap((value) => namesOf(ground, value, scope))
}

export function judgeSafely(ground: Ground, instance: Instance, ends?: readonly StepEnd[]): Judged {
  return orBroken(ground, instance, () => ({ instance, verdict: judge(instance, ends, ground.scope) }))
}

function orBroken<T>(ground: Ground, instance: Instance, run: () => T): T | Judged {
  try {
    return run()
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    const broken: Instance = { ...instance, outcome: brokenValue(e) }
    const plain: Instance = { ...broken, task: { ...broken.task, changedWhen: undefined, failedWhen: undefined } }
    return { instance: broken, verdict: judge(plain, undefined, ground.scope) }
  }
}

/** Judged by what is predicted; where nothing is to be done, for good. */
function judgedAhead(ground: Ground, instance: Instance, tries: number): Judged | Again {
  const judged = judgeSafely(ground, instance)
  return orBroken(ground, judged.instance, () => {
    if (ground.check) return foreseen(ground, judged.instance, judged.verdict)
    return hasSteps(judged.instance) ? judged : orAgain(ground, judged, tries)
  })
}

/** Judged by the ends of its steps.
 * @param tries how often it was tried before. */
export function judgedBy(ground: Ground, instance: Instance, ends: readonly StepEnd[], tries: number): Judged | Again {
  const judged = judgeSafely(ground, instance, ends)
  return orBroken(ground, judged.instance, () => orAgain(ground, judged, tries))
}

function orAgain(ground: Ground, { instance, verdict }: Judged, tries: number): Judged | Again {
  const what = tried(ground, instance, verdict, tries)
  return 'again' in what ? what : { instance, verdict: what.verdict }
}

function hasSteps({ outcome }: Instance): boolean {
  return outcome.kind === 'planned' && outcome.steps.length > 0
}

/** The instance with the effects its steps have here; they are added to the models. */
function withEffects(ground: Ground, { instance, affected, perhaps }: ReachedInstance): Instance {
  const view = ground.models.view(instance.user)
  const { outcome, task } = instance
  const nothing = isConstantFalse(task.changedWhen)
  const plannedSteps = (steps: readonly PlannedStep[]) =>
    steps.map(({ step }): PlannedStep => {
      if (!step.opaque || (nothing && !affected)) return { step, effects: step.effects }
      const because = task.noLog ? `task ${task.name}` : step.summary
      const opaque = affected ? affectedEffects(because, affected, view) : [anythingEffect(because)]
      return { step, effects: [...step.effects, ...opaque] }
    })
  if (outcome.kind === 'unknown') {
    const because = `task ${task.name}`
    const would = perhaps && plannedSteps(perhaps).flatMap((s) => s.effects)
    ground.models.add(
      would ? would.map((e) => perhapsEffect(because, e)) : unknownEffects(because, instance, affected, view),
    )
    return instance
  }
  if (outcome.kind !== 'planned' || outcome.steps.length === 0) return instance
  const steps = plannedSteps(outcome.steps)
  for (const { effects } of steps) ground.models.add(effects)
  return { ...instance, outcome: { ...outcome, steps } }
}

function isConstantFalse(conditions: readonly Value[] | undefined): boolean {
  return conditions?.length === 1 && conditions[0]!.constant && conditions[0]!.evaluate({}) === false
}

/** What the tasks from here on will ask, as far as that can be said; nothing goes wrong in it. */
function scout(ground: Ground, from: Memory): ReadsByUser {
  const wanted = new ReadsByUser()
  wanted.add(ground.user, [])
  const known = new Map(from.known)
  for (let p = from.position; p < ground.queue.entries.length; p++) {
    if (p >= ground.queue.handlersFrom && !from.notified.has(p)) continue
    const { task, module } = ground.queue.entries[p]!
    const memory: Memory = { ...copyOf(from), known, position: p, items: p === from.position ? from.items : undefined }
    const items = attempt(() => (task.loop ? (memory.items ?? loopItems(ground, task, task.loop, memory)) : undefined))
    const count = task.loop ? (items?.length ?? 0) : 1
    for (let index = 0; index < count; index++)
      scoutItem(ground, task, module, memory, items && { index, count, value: items[index] }, wanted)
    if (task.register !== undefined && !known.has(task.register)) known.set(task.register, guess)
    for (const [name, value] of guessedFacts(ground, task, memory)) if (!known.has(name)) known.set(name, value)
  }
  return wanted
}

/** What a set_fact will set, as far as that can be said. */
function guessedFacts(ground: Ground, task: Task, memory: Memory): [string, unknown][] {
  if (task.module !== 'set_fact' || task.loop) return []
  const scope = scopeOf(ground, task, memory, undefined)
  return [...task.params].flatMap(([name, value]) => {
    const set = attempt(() => ground.scope.evaluate(value, scope))
    return set === undefined ? [] : [[name, set] as [string, unknown]]
  })
}

function scoutItem(
  ground: Ground,
  task: Task,
  module: Module,
  memory: Memory,
  item: LoopItem | undefined,
  wanted: ReadsByUser,
): void {
  const scope = scopeOf(ground, task, memory, item)
  const evaluate = (value: Value) => ground.scope.evaluate(value, scope)
  if (task.when.some((w) => attempt(() => truth(evaluate(w), w)) === false)) return
  attempt(() => {
    const user = ground.userOf(task, evaluate)
    wanted.add(user, [])
    const home = () => homeOf(ground.models.facts(user))
    const view = ground.models.view(user)
    if (task.affects)
      wanted.add(
        user,
        affectedReads(affectedBy(evaluate(task.affects))).filter((r) => !view.has(r) && isSound(r)),
      )
    const params = ground.scope.within(scope, () => ground.params(task, module, scope, home))
    const { asked } = consultFor(ground, task, module, params, user, scope)
    wanted.add(
      user,
      asked.filter((r) => !view.has(r) && isSound(r) && !r.kind.sparing),
    )
  })
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
