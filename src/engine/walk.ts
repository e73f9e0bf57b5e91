import type { Read } from '../host/read.ts'
import { truth } from '../language/compile.ts'
import { position } from '../language/diagnostic.ts'
import type { Scope } from '../language/expression.ts'
import { type Task, type Value, ValueError } from '../language/playbook.ts'
import type { LocalRead } from '../local-read.ts'
import type { Module } from '../module.ts'
import { Unknown, UnknownValue } from '../unknown.ts'
import { type Answer, consult, factsWanted, type Instance, type LoopItem, type PlannedStep } from './instance.ts'
import { judge, type Verdict } from './judge.ts'
import { advance, atNext, copyOf, handlersNamed, type Memory, type Queue, stops } from './memory.ts'
import { type Models, ReadsByUser } from './models.ts'
import type { HostScope } from './scope.ts'
import { type Affected, affectedBy, affectedEffects, affectedReads, effectsOfUnknown } from './touches.ts'

/** What a walk stands on: the play, and what is known of the host. */
export interface Ground {
  readonly queue: Queue
  readonly models: Models
  readonly scope: HostScope
  readonly check: boolean
  readonly diff: boolean
  /** As whom tasks run that say nothing; empty for the connection's own user. */
  readonly user: string
  /** As whom a task runs, when its own `become` is evaluated. */
  readonly userOf: (task: Task, evaluate: (value: Value) => unknown) => string
  /** @throws ValueError, UnknownValue */
  readonly params: (task: Task, module: Module, scope: Scope, home: () => string) => Record<string, unknown>
  readonly local: (read: LocalRead, scope: Scope) => unknown
  readonly secret: (value: string) => void
}

export interface Walked {
  readonly instances: readonly { readonly instance: Instance; readonly verdict: Verdict }[]
  readonly stop: 'done' | 'failed' | 'missing' | 'unknown'
  /** For `unknown`: what it waits for. */
  readonly because: string
  /** For `missing` what has to be asked; for `unknown` what may be asked ahead. */
  readonly wanted: ReadsByUser
}

type Reached =
  | { readonly instance: Instance; readonly affected: Affected | undefined }
  | { readonly missing: readonly Read[]; readonly user: string }
  | { readonly unknown: string }

/** Walks on from a place in the play, as far as all that is needed is known. Pure but for the planned steps, which it adds
 * to the models. */
export function walk(ground: Ground, start: Memory): Walked {
  const memory = copyOf(start)
  const instances: { instance: Instance; verdict: Verdict }[] = []
  const end = (stop: Walked['stop'], because = '', wanted = new ReadsByUser()): Walked => ({
    instances,
    stop,
    because,
    wanted,
  })
  while (atNext(memory, ground.queue)) {
    const reached = reach(ground, memory)
    if ('missing' in reached) return end('missing', '', scout(ground, memory))
    if ('unknown' in reached) return end('unknown', reached.unknown, scout(ground, memory))
    const { instance, affected } = reached
    if (instance.outcome.kind === 'unknown' && !ground.check)
      return end('unknown', instance.outcome.because, scout(ground, memory))
    const judged = judgeSafely(ground, withEffects(ground, instance, affected))
    instances.push(judged)
    advance(memory, ground.queue, judged.instance, judged.verdict, notifies(ground, judged.instance))
    if (stops(judged.verdict)) return end('failed')
  }
  return end('done')
}

/** Names with templates are looked at before the task changes anything.
 * @throws ValueError for one that no handler has. */
function mustNotify(ground: Ground, task: Task, scope: Scope): void {
  for (const value of task.notify) {
    const name = value.constant
      ? undefined
      : namesOf(ground, value, scope).find((n) => handlersNamed(ground.queue, n).length === 0)
    if (name !== undefined)
      throw new ValueError({
        code: 'notify',
        severity: 'error',
        message: `no handler of this play is named \`${name}\` or listens to it`,
        span: value.span,
      })
  }
}

/** The names a task notifies; those that can't be said yet are judged when it has run. */
export function notifies(ground: Ground, { task, scope }: Instance): string[] {
  return task.notify.flatMap((value) => namesOf(ground, value, scope))
}

