import { userInfo } from 'node:os'
import { hideVariable } from '../child-environment.ts'
import { type Failure, fail, type Module } from '../contract.ts'
import type { Target } from '../inventory/connection.ts'
import { evaluateParams } from '../language/check-params.ts'
import { controllerPlace, findControllerFile } from '../language/controller-path.ts'
import type { Scope } from '../language/expression.ts'
import type { Play, Task, Value } from '../language/playbook.ts'
import { loadTemplate } from '../language/template.ts'
import type { LocalRead } from '../local-read.ts'
import type { Event, RecapEvent } from '../report/events.ts'
import { countEvents, type Tally } from '../report/recap.ts'
import { Redactor } from '../secrets/redactor.ts'
import type { Connection } from '../transport/stream.ts'
import { Unknown } from '../unknown.ts'
import { batchesOf } from './batches.ts'
import { ControllerFiles } from './controller.ts'
import { listed } from './found-on-hosts.ts'
import type { Ground } from './ground.ts'
import { HostRun } from './host-run.ts'
import { factsWanted } from './instance.ts'
import { HostLink } from './link.ts'
import { Models } from './models.ts'
import { foldersOf, type ReadyHost, type ReadyPlay } from './prepare.ts'
import { HostScope } from './scope.ts'
import { Turns } from './turns.ts'

export interface RunOptions {
  readonly mode: 'apply' | 'check'
  readonly plays: readonly ReadyPlay[]
  readonly playbooks: readonly string[]
  readonly version: string
  readonly extra: ReadonlyMap<string, Value>
  /** Hosts at a time. */
  readonly forks: number
  readonly diff: boolean
  /** For plays and tasks that say nothing. */
  readonly become: boolean
  readonly becomePassword: string | undefined
  /** Never shown, wherever they come up. */
  readonly secrets?: readonly string[]
  /** Secrets that the user was asked for, by the variable of the environment that they come before. */
  readonly asked?: Readonly<Record<string, string>>
  readonly forceHandlers: boolean
  readonly strict: boolean
  /** @throws ConnectError */
  readonly connect: (target: Target) => Promise<Connection>
  readonly emit: (event: Event) => void
}

/** A run of playbooks over their hosts: play after play, within a play every host at its own pace. */
export class Run {
  readonly #o: RunOptions
  readonly #redactor = new Redactor()
  readonly #files = new ControllerFiles((path, scope) => loadTemplate(path).render(scope))
  /** Where files of the controller were found: every host asks for the same. */
  readonly #found = new Map<string, string>()
  /** Parameters of tasks in which nothing has to be evaluated: every host has the same. */
  readonly #constant = new WeakMap<Task, Readonly<Record<string, unknown>>>()
  readonly #links = new Map<string, HostLink>()
  readonly #turns = new Turns()
  readonly #dropped = new Set<string>()
  readonly #models = new Map<string, Models>()
  readonly #events: Event[] = []
  #stopped = false
  /** A play ended before its end: nothing follows it. */
  #ended = false

  constructor(options: RunOptions) {
    this.#o = options
    for (const secret of [options.becomePassword, ...(options.secrets ?? [])])
      if (secret !== undefined) this.#redactor.add(secret)
  }

