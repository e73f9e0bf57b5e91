import type { Failure, Module, Plan } from '../contract.ts'
import type { Read } from '../host/read.ts'
import { truth } from '../language/compile.ts'
import { position } from '../language/diagnostic.ts'
import type { Scope } from '../language/expression.ts'
import { type Task, type Value, ValueError } from '../language/playbook.ts'
import { Unknown, UnknownValue } from '../unknown.ts'
import type { Ground } from './ground.ts'
import { type Answer, consult, factsWanted, type Instance, type LoopItem, type PlannedStep } from './instance.ts'
import { handlersNamed, type Memory } from './memory.ts'
import { type Affected, affectedBy, affectedReads } from './touches.ts'

export interface ReachedInstance {
  readonly instance: Instance
  readonly affected: Affected | undefined
  /** Of a task that perhaps is not run: what it would do. */
  readonly perhaps?: readonly PlannedStep[]
}

/** Where a walk comes with one task and loop item. */
export type Reached =
  | ReachedInstance
  | { readonly missing: readonly Read[]; readonly user: string }
  | { readonly unknown: string }

export function brokenValue({
  diagnostic: { message, hint, span },
}: ValueError): Instance['outcome'] & { kind: 'failed' } {
  const place = span === undefined ? '' : ` (${span.source.path}:${position(span.source, span.start).line})`
  return { kind: 'failed', failed: `${message}${place}`, ...(hint === undefined ? {} : { hint }) }
}

/** The next instance, planned; nothing is noted of it yet. */
export function reach(ground: Ground, memory: Memory): Reached {
  const { task, module } = ground.queue.entries[memory.position]!
  const perhaps = memory.notified.get(memory.position)
  const base = { task, module, position: memory.position, item: undefined, user: ground.user, params: {}, asked: [] }
  const bare = (outcome: Instance['outcome'], more: Partial<Instance> = {}): Reached => ({
    instance: { ...base, scope: {}, ...more, outcome },
    affected: undefined,
  })
  const isPerhaps = perhaps instanceof Unknown && memory.position >= ground.queue.handlersFrom
  if (isPerhaps && !ground.check) return { unknown: perhaps.because }
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
    return reachItem(ground, task, module, memory, item, scope, isPerhaps ? perhaps.because : undefined)
  } catch (e) {
    if (e instanceof ValueError) return bare(brokenValue(e), { item, scope })
    if (!(e instanceof UnknownValue)) throw e
    const because = e.because === factsWanted ? ground.models.coming(ground.user) : e.because
    if (because === undefined && ground.models.isAbsent(ground.user)) return bare(noUser(ground.user), { item, scope })
    if (because === undefined) return { missing: [], user: ground.user }
    return ground.check ? bare({ kind: 'unknown', because }, { item, scope }) : { unknown: because }
  }
}

export function scopeOf(ground: Ground, task: Task, memory: Memory, item: LoopItem | undefined): Scope {
  const own = item ? { item: item.value, index: item.index } : {}
  return ground.scope.forTask(task.vars, memory.known, own, task.includes)
}

export function loopItems(ground: Ground, task: Task, loop: Value, memory: Memory): readonly unknown[] {
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
  perhaps: string | undefined,
): Reached {
  const evaluate = (value: Value) => ground.scope.evaluate(value, scope)
  const base = { task, module, position: memory.position, item, scope, user: ground.user, params: {}, asked: [] }
  const failing = failingCondition(task, evaluate, ground.check)
  if (failing !== undefined && typeof failing !== 'string')
    return {
      instance: { ...base, outcome: { kind: 'skipped', reason: `when: ${textOf(failing)}` } },
      affected: undefined,
    }
  mustNotify(ground, task, scope)
  if (looksAround(task) && !ground.models.facts(ground.user)) throw new UnknownValue(factsWanted)
  const maybe = perhaps ?? failing
  const user = ground.userOf(task, evaluate)
  const facts = ground.models.facts(user)
  const coming = facts === undefined ? ground.models.coming(user) : undefined
  const home = () => homeOf(facts, coming)
  let params: Readonly<Record<string, unknown>>
  try {
    params = ground.scope.within(scope, () => ground.params(task, module, scope, home))
  } catch (e) {
    const paths = pathsWithout(e, ground, { task, module, scope, home })
    const outcome = { kind: 'unknown', because: maybe ?? (e as UnknownValue).because } as const
    const missing = affectedReads(paths).filter((r) => !ground.models.view(user).has(r))
    if (missing.length > 0) return { missing, user }
    return { instance: { ...base, user, outcome }, affected: paths }
  }
  const affected = task.affects && affectedBy(evaluate(task.affects))
  const answer = consultFor(ground, task, module, params, user, scope)
  const view = ground.models.view(user)
  const extra = affected === undefined ? [] : affectedReads(affected).filter((r) => !view.has(r))
  if (coming !== undefined) {
    const outcome = { kind: 'unknown', because: maybe ?? coming } as const
    return { instance: { ...base, user, params, asked: answer.asked, outcome }, affected }
  }
  const absent = ground.models.isAbsent(user) && !asksNothing(answer)
  const lacking = answer.kind === 'unknown' && answer.because === factsWanted
  if (absent) return { instance: { ...base, user, params, asked: answer.asked, outcome: noUser(user) }, affected }
  if (lacking || (facts === undefined && (answer.kind !== 'plan' || meets(ground, answer.plan))))
    return { missing: answer.asked, user }
  if (answer.kind === 'missing' || extra.length > 0)
    return { missing: [...(answer.kind === 'missing' ? answer.reads : []), ...extra], user }
  const outcome =
    answer.kind === 'unknown' ? answer : outcomeOf(answer.plan, () => ground.unfound(task, module, params))
  const instance = { ...base, user, params, asked: answer.asked, outcome }
  if (maybe === undefined) return { instance, affected }
  const steps = outcome.kind === 'planned' ? outcome.steps : outcome.kind === 'failed' ? [] : undefined
  return {
    instance: { ...instance, outcome: { kind: 'unknown', because: maybe } },
    affected,
    ...(steps ? { perhaps: steps } : {}),
  }
}

