import type { ApiAnswer, ApiRequest } from '../channel.ts'
import { unknownEffect } from '../effect.ts'
import { outputKind } from '../reads/command.ts'
import { unitKind } from '../reads/unit.ts'
import type { CallStep, Step } from '../step.ts'

/** Runs a look again and again until it ends as wanted; changes nothing by itself. */
export function waitStep(
  summary: string,
  look: readonly string[],
  options: { timeout: number; delay: number; sleep: number; wanted?: boolean; forever?: boolean },
): Step {
  const { timeout, delay, sleep, wanted = true, forever = false } = options
  return {
    summary,
    harmless: true,
    captured: true,
    effects: [timeGoesBy(summary)],
    script: (sh) => `sleep ${Number(delay)}
e=$(( $(date +%s) + ${Number(timeout)} ))
while :; do
${sh.words(look)}; r=$?
if test $r = 0; then r=yes; else r=no; fi
test $r = ${wanted ? 'yes' : 'no'} && exit 0
test "$(date +%s)" -ge $e && exit ${forever ? 0 : 1}
sleep ${Number(sleep)}
done`,
  }
}

/** What services do meanwhile is not known. */
const timeGoesBy = (summary: string) =>
  unknownEffect(summary, ({ kind }) => kind === unitKind || kind === outputKind || kind.call !== undefined)

/** Why an answer is not the wanted one. */
export interface WrongAnswer {
  readonly failed: string
  readonly hint?: string
  /** Time alone does not change it. */
  readonly forGood?: true
}

/** Asks an HTTP API again and again until it answers as wanted. What it says where that never comes is a WrongAnswer, as JSON.
 * @param options in seconds. */
export function waitForAnswer(
  summary: string,
  request: ApiRequest,
  wrong: (answer: ApiAnswer) => WrongAnswer | undefined,
  { timeout, delay, sleep }: { timeout: number; delay: number; sleep: number },
): CallStep {
  const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  return {
    summary,
    harmless: true,
    captured: true,
    effects: [timeGoesBy(summary)],
    call: async (way, signal) => {
      await pause(delay)
      for (const late = Date.now() + timeout * 1000; ; await pause(sleep)) {
        const why = wrong(await way.api(request))
        if (why === undefined) return { ok: true }
        if (Date.now() >= late || why.forGood || signal.aborted)
          return { ok: false, why: why.failed, output: Buffer.from(JSON.stringify(why)) }
      }
    },
  }
}
