import type { Order } from '../host/conversation.ts'
import { withEntries } from '../host/model.ts'
import { SessionLost } from '../host/session.ts'
import type { StepEnd } from '../host/step.ts'
import type { Event } from '../report/events.ts'
import { ConnectError } from '../transport/stream.ts'
import { type Conflict, conflicts } from './converge.ts'
import type { Ground } from './ground.ts'
import type { Instance } from './instance.ts'
import { stepFailure, type Verdict } from './judge.ts'
import type { HostLink } from './link.ts'
import { advance, type Memory, newMemory, stops } from './memory.ts'
import { ReadsByUser } from './models.ts'
import { placeOf, taskEvent } from './task-event.ts'
import { subject, touches, type Verification, verificationOf, type Wrong } from './verify.ts'
import { judgeSafely, notifies, type Walked, walk } from './walk.ts'

export type HostEnd = 'done' | 'failed' | 'unreachable' | 'interrupted'

export interface HostRunOptions {
  readonly host: string
  readonly play: string
  readonly ground: Ground
  readonly link: HostLink
  readonly emit: (event: Event) => void
  readonly stopped: () => boolean
  readonly forceHandlers: boolean
  readonly strict: boolean
  /** What `register` and `set_fact` gave in the plays before. */
  readonly known: ReadonlyMap<string, unknown> | undefined
  /** The host has to be reached, whatever its tasks ask. */
  readonly meets: boolean
}

interface Job {
  readonly instance: Instance
  readonly verdict: Verdict
  readonly ends: readonly Promise<StepEnd>[]
}

/** One host in one play: pass after pass until no task remains. */
export class HostRun {
  readonly #o: HostRunOptions
  #memory: Memory
  readonly #done: Instance[] = []

  constructor(options: HostRunOptions) {
    this.#o = options
    this.#memory = newMemory(options.known)
  }

  get host(): string {
    return this.#o.host
  }

  /** What `register` and `set_fact` gave so far. */
  get known(): ReadonlyMap<string, unknown> {
    return this.#memory.known
  }

