// `npm run bench`: the same twenty tasks on the same ten hosts, by runbook and by others, side by side in one run.
// --quick leaves the others out; --json FILE says where the numbers go (`.cache/bench.json`).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { bootLab, canBootLab, type Lab } from '../lab/lab.ts'
import { ansible, type Contestant, floor, type Mode, ourselves, pyinfra } from './contestants.ts'
import { writeBenchFiles } from './files.ts'
import { measureCrowd, measureDistance, tripsOf } from './more.ts'
import { judged, type Numbers, reportOf } from './report.ts'
import { measureStartup } from './startup.ts'
import { atRest, median } from './timed.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string', default: '.cache/bench.json' },
    hosts: { type: 'string', default: '10' },
  },
})
const reason = canBootLab()
if (reason !== undefined) {
  console.error(`the bench needs the lab: ${reason}`)
  process.exit(4)
}
const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`)
const dir = mkdtempSync(join(tmpdir(), 'runbook-bench-'))
let lab: Lab | undefined
try {
  const numbers = await measure()
  mkdirSync(dirname(options.json), { recursive: true })
  writeFileSync(options.json, `${JSON.stringify(numbers, null, 2)}\n`)
  console.log(reportOf(numbers).join('\n'))
  process.exitCode = judged(numbers).every((j) => j.holds) ? 0 : 1
} finally {
  lab?.stop()
  rmSync(dir, { recursive: true, force: true })
}

async function measure(): Promise<Numbers> {
  writeBenchFiles(dir)
  say('start-up')
  const startup = await measureStartup(dir, options.quick ? 7 : 15)
  const us = ourselves(dir)
  const bottom = await floor(dir)
  if (!options.quick) say('the other tools (virtual environments, made once)')
  const others = options.quick ? [] : [pyinfra(dir), ansible(dir, true), ansible(dir)].filter((c) => c !== undefined)
  const took: Record<string, number[]> = {}
  const note = async (c: Contestant, what: string, mode: Mode = 'apply') => {
    const done = await c.run(lab!, mode)
    took[`${c.name} ${what}`] = [...(took[`${c.name} ${what}`] ?? []), done.ms]
    say(`${c.name} ${what}: ${(done.ms / 1000).toFixed(2)} s`)
    return done
  }
  // first runs: each on hosts as they were made
  let firstTrips = 0
  for (const c of [...others, us, us, us]) {
    lab?.stop()
    lab = await bootLab(Number(options.hosts))
    // what is measured is the tool, not the rest of ten boots
    for (const { name } of lab.hosts) lab.run(name, ['systemctl', 'is-system-running', '--wait'])
    await atRest()
    const done = await note(c, 'first')
    if (c === us) firstTrips = tripsOf(done.stdout)
  }
  // from here on the hosts are as they should be, whoever asks
  let trips = 0
  for (let round = 0; round < 7; round++) {
    trips = tripsOf((await note(us, 'apply')).stdout)
    await note(bottom, 'apply')
    await note(us, 'check', 'check')
    for (const c of others) {
      if (round >= (c.name === 'pyinfra' ? 3 : c.name === 'Mitogen' ? 2 : 1)) continue
      await note(c, 'apply')
      if (c.checks) await note(c, 'check', 'check')
    }
  }
  say('50 ms away')
  const distance = await measureDistance(lab!, join(dir, 'runbook.yml'), dir, options.quick ? 5 : 9)
  say('200 connections')
  const crowd = await measureCrowd(lab!, join(dir, 'runbook.yml'), dir)
  return {
    date: new Date().toISOString().slice(0, 10),
    hosts: lab!.hosts.length,
    versions: Object.fromEntries([us, bottom, ...others].map((c) => [c.name, c.version])),
    seconds: Object.fromEntries(Object.entries(took).map(([k, all]) => [k, median(all) / 1000])),
    rounds: Object.fromEntries(Object.entries(took).map(([k, all]) => [k, all.length])),
    trips: { first: firstTrips, converged: trips },
    startup,
    distance,
    crowd,
  }
}
