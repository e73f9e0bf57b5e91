import { unknownEffect } from '../effect.ts'
import { outputKind } from '../reads/command.ts'
import { unitKind } from '../reads/unit.ts'
import type { Step } from '../step.ts'

/** Runs a look again and again until it ends as wanted; changes nothing by itself.
 * @param options.vain a status of the look that time does not change: it ends so at once. */
export function waitStep(
  summary: string,
  look: readonly string[],
  options: { timeout: number; delay: number; sleep: number; wanted?: boolean; forever?: boolean; vain?: number },
): Step {
  const { timeout, delay, sleep, wanted = true, forever = false, vain } = options
  return {
    summary,
    harmless: true,
    captured: true,
    // time goes by: what services do meanwhile is not known
    effects: [
      unknownEffect(summary, ({ kind }) => kind === unitKind || kind === outputKind || kind.call !== undefined),
    ],
    script: (sh) => `sleep ${Number(delay)}
e=$(( $(date +%s) + ${Number(timeout)} ))
while :; do
${sh.words(look)}; r=$?
${
  vain === undefined || !wanted
    ? ''
    : `test $r = ${vain} && exit ${vain}
`
}if test $r = 0; then r=yes; else r=no; fi
test $r = ${wanted ? 'yes' : 'no'} && exit 0
test "$(date +%s)" -ge $e && exit ${forever ? 0 : 1}
sleep ${Number(sleep)}
done`,
  }
}
