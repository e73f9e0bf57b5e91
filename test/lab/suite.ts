import { test } from 'uvu'
import { hunted, type Prey } from './hunt.ts'
import { bootLab, canBootLab, type Lab } from './lab.ts'

/** Runs tests one after the other on the same hosts; where there can be none, all are skipped, and it is said why.
 * @param why what else they need may be missing too.
 * @param prey what must be found nowhere while and after each of them. */
export function labSuite(
  hosts: number,
  tests: readonly (readonly [string, (lab: Lab) => Promise<void>])[],
  why: () => string | undefined = () => undefined,
  prey?: Omit<Prey, 'labs'>,
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
      const here = lab
      await (prey ? hunted({ ...prey, labs: [here] }, () => run(here)) : run(here))
    })
  }
  test.after(() => lab?.stop())
  test.run()
}
