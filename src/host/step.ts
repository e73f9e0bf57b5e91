import { randomBytes } from 'node:crypto'
import type { Effect } from './effect.ts'
import type { Read } from './read.ts'
import type { Shell } from './shell.ts'
import { type NewFile, staged } from './steps/beside.ts'

/** One change to a host, as data. */
export interface Step {
  /** One sentence of what it does, in the imperative: `write /etc/motd (12 bytes)`. Never holds a secret. */
  readonly summary: string
  /** Shell text; status 0 means done. It runs in a shell of its own, its output is kept for errors. */
  readonly script: (sh: Shell) => string
  /** What it does to what is known, in order. */
  readonly effects: readonly Effect[]
  /** Looks a while later whether what this step began has lasted; where it fails, this one did. */
  readonly lasts?: Step
  /** What a step before it began may end by it. */
  readonly disturbs?: true
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
  /** Exit status; undefined where it never ended. */
  readonly status: number | undefined
  readonly stdout: Buffer
  readonly stderr: Buffer
  /** It said more than is kept. */
  readonly cut?: boolean
  /** Milliseconds. */
  readonly ms: number
}

/** The longest output that is kept of a captured step, in bytes each way. */
export const longestOutput = 16_000_000
export const longestError = 4096

/** Between what a step said on one and on the other output; no step knows it. */
const outputMark = randomBytes(24).toString('hex')

/** The scripts of steps that share a shell: each leaves its status in $e, what it said in $d/o, and no blob's bytes. */
export function stepScripts(steps: readonly Step[], sh: Shell): string[] {
  const texts: string[] = []
  while (texts.length < steps.length) {
    const rest = steps.slice(texts.length)
    const files = filesInARow(rest)
    texts.push(...(files > 1 ? filesScripts(rest.slice(0, files), sh) : [stepScript(rest[0]!, sh)]))
  }
  return texts
}

function filesInARow(steps: readonly Step[]): number {
  const paths = new Set<string>()
  for (const { file } of steps) {
    if (!file || paths.has(file.path)) break
    paths.add(file.path)
  }
  return paths.size
}

/** Files in a row are made ready together; where that can't be done, one after the other says what is wrong. */
function filesScripts(steps: readonly Step[], sh: Shell): string[] {
  const { before, apart, moves, after } = staged(
    steps.map((s) => s.file!),
    sh,
  )
  return steps.map((step, i) => {
    const { source, unpack } = apart[i]!
    const first = i === 0 ? `${before}\n` : ''
    const last = i === steps.length - 1 ? `\n${after}` : ''
    return `${first}if test -n "$j"; then { ${moves[i]}; } </dev/null >"$d/o" 2>&1; e=$?; ${toldWhy}
else ${unpack}\n${stepScript(step, { ...sh, blob: () => source })}\nfi${last}`
  })
}

const toldWhy = `test $e = 0 || tail -c ${longestError} "$d/o" >&3`

/** A step's shell text with what the engine needs around it: its output, its status in $e, and its blobs emptied. */
export function stepScript(step: Step, sh: Shell): string {
  const blobs: string[] = []
  const tracking: Shell = {
    ...sh,
    blob: (bytes) => {
      const word = sh.blob(bytes)
      blobs.push(word)
      return word
    },
  }
  const body = step.script(tracking)
  const clean = [...new Set(blobs)].map((b) => `: >${b}\n`).join('')
  if (!step.captured)
    return `umask 077\n(\numask "$m"\n${body}\n) </dev/null >"$d/o" 2>&1 3>&-\ne=$?\n${clean}${toldWhy}`
  return `umask 077\n(\numask "$m"\n${body}\n) </dev/null >"$d/o" 2>"$d/r" 3>&-
e=$?
${clean}test ! -s "$d/o" || head -c ${longestOutput + 1} "$d/o" >&3
printf ${outputMark} >&3
test ! -s "$d/r" || head -c ${longestOutput + 1} "$d/r" >&3`
}

/** A captured step's output, taken apart again. */
export function parseCaptured(output: Buffer): { stdout: Buffer; stderr: Buffer; cut: boolean } {
  const at = output.indexOf(outputMark)
  if (at === -1) return { stdout: Buffer.alloc(0), stderr: output, cut: false }
  const [stdout, stderr] = [output.subarray(0, at), output.subarray(at + outputMark.length)]
  const most = (bytes: Buffer) => bytes.subarray(0, longestOutput)
  return { stdout: most(stdout), stderr: most(stderr), cut: Math.max(stdout.length, stderr.length) > longestOutput }
}
