import { withEntries } from '../host/model.ts'
import type { Read } from '../host/read.ts'
import { SessionLost } from '../host/session.ts'
import type { StepEnd } from '../host/step.ts'
import type { Event } from '../report/events.ts'
import { ConnectError } from '../transport/stream.ts'
import { Unknown } from '../unknown.ts'
import { type Conflict, conflicts } from './converge.ts'
import { dispatch, type Job, withLooks } from './dispatch.ts'
import type { Ground } from './ground.ts'
import type { Instance } from './instance.ts'
import { stepFailure, type Verdict } from './judge.ts'
import type { HostLink } from './link.ts'
import { advance, type Memory, newMemory, stops } from './memory.ts'
import { ReadsByUser } from './models.ts'
import { placeOf, taskEvent } from './task-event.ts'
import type { Again } from './until.ts'
import { subject, touches, type Verification, verificationOf, type Wrong } from './verify.ts'
import { judgedBy, judgeSafely, notifies, type Walked, walk } from './walk.ts'

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

/** One host in one play: pass after pass until no task remains. */
export class HostRun {
  readonly #o: HostRunOptions
  #memory: Memory
  readonly #done: Instance[] = []
  /** Milliseconds until the next try. */
  #pause = 0
  /** What is to be told once it is seen whether something lasts; each says whether it failed. */
  #held: (() => Promise<boolean>)[] = []

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
        if (this.#o.ground.check) this.#o.ground.models.keep()
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
      if (end !== undefined && end !== 'again') return end
      if (end === undefined && walked.stop === 'again') this.#tryAgain({ again: walked.delay, because: walked.because })
      if (this.#pause > 0) await this.#wait()
      if (end === 'again' || walked.stop === 'again') continue
      if (walked.stop === 'done') return 'done'
      if (walked.stop === 'failed') return 'failed'
      if (walked.instances.length === 0) return this.#stuck(walked.because)
    }
  }

  /** What is to be tried next was tried in vain. */
  #tryAgain({ again, because }: Again): void {
    this.#memory.tries++
    this.#pause = Math.max(1, again)
    const { ground, host, play, emit } = this.#o
    const { task } = ground.queue.entries[this.#memory.position]!
    const step = `${task.noLog ? 'tried in vain' : because}; again in ${again / 1000} s`
    emit({ event: 'progress', host, play, task: task.name, step })
  }