function namesOf(ground: Ground, value: Value, scope: Scope): string[] {
  try {
    return [ground.scope.evaluate(value, scope)].flat().map(String)
  } catch (e) {
    if (e instanceof UnknownValue || e instanceof ValueError) return []
    throw e
  }
}

export function judgeSafely(
  ground: Ground,
  instance: Instance,
  ends?: Parameters<typeof judge>[1],
): { instance: Instance; verdict: Verdict } {
  try {
    return { instance, verdict: judge(instance, ends, ground.scope) }
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    const broken: Instance = { ...instance, outcome: brokenValue(e) }
    const plain: Instance = { ...broken, task: { ...broken.task, changedWhen: undefined, failedWhen: undefined } }
    return { instance: broken, verdict: judge(plain, undefined, ground.scope) }
  }
}

function brokenValue({ diagnostic: { message, hint, span } }: ValueError): Instance['outcome'] & { kind: 'failed' } {
  const place = span === undefined ? '' : ` (${span.source.path}:${position(span.source, span.start).line})`
  return { kind: 'failed', failed: `${message}${place}`, ...(hint === undefined ? {} : { hint }) }
}

/** The next instance, planned; nothing is noted of it yet. */
function reach(ground: Ground, memory: Memory): Reached {
  const { task, module } = ground.queue.entries[memory.position]!
  const perhaps = memory.notified.get(memory.position)
  const base = { task, module, position: memory.position, item: undefined, user: ground.user, params: {}, asked: [] }
  const bare = (outcome: Instance['outcome'], more: Partial<Instance> = {}): Reached => ({
    instance: { ...base, scope: {}, ...more, outcome },
    affected: undefined,
  })
  if (perhaps instanceof Unknown && memory.position >= ground.queue.handlersFrom)
    return ground.check ? bare({ kind: 'unknown', because: perhaps.because }) : { unknown: perhaps.because }
  let item: LoopItem | undefined
  let scope: Scope = {}
  try {
    if (task.loop && memory.items === undefined) memory.items = loopItems(ground, task, task.loop, memory)
    if (memory.items?.length === 0) return bare({ kind: 'skipped', reason: 'the loop is empty' })
    item = memory.items && {
      index: memory.results.length,
      count: memory.items.length,
      value: memory.items[memory.results.length],
    }
    scope = scopeOf(ground, task, memory, item)
    return reachItem(ground, task, module, memory, item, scope)
  } catch (e) {
    if (e instanceof ValueError) return bare(brokenValue(e), { item, scope })
    if (!(e instanceof UnknownValue)) throw e
    if (e.because === factsWanted) return { missing: [], user: ground.user }
    return ground.check ? bare({ kind: 'unknown', because: e.because }, { item, scope }) : { unknown: e.because }
  }
}

function scopeOf(ground: Ground, task: Task, memory: Memory, item: LoopItem | undefined): Scope {
  return ground.scope.forTask(task.vars, memory.known, item ? { item: item.value, index: item.index } : {})
}

function loopItems(ground: Ground, task: Task, loop: Value, memory: Memory): readonly unknown[] {
  const value = ground.scope.evaluate(loop, scopeOf(ground, task, memory, undefined))
  if (Array.isArray(value)) return value
  throw new ValueError({
    code: 'loop',
    severity: 'error',
    message: '`loop` needs a list',
    span: loop.span,
    hint: 'for a mapping: `<%= entries(x) %>`',
  })
}

