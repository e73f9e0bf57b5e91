import type { Way } from './channel.ts'
import type { Effect } from './effect.ts'
import type { Read } from './read.ts'
import type { Shell } from './shell.ts'
import type { NewFile } from './steps/beside.ts'

/** One change to a host, as data. */
export type Step = ShellStep | CallStep

/** A change that the host's shell makes. */
export interface ShellStep extends StepOf {
  /** Shell text; status 0 means done. It runs in a shell of its own, its output is kept for errors. */
  readonly script: (sh: Shell) => string
  readonly call?: undefined
}

/** A change that is made by calls to addresses as the host sees them. It starts when all steps before it are done. */
export interface CallStep extends StepOf {
  /** @param signal the step is to end: its time is over, or the run is ended at once. `way` ends by itself then.
   * @throws ConnectError when the host itself is lost: what was done is not known then. */
  readonly call: (way: Way, signal: AbortSignal) => Promise<CallEnd>
  readonly script?: undefined
}

export interface CallEnd {
  readonly ok: boolean
  /** Why it failed, in one sentence. */
  readonly why?: string
  /** `StepEnd.stdout`: what `settle` and `afterwards` read. */
  readonly output?: Buffer
}

interface StepOf {
  /** One sentence of what it does, in the imperative: `write /etc/motd (12 bytes)`. Never holds a secret. */
  readonly summary: string
  /** What it does to what is known, in order. */
  readonly effects: readonly Effect[]
  /** Looks a while later whether what this step began has lasted; where it fails, this one did. */
  readonly lasts?: Step
  /** What a step before it began may end by it. */
  readonly disturbs?: true
  /** A user of whom nothing may run meanwhile, nor a shell of ours. */
  readonly frees?: string
  /** It only looks: when it fails, those in a row behind it look all the same. */
  readonly looks?: true
  /** What is asked again behind it, besides what the effects touch: for steps whose outcome only the host knows. */
  readonly verify?: readonly Read[]
  /** What has to be there for it to go well; where it is not, check tells so. */
  readonly needs?: readonly Need[]
  /** Its text may stand in one script with that of others: it ends soon, and starts nothing that stays. */
  readonly inline?: true
  /** The file that it puts in place: several in a row are made ready together. */
  readonly file?: NewFile
  /** Contents before and after, for `--diff`. */
  readonly diff?: Diff
  /** Acts by nature (a command, a restart): planned again it would be done again, and that is no conflict. */
  readonly acts?: true
  /** What it does only its author knows: anything, unless the task says what it affects. */
  readonly opaque?: true
  /** Changes nothing by itself (waiting, checking): its run makes no task `changed`. */
  readonly harmless?: true
  /** Its output is wanted: `StepEnd.stdout` and `stderr` are whole. */
  readonly captured?: true
  /** Seconds it may take, where a task says nothing. */
  readonly timeout?: number
}

/** Something that has an answer on a host that has it. */
export interface Need {
  readonly read: Read
  /** One sentence for when it has none. */
  readonly otherwise: string
}

export interface Diff {
  readonly path: string
  readonly before: Buffer | undefined
  readonly after: Buffer | undefined
}

/** How a step ended. */
export interface StepEnd {
  /** `not-started`: an earlier one failed, or the run was interrupted. */
  readonly outcome: 'done' | 'failed' | 'timed-out' | 'not-started' | 'lost'
  /** Exit status; undefined where it never ended, and of calls. */
  readonly status: number | undefined
  readonly stdout: Buffer
  readonly stderr: Buffer
  /** It said more than is kept. */
  readonly cut?: boolean
  /** Seconds that it was given, where it took longer. */
  readonly limit?: number | undefined
  /** Milliseconds. */
  readonly ms: number
}

export const neverStarted: StepEnd = {
  outcome: 'not-started',
  status: undefined,
  stdout: Buffer.alloc(0),
  stderr: Buffer.alloc(0),
  ms: 0,
}

/** The longest output that is kept of a captured step, in bytes each way. */
export const longestOutput = 16_000_000
export const longestError = 4096