  async run(): Promise<HostEnd> {
    try {
      let end = await this.#passes()
      if (end === 'failed' && this.#o.forceHandlers && !this.#o.stopped()) {
        this.#toHandlers()
        await this.#passes()
      } else if (end === 'done' && this.#converged() && this.#o.strict) end = 'failed'
      return end
    } catch (e) {
      if (!(e instanceof ConnectError || e instanceof SessionLost)) return this.#bug(e)
      const hint = e instanceof ConnectError ? e.hint : undefined
      this.#o.emit({
        event: 'host',
        host: this.#o.host,
        status: 'unreachable',
        message: e instanceof SessionLost ? `the connection was lost: ${e.message}` : e.message,
        ...(hint === undefined ? {} : { hint }),
      })
      return 'unreachable'
    }
  }

  /** What is wrong in this program ends one host, not the run. */
  #bug(e: unknown): HostEnd {
    const message = `this is a bug of runbook: ${e instanceof Error ? e.stack : String(e)}`
    this.#o.emit({ event: 'host', host: this.#o.host, status: 'failed', message })
    return 'failed'
  }

  async #passes(): Promise<HostEnd> {
    const { ground, stopped } = this.#o
    for (;;) {
      if (stopped()) return 'interrupted'
      ground.models.takeBack()
      const walked = walk(ground, this.#memory)
      if (walked.stop === 'missing') {
        await this.#ask(walked.wanted)
        continue
      }
      if (this.#isUnmet(walked)) {
        const meeting = new ReadsByUser()
        meeting.add(ground.user, [])
        await this.#ask(meeting)
        continue
      }
      const end = ground.check ? this.#report(walked) : await this.#pass(walked)
      if (end === 'again') continue
      if (end !== undefined) return end
      if (walked.stop === 'done') return 'done'
      if (walked.stop === 'failed') return 'failed'
      if (walked.instances.length === 0) return this.#stuck(walked.because)
    }
  }

  /** A host is met even where nothing has to be asked of it, nor done: only then is it known that it can be reached. */
  #isUnmet({ instances }: Walked): boolean {
    const { meets, link, ground } = this.#o
    if (!meets || instances.length === 0 || link.facts(ground.user)) return false
    return (
      ground.check || instances.every(({ instance: { outcome: o } }) => o.kind !== 'planned' || o.steps.length === 0)
    )
  }

  /** The handlers of a host that failed: those that were notified before. */
  #toHandlers(): void {
    const { handlersFrom } = this.#o.ground.queue
    this.#memory = {
      ...this.#memory,
      items: undefined,
      results: [],
      position: Math.max(this.#memory.position, handlersFrom),
    }
  }

  async #ask(wanted: ReadsByUser): Promise<void> {
    const { link, ground } = this.#o
    await Promise.all(
      wanted.users.map(async (user) => {
        const reads = withEntries(wanted.of(user))
        if (reads.length === 0 && link.facts(user)) return
        ground.models.learn(user, reads, await link.ask(user, reads))
      }),
    )
  }

  #report(walked: Walked): HostEnd | undefined {
    for (const { instance, verdict } of walked.instances) this.#commit(instance, verdict, [])
    return walked.stop === 'failed' ? 'failed' : undefined
  }

  /** Applies what was planned, asks behind it, and keeps what came of it. `again`: what was planned behind a failure that
   * was let pass has to be planned anew. */
  async #pass(walked: Walked): Promise<HostEnd | 'again' | undefined> {
    const { ground } = this.#o
    const verifications = new Map<string, Verification>()
    for (const [user, model] of ground.models.all()) verifications.set(user, verificationOf(model))
    const { jobs, answers } = this.#send(walked, verifications)
    // a connection that dies is told by the steps first
    answers.catch(() => {})
    let clean = true
    for (const job of jobs) {
      const ends = await Promise.all(job.ends)
      const end = this.#settleJob(job, ends)
      if (end === 'broken') {
        clean = false
        break
      }
      if (end !== undefined) {
        if (end !== 'unreachable') await answers
        return end
      }
    }
    const wrong = await answers
    if (clean && wrong.length > 0) return this.#mispredicted(walked, wrong)
    return clean ? undefined : 'again'
  }

  /** What came of one job: undefined when all went well, `broken` where a failure was let pass and what was planned behind
   * it has to be planned anew. */
  #settleJob(job: Job, ends: readonly StepEnd[]): HostEnd | 'broken' | undefined {
    if (ends.some((e) => e.outcome === 'lost')) return this.#lost(job.instance, ends)
    const first = ends[0]
    if (first?.outcome === 'not-started') return this.#o.stopped() ? 'interrupted' : 'broken'
    const { instance, verdict } = ends.length === 0 ? job : judgeSafely(this.#o.ground, job.instance, ends)
    this.#commit(instance, verdict, ends)
    if (stops(verdict)) return 'failed'
    return ends.some((e) => e.outcome !== 'done') ? 'broken' : undefined
  }

  #commit(instance: Instance, verdict: Verdict, ends: readonly StepEnd[]): void {
    const { ground, host, play, emit } = this.#o
    if (!verdict.failed) this.#done.push(instance)
    const handler = instance.position >= ground.queue.handlersFrom
    emit(taskEvent({ host, play, handler, diff: ground.diff }, instance, verdict, ends))
    const planned = instance.outcome.kind === 'planned' ? (instance.outcome.plan.warnings ?? []) : []
    // what a module warns of may quote its parameters
    for (const message of instance.task.noLog ? [] : new Set([...planned, ...verdict.warnings]))
      emit({ event: 'warning', code: 'module', host, message, at: placeOf(instance.task) })
    advance(this.#memory, ground.queue, instance, verdict, notifies(ground, instance))
  }

  #lost(instance: Instance, ends: readonly StepEnd[]): HostEnd {
    const { host, play, emit, ground } = this.#o
    const at = ends.findIndex((e) => e.outcome === 'lost')
    const step = instance.outcome.kind === 'planned' ? instance.outcome.steps[at]!.step.summary : ''
    const message = stepFailure(instance.task.noLog ? 'a step' : step, ends[at]!)
    const verdict: Verdict = {
      status: 'unreachable',
      changed: false,
      failed: false,
      ignored: false,
      message,
      hint: 'what it did is not known; the next run finds out',
      warnings: [],
      result: {},
    }
    const handler = instance.position >= ground.queue.handlersFrom
    emit(taskEvent({ host, play, handler, diff: false }, instance, verdict, ends))
    return 'unreachable'
  }

  #stuck(because: string): HostEnd {
    const { ground, host, play, emit } = this.#o
    const { task, module } = ground.queue.entries[this.#memory.position]!
    emit({
      event: 'task',
      host,
      play,
      task: task.name,
      module: module.name,
      status: 'failed',
      changes: [],
      ms: 0,
      message: `a value it needs never became known: ${because}`,
      at: placeOf(task),
    })
    return 'failed'
  }

  /** Sends all steps in order, in one go as far as one user runs them, and the questions behind them. */
  #send(
    walked: Walked,
    verifications: ReadonlyMap<string, Verification>,
  ): { jobs: Job[]; answers: Promise<readonly Wrong[]> } {
    const { ground } = this.#o
    const jobs: Job[] = []
    const segments: { user: string; orders: Order[]; ends: ((e: Promise<StepEnd>) => void)[] }[] = []
    for (const { instance, verdict } of walked.instances) {
      const steps = instance.outcome.kind === 'planned' ? instance.outcome.steps.map((s) => s.step) : []
      const ends = steps.map((step) => {
        if (segments.at(-1)?.user !== instance.user) segments.push({ user: instance.user, orders: [], ends: [] })
        const segment = segments.at(-1)!
        segment.orders.push({
          step,
          timeout: instance.task.timeout,
          onStart: () => this.#progress(instance, step.summary),
        })
        const end = new Promise<StepEnd>((resolve, reject) => {
          segment.ends.push((e) => void e.then(resolve, reject))
        })
        // the first that rejects ends the host; nobody waits for the others
        end.catch(() => {})
        return end
      })
      jobs.push({ instance, verdict, ends })
    }
    const sent = this.#sendSegments(segments, walked.wanted, verifications)
    sent.catch((e: Error) => {
      for (const segment of segments) for (const end of segment.ends) end(Promise.reject(e))
    })
    const answers = sent.then((wrong) => wrong)
    if (segments.length > 0) void ground
    return { jobs, answers }
  }

  async #sendSegments(
    segments: readonly { user: string; orders: Order[]; ends: ((e: Promise<StepEnd>) => void)[] }[],
    wanted: ReadsByUser,
    verifications: ReadonlyMap<string, Verification>,
  ): Promise<readonly Wrong[]> {
    const { link, ground } = this.#o
    if (segments.length === 0) return []
    const readsOf = (user: string) => withEntries([...(verifications.get(user)?.reads ?? []), ...wanted.of(user)])
    const last = segments.at(-1)!.user
    const answers = new Map<string, Promise<ReadonlyMap<string, unknown>>>()
    for (const [i, segment] of segments.entries()) {
      const reads = i === segments.length - 1 ? readsOf(last) : []
      const sent = (await link.talk(segment.user)).apply(segment.orders, reads)
      for (const [k, end] of segment.ends.entries()) end(sent.ends[k]!)
      if (i === segments.length - 1) answers.set(last, sent.answers)
      else if ((await Promise.all(sent.ends)).some((e) => e.outcome !== 'done')) {
        for (const rest of segments.slice(i + 1)) for (const end of rest.ends) end(Promise.resolve(notStarted))
        break
      }
    }
    const wrong: Wrong[] = []
    const users = new Set([...verifications.keys(), ...wanted.users].filter((u) => link.facts(u)))
    const replies = await Promise.all(
      [...users].map(async (user) => {
        const reads = readsOf(user)
        const reply = answers.get(user) ?? (reads.length === 0 ? Promise.resolve(new Map()) : link.ask(user, reads))
        return [user, reads, await reply] as const
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

  #progress(instance: Instance, step: string): void {
    const { host, play, emit } = this.#o
    emit({ event: 'progress', host, play, task: instance.task.name, step: instance.task.noLog ? 'a step' : step })
  }

  #mispredicted(walked: Walked, wrong: readonly Wrong[]): HostEnd {
    const { ground, host, play, emit } = this.#o
    for (const { read, difference } of wrong) {
      const touching = walked.instances.findLast(
        ({ instance: { outcome, user } }) =>
          outcome.kind === 'planned' && outcome.steps.some((s) => touches(ground.models.of(user), s.effects, read)),
      )
      const { instance } = touching ?? walked.instances.at(-1)!
      const steps =
        instance.outcome.kind === 'planned' ? instance.outcome.steps.map((s) => s.step.summary).join('; ') : ''
      emit({
        event: 'task',
        host,
        play,
        task: instance.task.name,
        module: instance.module.name,
        status: 'failed',
        changes: [],
        ms: 0,
        message: `the host is not what was predicted after "${instance.task.noLog ? 'a step' : steps}": ${subject(read)}: ${difference}`,
        hint: 'something else changed it meanwhile, or this is a bug of the module',
        at: placeOf(instance.task),
      })
    }
    return 'failed'
  }

  /** Whether something never converges; each such task is a warning, under --strict a failure. */
  #converged(): boolean {
    const { ground, host, play, emit, strict } = this.#o
    const found = conflicts(ground, this.#done)
    for (const conflict of found) emit(strict ? failure(conflict, host, play) : warning(conflict, host))
    return found.length > 0
  }
}

const notStarted: StepEnd = {
  outcome: 'not-started',
  status: undefined,
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
  ms: 0,
}

function warning({ instance, message, hint }: Conflict, host: string): Event {
  return { event: 'warning', code: 'never-converges', host, message, hint, at: placeOf(instance.task) }
}

function failure({ instance, message, hint }: Conflict, host: string, play: string): Event {
  const { task, module } = instance
  return {
    event: 'task',
    host,
    play,
    task: task.name,
    module: module.name,
    status: 'failed',
    changes: [],
    ms: 0,
    message,
    hint,
    at: placeOf(task),
  }
}
