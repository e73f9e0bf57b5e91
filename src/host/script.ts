import { randomBytes } from 'node:crypto'
import type { Shell } from './shell.ts'
import { longestError, longestOutput, type ShellStep } from './step.ts'
import { staged } from './steps/beside.ts'

// What a session runs for steps: their shell text with what is needed around it.

/** Between what a step said on one and on the other output; no step knows it. */
const outputMark = randomBytes(24).toString('hex')

/** The scripts of steps that share a shell: each leaves its status in $e, what it said in $d/o, and no blob's bytes. */
export function stepScripts(steps: readonly ShellStep[], sh: Shell): string[] {
  const texts: string[] = []
  while (texts.length < steps.length) {
    const rest = steps.slice(texts.length)
    const files = filesInARow(rest)
    texts.push(...(files > 1 ? filesScripts(rest.slice(0, files), sh) : [stepScript(rest[0]!, sh)]))
  }
  return texts
}

function filesInARow(steps: readonly ShellStep[]): number {
  const paths = new Set<string>()
  for (const { file } of steps) {
    if (!file || paths.has(file.path)) break
    paths.add(file.path)
  }
  return paths.size
}

/** Files in a row are made ready together; where that can't be done, one after the other says what is wrong. */
function filesScripts(steps: readonly ShellStep[], sh: Shell): string[] {
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
export function stepScript(step: ShellStep, sh: Shell): string {
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