  /** Lets time pass, in which anything may have changed. */
  async #wait(): Promise<void> {
    const until = performance.now() + this.#pause
    this.#pause = 0
    for (let left = until - performance.now(); left > 0 && !this.#o.stopped(); left = until - performance.now())
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, 100)))
    this.#o.ground.models.forget()
  }

  /** A host is met even where nothing has to be asked of it, nor done: only then is it known that it can be reached. */
  #isUnmet({ instances }: Walked): boolean {
    const { meets, link, ground } = this.#o
    const { models, user } = ground
    if (!meets || instances.length === 0 || link.facts(user) || models.coming(user) || models.isAbsent(user))
      return false
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
    await Promise.all(
      wanted.users.map(async (user) => {
        try {
          await this.#askAs(user, withEntries(wanted.of(user)))
        } catch (e) {
          if (!(e instanceof ConnectError) || e.reason !== 'no-user') throw e
          // who needs it fails; where a task before makes it, or may, it was asked in vain
          this.#o.ground.models.lacks(user)
        }
      }),
    )
  }

  async #askAs(user: string, reads: readonly Read[]): Promise<void> {
    const { link, ground } = this.#o
    if (reads.length === 0 && !link.lacksFacts(user)) return
    const spending = ground.check ? reads.filter((r) => r.kind.spends) : []
    const asked = reads.filter((r) => !spending.includes(r))
    const answers = await ground.turns.ask(asked, (left) => link.ask(user, left, ground.facts))
    ground.models.learn(user, asked, answers)
    for (const read of spending)
      ground.models.learn(user, [read], new Map([[read.key, new Unknown(read.kind.spends!(read.question))]]))
  }

  #report(walked: Walked): HostEnd | undefined {
    for (const { instance, verdict } of walked.instances) {
      this.#keep(instance, verdict)
      this.#tell(instance, verdict, [])
    }
    return walked.stop === 'failed' ? 'failed' : undefined
  }

  /** Applies what was planned, asks behind it, and keeps what came of it. `again`: what was planned behind a failure that
   * was let pass has to be planned anew. */
  async #pass(walked: Walked): Promise<HostEnd | 'again' | undefined> {
    const { ground } = this.#o
    const verifications = new Map<string, Verification>()
    for (const [user, model] of ground.models.all()) verifications.set(user, verificationOf(model))
    const { jobs, answers } = dispatch(walked, verifications, this.#o.link, ground, (i, step) =>
      this.#progress(i, step),
    )
    // a connection that dies is told by the steps first
    answers.catch(() => {})
    let clean = true
    for (const job of jobs) {
      const ends = await this.#endsOf(job).catch((e) => this.#withoutUser(job.instance.user, e))
      if (ends === 'no-user') return (await this.#tellHeld()) ?? 'again'
      const end = ends === 'failed' ? ends : this.#settleJob(job, ends)
      if (end === 'broken') {
        clean = false
        break
      }
      if (end !== undefined) {
        const held = await this.#tellHeld()
        if (end !== 'unreachable') await answers
        return held ?? end
      }
    }
    const held = await this.#tellHeld()
    const wrong = await answers
    if (held) return held
    if (clean && wrong.length > 0) return this.#mispredicted(walked, wrong)
    return clean ? undefined : 'again'
  }

  /** Steps found no user to run them: planned anew, their task fails. What those before them changed is not known then. */
  async #withoutUser(user: string, e: unknown): Promise<'no-user'> {
    if (!(e instanceof ConnectError) || e.reason !== 'no-user') throw e
    const { link, ground } = this.#o
    await link.free(user)
    ground.models.forget()
    ground.models.lacks(user)
    return 'no-user'
  }

  /** A command may take long: what was looked at before it is told first. */
  async #endsOf({ instance: { outcome }, ends }: Job): Promise<readonly StepEnd[] | 'failed'> {
    const opaque = outcome.kind === 'planned' && outcome.steps.some((s) => s.step.opaque)
    return (opaque ? await this.#tellHeld() : undefined) ?? Promise.all(ends)
  }

  /** What came of one job: undefined when all went well, `broken` where a failure was let pass and what was planned behind
   * it has to be planned anew. */
  #settleJob(job: Job, ends: readonly StepEnd[]): HostEnd | 'broken' | undefined {
    if (ends.some((e) => e.outcome === 'lost')) return this.#lost(job.instance, ends)
    const first = ends[0]
    if (first?.outcome === 'not-started') return this.#o.stopped() ? 'interrupted' : 'broken'
    const judged = ends.length === 0 ? job : judgedBy(this.#o.ground, job.instance, ends, this.#memory.tries)
    if ('again' in judged) {
      this.#tryAgain(judged)
      return 'broken'
    }
    const { instance, verdict } = judged
    this.#keep(instance, verdict)
    if (job.looks.size === 0 || verdict.failed) this.#say(() => this.#tell(instance, verdict, ends))
    else this.#held.push(() => this.#tellLater(job, ends))
    if (stops(verdict)) return 'failed'
    return ends.some((e) => e.outcome !== 'done') ? 'broken' : undefined
  }

  #keep(instance: Instance, verdict: Verdict): void {
    const { ground } = this.#o
    if (!verdict.failed) this.#done.push(instance)
    advance(this.#memory, ground.queue, instance, verdict, notifies(ground, instance))
  }

  /** Tells at once, or in its turn. */
  #say(tell: () => void): void {
    if (this.#held.length === 0) tell()
    else
      this.#held.push(async () => {
        tell()
        return false
      })
  }

  async #tellLater(job: Job, ends: readonly StepEnd[]): Promise<boolean> {
    const seen = await withLooks(ends, job.looks)
    const { instance, verdict } = judgeSafely(this.#o.ground, job.instance, seen)
    this.#tell(instance, verdict, seen)
    return verdict.failed
  }

  async #tellHeld(): Promise<'failed' | undefined> {
    let failed = false
    for (const tell of this.#held) failed = (await tell()) || failed
    this.#held = []
    return failed ? 'failed' : undefined
  }

  #tell(instance: Instance, verdict: Verdict, ends: readonly StepEnd[]): void {
    const { ground, host, play, emit } = this.#o
    const handler = instance.position >= ground.queue.handlersFrom
    emit(taskEvent({ host, play, handler, diff: ground.diff }, instance, verdict, ends))
    const planned = instance.outcome.kind === 'planned' ? (instance.outcome.plan.warnings ?? []) : []
    // what a module warns of may quote its parameters
    for (const message of instance.task.noLog ? [] : new Set([...planned, ...verdict.warnings]))
      emit({ event: 'warning', code: 'module', host, message, at: placeOf(instance.task) })
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
    this.#say(() => emit(taskEvent({ host, play, handler, diff: false }, instance, verdict, ends)))
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
