import { unifiedDiff } from '../formats/unified-diff.ts'
import type { Effect } from '../host/effect.ts'
import type { Step } from '../host/step.ts'
import type { Ground } from './ground.ts'
import { consult, type Instance, type PlannedStep } from './instance.ts'
import { hidden, itemLabel, placeOf } from './task-event.ts'
import { lastTouching } from './verify.ts'

/** A task whose plan is not empty once everything is done. */
export interface Conflict {
  readonly instance: Instance
  readonly message: string
  readonly hint: string
}

/** Plans every task once more against what is known in the end: none that does not act by nature may want to change
 * anything. What is not known is passed over. */
export function conflicts(ground: Ground, instances: readonly Instance[]): Conflict[] {
  // where nothing was done that counts, every plan would be the same
  if (instances.every(({ outcome }) => outcome.kind !== 'planned' || outcome.steps.every(isIdle))) return []
  return instances.flatMap((instance) => {
    const again = planAgain(ground, instance)
    return again.length === 0 ? [] : [describe(ground, instance, again, instances)]
  })
}

const isIdle = ({ step, effects }: PlannedStep) => effects.length === 0 && Boolean(step.acts || step.harmless)

function planAgain(ground: Ground, instance: Instance): readonly Step[] {
  const { outcome, module, params, user, scope } = instance
  if (outcome.kind !== 'planned' || module.harmless) return []
  const plan = (diff: boolean) =>
    ground.scope.within(scope, () =>
      consult({
        module,
        params,
        view: ground.models.view(user),
        diff,
        here: ground.here && user === '',
        local: (read) => ground.local(read, scope, instance.task),
        secret: ground.secret,
      }),
    )
  const shown = plan(ground.diff)
  // what a diff wants to know may never have been asked
  const answer = shown.kind === 'plan' ? shown : plan(false)
  if (answer.kind !== 'plan' || 'failed' in answer.plan) return []
  return answer.plan.steps.filter((s) => !s.acts && !s.harmless)
}

function describe(
  ground: Ground,
  instance: Instance,
  again: readonly Step[],
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
  const wants = wordsFor(instance, again, ground.diff)
  if (!writer)
    return {
      instance,
      message: `${nameOf(instance)} never converges: after it ran it would again ${wants}`,
      hint: 'the task is not idempotent: a second run would change this again',
    }
  const steps = writer.outcome.kind === 'planned' ? writer.outcome.steps.map((s) => s.step) : []
  const does = wordsFor(writer, steps, false)
  return {
    instance,
    message: `${nameOf(instance)} and ${nameOf(writer)} never converge: the first wants to ${wants}; the second does: ${does}`,
    hint: 'every run would change this back and forth: keep one of the two',
  }
}

/** What steps do; with `diff` also the first line that each of them changes. */
function wordsFor({ task }: Instance, steps: readonly Step[], diff: boolean): string {
  if (task.noLog) return hidden
  return steps.map((step) => step.summary + (diff ? firstChange(step) : '')).join('; ')
}

function firstChange({ diff }: Step): string {
  const text = diff && unifiedDiff(diff.path, diff.before, diff.after)
  const line = (mark: RegExp) => mark.exec(text ?? '')?.[1]
  const [gone, come] = [line(/^-(?!--)(.*)$/m), line(/^\+(?!\+\+)(.*)$/m)]
  if (gone === undefined && come === undefined) return ''
  return ` (${gone === undefined ? 'nothing' : `\`${gone}\``} → ${come === undefined ? 'nothing' : `\`${come}\``})`
}

function nameOf({ task, item }: Instance): string {
  return `task "${task.name}"${item && !task.noLog ? ` (item ${itemLabel(item.value)})` : ''} (${placeOf(task)})`
}
