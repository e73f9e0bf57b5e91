// The lab for people: `npm run lab -- up [N] [NAME] | down [NAME] | prepare | why`, and without a word the labs that are up.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { whyNoServers } from './bao.ts'
import { canBootLab, makeBase } from './base.ts'
import { bootLab, findLab, keptLabs, type Lab } from './lab.ts'
import { makeSite } from './site.ts'

const [command = 'status', ...rest] = process.argv.slice(2)
const reason = canBootLab()
if (command === 'why') {
  console.log(reason ?? whyNoServers() ?? '')
  process.exit(0)
}
if (reason !== undefined) {
  console.error(reason)
  process.exit(1)
}
// an exit takes down what is half up
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))

const kept = (): Lab[] => keptLabs().flatMap((block) => findLab(block) ?? [])
const nameFile = (lab: Lab) => join(lab.dir, 'name')
const nameOf = (lab: Lab) => (existsSync(nameFile(lab)) ? readFileSync(nameFile(lab), 'utf8') : '')

async function up(count: number, name: string | undefined): Promise<void> {
  const lab = await bootLab(count, { keep: true })
  try {
    makeSite(lab)
    if (name !== undefined) writeFileSync(nameFile(lab), name)
  } catch (e) {
    lab.stop()
    throw e
  }
  console.log(lab.dir)
}

function down(name: string | undefined): void {
  for (const lab of kept().filter((l) => name === undefined || nameOf(l) === name)) {
    lab.stop()
    console.log(`taken down: ${lab.hosts.map((h) => h.name).join(', ')} (${lab.dir})`)
  }
}

function status(): void {
  for (const lab of kept()) {
    console.log(`${lab.dir}${nameOf(lab) === '' ? '' : `, of the ${nameOf(lab)}`}`)
    for (const h of lab.hosts) console.log(`  ${h.name} ${h.address} ${h.root}`)
  }
}

process.on('uncaughtException', (e) => {
  console.error(`the lab: ${e.message.trim()}`)
  process.exit(1)
})
if (command === 'prepare') {
  makeBase((line) => console.log(line))
  console.log('making the servers of the lab, once (up to three minutes)')
  const missing = whyNoServers()
  if (missing !== undefined) console.error(`there will be no servers: ${missing}`)
} else if (command === 'up') await up(Number(rest[0] ?? 3), rest[1])
else if (command === 'down') down(rest[0])
else if (command === 'status') status()
else {
  console.error(`there is no ${command}: up [N] [NAME], down [NAME], prepare, why`)
  process.exit(1)
}
