import type { Module, Plan } from '../contract.ts'
import { unifiedDiff } from '../formats/unified-diff.ts'
import type { Step, StepEnd } from '../host/step.ts'
import { position } from '../language/diagnostic.ts'
import type { Task } from '../language/playbook.ts'
import type { TaskEvent } from '../report/events.ts'
import { endOf } from '../said.ts'
import { UnknownValue } from '../unknown.ts'
import type { Instance } from './instance.ts'
import type { Verdict } from './judge.ts'

export interface Told {
  readonly host: string
  readonly play: string
  readonly handler: boolean
  readonly diff: boolean
}

export const hidden = 'hidden by no_log'

/** An instance's end as an event. */
export function taskEvent(
  { host, play, handler, diff }: Told,
  instance: Instance,
  verdict: Verdict,
  ends: readonly StepEnd[],
): TaskEvent {
  const { task, module, item, outcome } = instance
  const plan = outcome.kind === 'planned' ? outcome.plan : undefined
  const done = outcome.kind === 'planned' ? outcome.steps.map((s) => s.step) : []
  const made = done.filter((step, i) => !step.harmless && (ends.length === 0 || ends[i]?.outcome === 'done'))
  const changes = verdict.changed === false ? [] : made.map((s) => s.summary)
  const message = task.noLog && verdict.message !== undefined && verdict.failed ? hidden : verdict.message
  const diffs = diff && !task.noLog ? made.flatMap((s) => (s.diff ? [textOf(s.diff)] : [])).join('') : ''
  // a failure's message has it already
  const said = verdict.failed ? '' : saidBy(module, plan, done, ends, verdict)
  return {
    event: 'task',
    host,
    play,
    task: task.name,
    module: module.name,
    status: verdict.status,
    changes: task.noLog ? changes.map(() => hidden) : changes,
    ms: Math.round(ends.reduce((sum, e) => sum + e.ms, 0)),
    ...(handler ? { handler: true } : {}),
    ...(item === undefined ? {} : { item: task.noLog ? hidden : itemLabel(item.value) }),
    ...(message === undefined ? {} : { message }),
    ...(verdict.hint === undefined || task.noLog ? {} : { hint: verdict.hint }),
    at: placeOf(task),
    ...(verdict.ignored ? { ignored: true } : {}),
    ...(module.harmless ? { harmless: true } : {}),
    ...(plan?.output === undefined || task.noLog ? {} : { output: plan.output }),
    ...(said === '' || task.noLog ? {} : { said }),
    ...(diffs === '' ? {} : { diff: diffs }),
  }
}

const longestSaid = 10_000

/** The end of what the commands among the steps said; of a module that only looks, what it found. */
function saidBy(
  module: Module,
  plan: Plan | undefined,
  steps: readonly Step[],
  ends: readonly StepEnd[],
  { result }: Verdict,
): string {
  if (module.harmless && plan?.output === undefined) {
    const { changed: _, failed: __, msg: ___, ...found } = result
    return plan?.result ? endOf(Buffer.from(dataText(found)), false, longestSaid) : ''
  }
  const said = ends
    .filter((_, i) => steps[i]?.opaque)
    .flatMap(({ stdout, stderr }) => [stdout, stderr].map((bytes) => endOf(bytes, false, longestSaid)))
  return said.filter((text) => text !== '').join('\n')
}

function dataText(value: unknown): string {
  try {
    return value === undefined ? '' : JSON.stringify(value, null, 2)
  } catch (e) {
    if (e instanceof UnknownValue) return ''
    throw e
  }
}

function textOf(diff: { path: string; before: Buffer | undefined; after: Buffer | undefined }): string {
  return unifiedDiff(diff.path, diff.before, diff.after) ?? ''
}

/** `file:line` */
export function placeOf(task: Task): string {
  return `${task.span.source.path}:${position(task.span.source, task.span.start).line}`
}

/** A loop item as a short text: a mapping by its name, or as JSON. */
export function itemLabel(value: unknown): string {
  if (typeof value === 'string') return value
  if (value !== null && typeof value === 'object') {
    const { name, path, dest } = value as Record<string, unknown>
    const label = name ?? path ?? dest
    if (typeof label === 'string') return label
  }
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}
