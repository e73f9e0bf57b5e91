import type { Effect } from '../host/effect.ts'
import { consult, type Instance, type PlannedStep } from './instance.ts'
import { itemLabel, placeOf } from './task-event.ts'
import { lastTouching } from './verify.ts'
import type { Ground } from './walk.ts'

/** A task whose plan is not empty once everything is done. */
export interface Conflict {
  readonly instance: Instance
  readonly message: string
  readonly hint: string
}

/** Plans every task once more against what is known in the end: none that does not act by nature may want to change
 * anything. What is not known is passed over. */
export function conflicts(ground: Ground, instances: readonly Instance[]): Conflict[] {
  return instances.flatMap((instance) => {
    const again = planAgain(ground, instance)
    return again.length === 0 ? [] : [describe(ground, instance, again, instances)]
  })
}

function planAgain(ground: Ground, instance: Instance): readonly string[] {
  const { outcome, module, params, user, scope } = instance
  if (outcome.kind !== 'planned' || module.harmless) return []
  const answer = ground.scope.within(scope, () =>
    consult({
      module,
      params,
      view: ground.models.view(user),
      diff: false,
      local: (read) => ground.local(read, scope),
      secret: ground.secret,
    }),
  )
  if (answer.kind !== 'plan' || 'failed' in answer.plan) return []
  return answer.plan.steps.filter((s) => !s.acts && !s.harmless).map((s) => s.summary)
}

function describe(
  ground: Ground,
  instance: Instance,
  again: readonly string[],
  instances: readonly Instance[],
): Conflict {
  const model = ground.models.of(instance.user)
  const others = instances.filter((o) => o !== instance)
  const effectsOf = (other: Instance, opaque: boolean): readonly Effect[] => {
    const steps = other.outcome.kind === 'planned' ? other.outcome.steps : []
    return steps.filter((s: PlannedStep) => opaque || !s.step.opaque).flatMap((s) => s.effects)
  }
  const lastWriter = (sure: 'exactly' | 'known' | 'opaque') => {
    const effects = others.map((o) => effectsOf(o, sure === 'opaque'))
    return others[Math.max(...instance.asked.map((read) => lastTouching(model, effects, read, sure === 'exactly')))]
  }
  // a command may have done anything: it is suspected last
  const writer = lastWriter('exactly') ?? lastWriter('known') ?? lastWriter('opaque')
  const wants = again.join('; ')
  if (!writer)
    return {
      instance,
      message: `${nameOf(instance)} never converges: after it ran it would again ${wants}`,
      hint: 'the task is not idempotent: a second run would change this again',
    }
  const does = writer.outcome.kind === 'planned' ? writer.outcome.steps.map((s) => s.step.summary).join('; ') : ''
  return {
    instance,
    message: `${nameOf(instance)} and ${nameOf(writer)} never converge: the first wants to ${wants}; the second does: ${does}`,
    hint: 'every run would change this back and forth: keep one of the two',
  }
}

function nameOf({ task, item }: Instance): string {
  return `task "${task.name}"${item ? ` (item ${itemLabel(item.value)})` : ''} (${placeOf(task)})`
}
