// The lab for people: `node scripts/run.mjs test/lab/cli.ts up [N] | down | status | prepare`.
import { canBootLab, makeBase } from './base.ts'
import { bootLab, findLab, keptLabs } from './lab.ts'

const [command = 'status', argument] = process.argv.slice(2)
const reason = canBootLab()
if (reason !== undefined) {
  console.error(reason)
  process.exit(1)
}
if (command === 'prepare') makeBase((line) => console.log(line))
else if (command === 'up') {
  const lab = await bootLab(Number(argument ?? 3), { keep: true })
  console.log(lab.dir)
} else if (command === 'down') for (const block of keptLabs()) findLab(block)?.stop()
else
  for (const block of keptLabs())
    for (const h of findLab(block)?.hosts ?? []) console.log(`${h.name} ${h.address} ${h.root}`)