function reachItem(
  ground: Ground,
  task: Task,
  module: Module,
  memory: Memory,
  item: LoopItem | undefined,
  scope: Scope,
): Reached {
  const evaluate = (value: Value) => ground.scope.evaluate(value, scope)
  const base = { task, module, position: memory.position, item, scope, user: ground.user, params: {}, asked: [] }
  const failing = task.when.find((w) => !truth(evaluate(w), w))
  if (failing)
    return {
      instance: { ...base, outcome: { kind: 'skipped', reason: `when: ${textOf(failing)}` } },
      affected: undefined,
    }
  mustNotify(ground, task, scope)
  const user = ground.userOf(task, evaluate)
  const facts = ground.models.facts(user)
  const params = ground.scope.within(scope, () => ground.params(task, module, scope, () => homeOf(facts)))
  const affected = task.affects && affectedBy(evaluate(task.affects))
  const answer = consultFor(ground, module, params, user, scope)
  const view = ground.models.view(user)
  const extra = affected === undefined ? [] : affectedReads(affected).filter((r) => !view.has(r))
  if (facts === undefined && answer.kind !== 'plan') return { missing: answer.asked, user }
  if (answer.kind === 'missing' || extra.length > 0)
    return { missing: [...(answer.kind === 'missing' ? answer.reads : []), ...extra], user }
  const outcome: Instance['outcome'] =
    answer.kind === 'unknown'
      ? answer
      : 'failed' in answer.plan
        ? { kind: 'failed', ...answer.plan }
        : {
            kind: 'planned',
            plan: answer.plan,
            steps: answer.plan.steps.map((step) => ({ step, effects: step.effects })),
          }
  return { instance: { ...base, user, params, asked: answer.asked, outcome }, affected }
}

function homeOf(facts: { home: string } | undefined): string {
  if (!facts) throw new UnknownValue(factsWanted)
  return facts.home
}

function consultFor(ground: Ground, module: Module, params: object, user: string, scope: Scope): Answer {
  return ground.scope.within(scope, () =>
    consult({
      module,
      params: params as Record<string, unknown>,
      view: ground.models.view(user),
      diff: ground.diff,
      local: (read) => ground.local(read, scope),
      secret: ground.secret,
    }),
  )
}

function textOf(value: Value): string {
  return value.span.source.text.slice(value.span.start, value.span.end).trim()
}

/** The instance with the effects its steps have here; they are added to the models. */
function withEffects(ground: Ground, instance: Instance, affected: Affected | undefined): Instance {
  const view = ground.models.view(instance.user)
  const { outcome, module, task } = instance
  if (outcome.kind === 'unknown') {
    if (module.harmless) return instance
    const asked = module.touches === 'anything' ? [] : instance.asked
    const because = `task ${task.name}`
    ground.models.add(affected ? affectedEffects(because, affected, view) : effectsOfUnknown(because, asked, view))
    return instance
  }
  if (outcome.kind !== 'planned' || outcome.steps.length === 0) return instance
  const nothing = task.changedWhen?.length === 1 && task.changedWhen[0]!.constant && isFalse(task.changedWhen[0]!)
  const steps = outcome.steps.map(({ step }): PlannedStep => {
    if (!step.opaque || (nothing && !affected)) return { step, effects: step.effects }
    const because = task.noLog ? `task ${task.name}` : step.summary
    const opaque = affected ? affectedEffects(because, affected, view) : effectsOfUnknown(because, [], view)
    return { step, effects: [...step.effects, ...opaque] }
  })
  for (const { effects } of steps) ground.models.add(effects)
  return { ...instance, outcome: { ...outcome, steps } }
}

function isFalse(value: Value): boolean {
  return value.evaluate({}) === false
}

/** What the tasks from here on will ask, as far as that can be said; nothing goes wrong in it. */
export function scout(ground: Ground, from: Memory): ReadsByUser {
  const wanted = new ReadsByUser()
  wanted.add(ground.user, [])
  for (let p = from.position; p < ground.queue.entries.length; p++) {
    if (p >= ground.queue.handlersFrom && !from.notified.has(p)) continue
    const { task, module } = ground.queue.entries[p]!
    const memory: Memory = { ...copyOf(from), position: p, items: p === from.position ? from.items : undefined }
    const items = attempt(() => (task.loop ? (memory.items ?? loopItems(ground, task, task.loop, memory)) : undefined))
    const count = task.loop ? (items?.length ?? 0) : 1
    for (let index = 0; index < count; index++)
      scoutItem(ground, task, module, memory, items && { index, count, value: items[index] }, wanted)
  }
  return wanted
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
        affectedReads(affectedBy(evaluate(task.affects))).filter((r) => !view.has(r)),
      )
    const params = ground.scope.within(scope, () => ground.params(task, module, scope, home))
    const { asked } = consultFor(ground, module, params, user, scope)
    wanted.add(
      user,
      asked.filter((r) => !view.has(r)),
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