  /** @returns what it came to; the last event was emitted then, and every connection is closed. */
  async start(): Promise<Tally> {
    const { mode, playbooks, version } = this.#o
    const began = performance.now()
    this.#emit({ event: 'run', mode, playbooks, version })
    try {
      for (const ready of this.#o.plays) if (!this.#stopped && !this.#ended) await this.#play(ready)
    } finally {
      await Promise.all([...this.#links.values()].map((link) => link.close()))
    }
    const trips = Object.fromEntries([...this.#links].map(([name, link]) => [name, link.trips]))
    const tally = countEvents(this.#events, trips)
    const recap: RecapEvent = { event: 'recap', hosts: tally.hosts, duration_ms: Math.round(performance.now() - began) }
    this.#emit(this.#stopped ? { ...recap, interrupted: true } : recap)
    return tally
  }

  get interrupted(): boolean {
    return this.#stopped
  }

  /** Starts nothing new; what runs ends by itself. */
  stop(): void {
    this.#stopped = true
    for (const link of this.#links.values()) link.stop()
  }

  /** Ends everything at once, also on the hosts. */
  async kill(): Promise<void> {
    this.stop()
    await Promise.all([...this.#links.values()].map((link) => link.kill()))
  }

  #emit(event: Event): void {
    const masked = this.#redactor.data(event)
    if (masked.event === 'task') {
      // counting needs no texts, which may be long
      const { said: _, output: __, diff: ___, ...counted } = masked
      this.#events.push(counted)
    } else if (masked.event === 'host' || masked.event === 'play') this.#events.push(masked)
    this.#o.emit(masked)
  }

  async #play(ready: ReadyPlay): Promise<void> {
    const hosts = ready.hosts.filter((h) => !this.#dropped.has(h.target.name))
    this.#emit({
      event: 'play',
      play: ready.play.name,
      hosts: hosts.map((h) => h.target.name),
      tasks: ready.queue.entries.map((e) => e.task.name),
    })
    const batches = batchesOf(hosts, ready.play.serial)
    for (const [i, batch] of batches.entries()) {
      const end = this.#stopped ? undefined : await this.#batch(ready, batch)
      if (!end) continue
      this.#ended = true
      const left = [...end.left, ...batches.slice(i + 1).flat()].map((h) => h.target.name)
      this.#emit({ event: 'warning', code: 'play-ended', message: endMessage(ready.play.name, end.why, left) })
      return
    }
  }

  /** @returns why nothing may follow it, and which of its hosts had no turn for that. */
  async #batch(
    ready: ReadyPlay,
    hosts: readonly ReadyHost[],
  ): Promise<{ readonly why: string; readonly left: readonly ReadyHost[] } | undefined> {
    const { forks } = this.#o
    const { serial, anyErrorsFatal } = ready.play
    // hosts shake hands while the first questions are thought out
    if (asksAtOnce(ready)) {
      for (const host of hosts.slice(0, forks)) this.#linkTo(host).connectAhead()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const waiting = [...hosts]
    const ran: HostRun[] = []
    const failed: string[] = []
    const cut: string[] = []
    const halted = () => anyErrorsFatal && failed.length > 0
    const worker = async () => {
      while (!this.#stopped && !halted()) {
        const host = waiting.shift()
        if (!host) return
        const turn = { event: 'turn', host: host.target.name, play: ready.play.name } as const
        const run = this.#host(ready, host, halted)
        ran.push(run)
        this.#emit({ ...turn, over: false })
        const end = await run.run()
        this.#emit({ ...turn, over: true })
        if (end === 'interrupted') cut.push(host.target.name)
        if (end !== 'failed' && end !== 'unreachable') continue
        failed.push(host.target.name)
        this.#dropped.add(host.target.name)
      }
    }
    await Promise.all(Array.from({ length: Math.min(forks, hosts.length) }, worker))
    // only when all have come to the end: what a host sees of another must not depend on their pace
    for (const run of ran) ready.remembered.set(run.host, run.known)
    const short = cut.length === 0 ? '' : `; ${listed(cut)} did not come to the end`
    if (halted()) return { why: `${listed(failed)} failed, and any_errors_fatal is set${short}`, left: waiting }
    const all = serial && failed.length === hosts.length
    return all ? { why: `all hosts of a batch failed: ${listed(failed.toSorted())}`, left: [] } : undefined
  }

  #host(ready: ReadyPlay, host: ReadyHost, halted: () => boolean): HostRun {
    const link = this.#linkTo(host)
    return new HostRun({
      host: host.target.name,
      play: ready.play.name,
      ground: this.#ground(ready, host, link),
      link,
      emit: (event) => this.#emit(event),
      stopped: () => this.#stopped || halted(),
      forceHandlers: this.#o.forceHandlers,
      strict: this.#o.strict,
      meets: ready.play.gatherFacts || ready.queue.entries.some((e) => !e.module.harmless),
      known: ready.remembered.get(host.target.name),
    })
  }

  #linkTo({ target }: ReadyHost): HostLink {
    let link = this.#links.get(target.name)
    if (!link) {
      const password = target.becomePassword ?? this.#o.becomePassword
      for (const secret of [target.password, target.becomePassword]) if (secret) this.#redactor.add(secret)
      link = new HostLink(
        () => this.#o.connect(target),
        (user) => (user === '' ? undefined : { user, password }),
      )
      this.#links.set(target.name, link)
    }
    return link
  }

  #ground({ play, dir, queue, names, facts: all }: ReadyPlay, host: ReadyHost, link: HostLink): Ground {
    let user = ''
    const inventory = new Map([...host.variables].map(([name, v]) => [name, v.value]))
    const facts = () => link.facts(user) ?? new Unknown(factsWanted)
    const scope = new HostScope(
      { given: { ...host.given, play_hosts: names }, inventory, play: play.vars, extra: this.#o.extra },
      facts,
      (value) => this.#redactor.add(value),
    )
    const plain = scope.forTask(new Map(), new Map())
    const userOf = this.#userOf(play, host.target)
    user = userOf(undefined, (value) => scope.evaluate(value, plain))
    return {
      queue,
      models: this.#modelsOf(host, link),
      scope,
      check: this.#o.mode === 'check',
      here: host.target.kind === 'local',
      turns: this.#turns,
      facts: all,
      diff: this.#o.diff,
      user,
      userOf,
      params: (task, module, at, home) => this.#params(task, module, at, home),
      paths: hostPaths,
      local: (read, at, task) => this.#local(read, at, foldersOf(task, dir)),
      unfound: (task, module, params) => this.#unfound(module, params, foldersOf(task, dir)),
      secret: (value) => this.#redactor.add(value),
    }
  }

  /** A check goes on with what the plays before would have done. */
  #modelsOf({ target }: ReadyHost, link: HostLink): Models {
    const known = this.#o.mode === 'check' ? this.#models.get(target.name) : undefined
    const models = known ?? new Models((u) => link.facts(u))
    models.keep()
    this.#models.set(target.name, models)
    return models
  }

  /** As whom a task runs: its own word, the play's, the host's, the command line's. Who is that user already needs no sudo. */
  #userOf(play: Play, target: Target) {
    const login = target.kind === 'local' ? userInfo().username : target.user
    return (task: Task | undefined, evaluate: (value: Value) => unknown): string => {
      const value = task?.become ?? play.become
      const become = value === undefined ? (target.become ?? this.#o.become) : isYes(evaluate(value))
      if (!become) return ''
      const named = task?.becomeUser ?? play.becomeUser
      const user = named === undefined ? (target.becomeUser ?? 'root') : String(evaluate(named))
      return user === login ? '' : user
    }
  }

  #params(task: Task, module: Module, scope: Scope, home: () => string): Record<string, unknown> {
    const known = this.#constant.get(task)
    if (known) return copied(known)
    const params = evaluateParams(module, task.params, task.moduleSpan, scope)
    let constant = [...task.params.values()].every((v) => v.constant)
    for (const [name, schema] of Object.entries(module.params.properties)) {
      const value = params[name]
      if (typeof value !== 'string') continue
      if (schema.secret) this.#redactor.add(value)
      if (!schema.hostPath) continue
      constant &&= value.startsWith('/')
      params[name] = absolute(value, home)
    }
    if (constant) this.#constant.set(task, copied(params))
    return params
  }

  #local(read: LocalRead, scope: Scope, dirs: readonly string[]): unknown {
    if (read.local === 'place') return controllerPlace(dirs.at(-1)!, read.path)
    if (read.local === 'environment') {
      hideVariable(read.path)
      const value = this.#o.asked?.[read.path] ?? process.env[read.path]
      if (value !== undefined) this.#redactor.add(value)
      return value
    }
    const [path, ...besides] = [read.path, ...(read.besides ?? [])].map((p) =>
      this.#find(dirs, read.folder ?? 'files', p),
    )
    if (path === undefined || besides.includes(undefined)) return undefined
    const key = [read.local, path, ...besides].join(' ')
    return this.#files.answer({ ...read, path, besides: besides as string[], key }, scope)
  }

  #unfound(module: Module, params: Readonly<Record<string, unknown>>, dirs: readonly string[]): Failure | undefined {
    if (params.remote_src === true) return undefined
    for (const [name, { controllerPath: kind }] of Object.entries(module.params.properties)) {
      const written = params[name]
      if (!kind || typeof written !== 'string' || this.#find(dirs, kind, written) !== undefined) continue
      const { tried } = findControllerFile(dirs, kind, written)
      return fail(`there is no ${written} on the controller`, { hint: `looked for ${tried.join(' and ')}` })
    }
    return undefined
  }

  #find(dirs: readonly string[], kind: 'files' | 'templates', written: string): string | undefined {
    const wanted = `${dirs.join(':')} ${kind} ${written}`
    const path = written === '' ? undefined : (this.#found.get(wanted) ?? findControllerFile(dirs, kind, written).path)
    if (path !== undefined) this.#found.set(wanted, path)
    return path
  }
}

/** Whether a play has something to ask of its hosts. */
export function asksAtOnce({ queue }: ReadyPlay): boolean {
  return queue.entries.some(({ module }) => module.body.reads)
}

/** For a module that changes its parameters. */
function copied(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, v]) => [name, typeof v === 'object' ? structuredClone(v) : v]),
  )
}

/** The paths on the host among a task's parameters. */
function hostPaths(task: Task, module: Module, scope: Scope, home: () => string): string[] {
  return Object.entries(module.params.properties).flatMap(([name, schema]) => {
    const written = schema.hostPath ? (task.params.get(name)?.evaluate(scope) ?? schema.default) : undefined
    return typeof written === 'string' ? [absolute(written, home)] : []
  })
}

function endMessage(play: string, why: string, left: readonly string[]): string {
  const rest = left.length === 0 ? '' : `; ${listed(left)} had no turn`
  return `the play "${play}" ends here, and nothing follows: ${why}${rest}`
}

function isYes(value: unknown): boolean {
  return typeof value === 'string' ? /^(true|yes|on|1)$/i.test(value) : Boolean(value)
}

/** `~` and what is relative start at the home of the task's user. */
function absolute(path: string, home: () => string): string {
  if (path.startsWith('/')) return path
  if (path === '~') return home()
  return `${home()}/${path.replace(/^~\//, '')}`
}
