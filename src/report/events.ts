/** What happens in a run, as data. A reporter is a function of these; secrets are masked before an event is made. */
export type Event = RunEvent | PlayEvent | TurnEvent | TaskEvent | ProgressEvent | HostEvent | WarningEvent | RecapEvent

export type TaskStatus = 'ok' | 'changed' | 'skipped' | 'failed' | 'unreachable' | 'unknown'

/** The first event. */
export interface RunEvent {
  readonly event: 'run'
  readonly mode: 'apply' | 'check'
  readonly playbooks: readonly string[]
  readonly version: string
}

/** A play starts on these hosts. `tasks` are the names of its tasks in order, handlers last. */
export interface PlayEvent {
  readonly event: 'play'
  readonly play: string
  readonly hosts: readonly string[]
  readonly tasks: readonly string[]
}

/** A task, for one host and one loop item, has ended (in check: is planned; `changed` then means would change). */
export interface TaskEvent {
  readonly event: 'task'
  readonly host: string
  readonly play: string
  readonly task: string
  readonly module: string
  readonly status: TaskStatus
  /** One sentence a change. */
  readonly changes: readonly string[]
  /** Milliseconds that its steps took on the host. */
  readonly ms: number
  readonly handler?: true
  /** The loop item, as a short text. */
  readonly item?: string
  /** Why it failed, was skipped, is unknown; for failures with step, exit status and the end of its output. */
  readonly message?: string
  readonly hint?: string
  /** `file:line` of the task. */
  readonly at?: string
  /** A failure that `ignore_errors` let pass: `failed` here, counted as `ok` in the recap and the exit code. */
  readonly ignored?: true
  /** The module never changes anything, so its `unknown` does not make a check say that there are changes. */
  readonly harmless?: true
  /** What `debug` prints, and other output meant for the reader. */
  readonly output?: string
  /** The end of what its commands said, for those who ask for more than changes. */
  readonly said?: string
  /** Unified diffs, when asked for. */
  readonly diff?: string
}

/** A host's turn in a play begins or is over, for live display only. */
export interface TurnEvent {
  readonly event: 'turn'
  readonly host: string
  readonly play: string
  readonly over: boolean
}

/** A step of a task starts on a host, for live display only. */
export interface ProgressEvent {
  readonly event: 'progress'
  readonly host: string
  readonly play: string
  readonly task: string
  readonly step: string
}

/** A host dropped out, outside any task. */
export interface HostEvent {
  readonly event: 'host'
  readonly host: string
  readonly status: 'unreachable' | 'failed'
  readonly message: string
  readonly hint?: string
}

/** Something to mend that stops nothing; `code` is stable (`never-converges`, …). */
export interface WarningEvent {
  readonly event: 'warning'
  readonly code: string
  readonly host?: string
  readonly message: string
  readonly hint?: string
  readonly at?: string
}

export interface Counts {
  readonly ok: number
  readonly changed: number
  readonly skipped: number
  readonly failed: number
  readonly unreachable: number
  readonly unknown: number
  /** Round trips on the host's shell after it was opened. */
  readonly trips: number
}

/** The last event. */
export interface RecapEvent {
  readonly event: 'recap'
  readonly hosts: Readonly<Record<string, Counts>>
  readonly duration_ms: number
  readonly interrupted?: true
}

/** What becomes of the events. `report` takes them in order and never throws for what a host or a reader did. */
export interface Reporter {
  report(event: Event): void
  /** Resolves when everything is out; rejects when it could not be written (a reader that went away is no error). */
  end(): Promise<void>
}
