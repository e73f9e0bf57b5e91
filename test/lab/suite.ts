import { test } from 'uvu'
import { bootLab, canBootLab, type Lab } from './lab.ts'

/** Runs tests one after the other on the same hosts; where there can be none, all are skipped, and it is said why.
 * @param why what else they need may be missing too. */
export function labSuite(
  hosts: number,
  tests: readonly (readonly [string, (lab: Lab) => Promise<void>])[],
  why: () => string | undefined = () => undefined,
): void {
  const reason = canBootLab() ?? why()
  let lab: Lab | undefined
  for (const [name, run] of tests) {
    if (reason !== undefined) {
      console.log(`SKIP ${name}: ${reason}`)
      test.skip(name)
      continue
    }
    test(name, async () => {
      lab ??= await bootLab(hosts)
      await run(lab)
    })
  }
  test.after(() => lab?.stop())
  test.run()
}
