import type { Order } from '../host/conversation.ts'
import { withEntries } from '../host/model.ts'
import { neverStarted, type Step, type StepEnd } from '../host/step.ts'
import type { Task } from '../language/playbook.ts'
import type { Ground } from './ground.ts'
import type { Instance } from './instance.ts'
import type { Verdict } from './judge.ts'
import type { HostLink } from './link.ts'
import type { ReadsByUser } from './models.ts'
import type { Verification, Wrong } from './verify.ts'
import type { Walked } from './walk.ts'

/** An instance whose steps were sent. */
export interface Job {
  readonly instance: Instance
  readonly verdict: Verdict
  readonly ends: readonly Promise<StepEnd>[]
  /** Whether what a step began has lasted, by the step's place; known later than its end. */
  readonly looks: ReadonlyMap<number, Promise<StepEnd>>
}

/** The ends of steps, each with what was seen of it later. */
export async function withLooks(
  ends: readonly StepEnd[],
  looks: ReadonlyMap<number, Promise<StepEnd>>,
): Promise<StepEnd[]> {
  return Promise.all(ends.map(async (end, i) => seen(end, await looks.get(i))))
}

function seen(end: StepEnd, look: StepEnd | undefined): StepEnd {
  const failed = end.outcome === 'done' && (look?.outcome === 'failed' || look?.outcome === 'timed-out')
  return failed ? look : end
}

/** A step that waits for its turn. */
interface Waiting extends Order {
  readonly end: (end: Promise<StepEnd>) => void
}

/** Steps in a row that one user runs. */
interface Segment {
  readonly user: string
  readonly orders: Waiting[]
}

/** Sends all steps in order, in one go as far as one user runs them, and the questions behind them: those of `walked` and
 * what verifies the steps.
 * @returns what was predicted wrong, as `answers`, once all are answered. */
export function dispatch(
  walked: Walked,
  verifications: ReadonlyMap<string, Verification>,
  link: HostLink,
  ground: Ground,
  onStart: (instance: Instance, step: string) => void,
): { jobs: Job[]; answers: Promise<readonly Wrong[]> } {
  const segments: Segment[] = []
  let looks: Waiting[] = []
  const lookNow = () => {
    segments.at(-1)?.orders.push(...looks)
    looks = []
  }
  const jobs = walked.instances.map(({ instance, verdict }): Job => {
    const steps = instance.outcome.kind === 'planned' ? instance.outcome.steps.map((s) => s.step) : []
    const later = new Map<number, Promise<StepEnd>>()
    const ends = steps.map((step, i) => {
      // what a command does may end what is to last; a call needs what was started
      if (step.call || step.opaque || step.disturbs || segments.at(-1)?.user !== instance.user) lookNow()
      if (segments.at(-1)?.user !== instance.user) segments.push({ user: instance.user, orders: [] })
      const { end, waiting } = pending({
        step,
        timeout: instance.task.timeout,
        onStart: () => onStart(instance, step.summary),
      })
      segments.at(-1)!.orders.push(waiting)
      if (!step.lasts) return end
      const look = pending({ step: step.lasts, timeout: undefined })
      looks.push(look.waiting)
      if (!needsItsEnd(instance.task)) {
        later.set(
          i,
          look.end.then((l) => (l.outcome === 'not-started' ? lookAlone(link, instance.user, step.lasts!) : l)),
        )
        return end
      }
      lookNow()
      return Promise.all([end, look.end]).then(([e, l]) => seen(e, l))
    })
    return { instance, verdict, ends, looks: later }
  })
  lookNow()
  const answers = sendSegments(segments, walked.wanted, verifications, link, ground)
  answers.catch((e: Error) => {
    for (const { end } of segments.flatMap((s) => s.orders)) end(Promise.reject(e))
  })
  return { jobs, answers }
}

/** What a step began is looked at also where one behind it failed: that may be why. */
async function lookAlone(link: HostLink, user: string, step: Step): Promise<StepEnd> {
  return (await link.talk(user)).apply([{ step, timeout: undefined }], []).ends[0]!
}

/** Whether something may depend on what becomes of a task before its pass is over. */
function needsItsEnd({ register, ignoreErrors, failedWhen, changedWhen, until, retries }: Task): boolean {
  return [register, ignoreErrors, failedWhen, changedWhen, until, retries].some((v) => v !== undefined)
}

function pending(order: Order): { end: Promise<StepEnd>; waiting: Waiting } {
  let settle: Waiting['end'] = () => {}
  const end = new Promise<StepEnd>((resolve, reject) => {
    settle = (e) => void e.then(resolve, reject)
  })
  // the first that rejects ends the host; nobody waits for the others
  end.catch(() => {})
  return { end, waiting: { ...order, end: settle } }
}

async function sendSegments(
  segments: readonly Segment[],
  wanted: ReadsByUser,
  verifications: ReadonlyMap<string, Verification>,
  link: HostLink,
  ground: Ground,
): Promise<readonly Wrong[]> {
  if (segments.length === 0) return []
  const readsOf = (user: string) => withEntries([...(verifications.get(user)?.reads ?? []), ...wanted.of(user)])
  const last = segments.at(-1)!.user
  const answers = new Map<string, Promise<ReadonlyMap<string, unknown>>>()
  // what others ask is answered by shells of their own, which do not wait for these steps
  let behind: Promise<readonly StepEnd[]> = Promise.resolve([])
  for (const [i, segment] of segments.entries()) {
    const reads = i === segments.length - 1 ? readsOf(last) : []
    for (const { step } of segment.orders)
      if (step.frees !== undefined && step.frees !== segment.user) await link.free(step.frees)
    const sent = (await link.talk(segment.user)).apply(segment.orders, reads)
    for (const [k, { end }] of segment.orders.entries()) end(sent.ends[k]!)
    if (i === segments.length - 1) {
      answers.set(last, sent.answers)
      behind = Promise.all(sent.ends)
      // where there are no others, nobody waits for it
      behind.catch(() => {})
    } else if ((await Promise.all(sent.ends)).some((e) => e.outcome !== 'done')) {
      behind = Promise.all(sent.ends)
      for (const { end } of segments.slice(i + 1).flatMap((s) => s.orders)) end(Promise.resolve(neverStarted))
      break
    }
  }
  const wrong: Wrong[] = []
  const users = new Set([...verifications.keys(), ...wanted.users].filter((u) => link.facts(u)))
  const replies = await Promise.all(
    [...users].map(async (user) => {
      const reads = readsOf(user)
      const own = answers.get(user)
      if (own) return [user, reads, await own] as const
      const failed = (await behind).some((e) => e.outcome !== 'done')
      const asked = failed ? reads.filter((r) => !r.kind.call) : reads
      return [user, reads, asked.length === 0 ? new Map() : await link.ask(user, asked, ground.facts)] as const
    }),
  )
  ground.models.settle()
  for (const [user, reads, reply] of replies) {
    const verified = verifications.get(user)?.check(reply)
    ground.models.learn(user, [...reads, ...(verifications.get(user)?.learns ?? [])], verified?.learnt ?? reply)
    wrong.push(...(verified?.wrong ?? []))
  }
  return wrong
}