/** @param unfound of the files that it names, which a plan that passes them over does not need. */
function outcomeOf(plan: Plan | Failure, unfound: () => Failure | undefined): Instance['outcome'] {
  const passedOver = 'skipped' in plan && plan.skipped !== undefined
  const made = (passedOver ? undefined : unfound()) ?? plan
  if ('failed' in made) return { kind: 'failed', ...made }
  return { kind: 'planned', plan: made, steps: made.steps.map((step) => ({ step, effects: step.effects })) }
}

const noUser = (user: string): Instance['outcome'] & { kind: 'failed' } => ({
  kind: 'failed',
  failed: `the host has no user ${user}`,
  hint: 'make it with `user` in a task before, or by the playbook that sets the host up; or name another `become_user`',
})

/** Whether the host need not be met for a task. */
function asksNothing(answer: Answer): boolean {
  return answer.kind === 'plan' && ('failed' in answer.plan || answer.plan.steps.length === 0)
}

/** In check, whether something would be done on the host: as a user that has to be there. */
function meets({ check }: Ground, plan: Plan | Failure): boolean {
  return check && !('failed' in plan) && plan.steps.length > 0
}

/** Whether what judges the task once it has run looks at more than its own result: that has to be known by then. */
function looksAround({ changedWhen = [], failedWhen = [], until = [], ignoreErrors, register }: Task): boolean {
  const values = [...changedWhen, ...failedWhen, ...until, ...(ignoreErrors ? [ignoreErrors] : [])]
  return values.some((v) => [...v.names.keys()].some((name) => name !== register))
}

/** The condition that does not hold; in check also why nobody can say yet whether all do. */
function failingCondition(task: Task, evaluate: (value: Value) => unknown, check: boolean): Value | string | undefined {
  let unknown: string | undefined
  for (const w of task.when) {
    try {
      if (!truth(evaluate(w), w)) return w
    } catch (e) {
      if (!(e instanceof UnknownValue) || e.because === factsWanted || !check) throw e
      unknown ??= e.because
    }
  }
  return unknown
}

/** In check, what a task may touch whose parameters are not all known: the paths among them, where its module touches
 * nothing else.
 * @throws the error itself, where that can't be said. */
function pathsWithout(
  e: unknown,
  ground: Ground,
  { task, module, scope, home }: { task: Task; module: Module; scope: Scope; home: () => string },
): Affected {
  if (!(e instanceof UnknownValue) || e.because === factsWanted || !ground.check) throw e
  if (task.affects) return affectedBy(ground.scope.evaluate(task.affects, scope))
  if (module.touches !== 'paths') throw e
  return affectedBy(ground.scope.within(scope, () => ground.paths(task, module, scope, home)))
}

export function homeOf(facts: { home: string } | undefined, because = factsWanted): string {
  if (!facts) throw new UnknownValue(because)
  return facts.home
}

export function consultFor(
  ground: Ground,
  task: Task,
  module: Module,
  params: object,
  user: string,
  scope: Scope,
): Answer {
  return ground.scope.within(scope, () =>
    consult({
      module,
      params: params as Record<string, unknown>,
      view: ground.models.view(user),
      diff: ground.diff,
      check: ground.check,
      here: ground.here && user === '',
      local: (read) => ground.local(read, scope, task),
      secret: ground.secret,
    }),
  )
}

function textOf(value: Value): string {
  return value.span.source.text.slice(value.span.start, value.span.end).trim()
}

/** Names with templates are looked at before the task changes anything.
 * @throws ValueError for one that no handler has. */
function mustNotify(ground: Ground, task: Task, scope: Scope): void {
  for (const value of task.notify) {
    const name = value.constant
      ? undefined
      : namesOf(ground, value, scope).find((n) => handlersNamed(ground.queue, n, task).length === 0)
    if (name !== undefined)
      throw new ValueError({
        code: 'notify',
        severity: 'error',
        message: `no handler of this play is named \`${name}\` or listens to it`,
        span: value.span,
      })
  }
}

/** The names that stand in a `notify`, as far as they can be said. */
export function namesOf(ground: Ground, value: Value, scope: Scope): string[] {
  try {
    return [ground.scope.evaluate(value, scope)].flat().map(String)
  } catch (e) {
    if (e instanceof UnknownValue || e instanceof ValueError) return []
    throw e
  }
}
