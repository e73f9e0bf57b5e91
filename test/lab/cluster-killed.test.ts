import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { ThreeHosts } from './cluster-rig.ts'
import { killedAt, type Moment, randomFrom } from './killed-run.ts'
import { labSuite } from './suite.ts'

// The controller is killed at moments of a first run over three hosts, and the playbook is applied again. RUNBOOK_MOMENTS says
// how many; as few as here are to see that it still holds.

const seed = Number(process.env.RUNBOOK_SEED ?? randomInt(1 << 30))
const count = Number(process.env.RUNBOOK_MOMENTS ?? 2)
/** How long a first run may take, and from the intent on, in ms. */
const [longest, joined] = [20_000, 14_000]

/** Some anywhere in a run on bare hosts; most from the call that initialises on, on hosts where all before it is done. */
function momentOf(i: number, random: () => number): Moment {
  const kinds: Moment[] = [
    { kind: 'initialised' },
    { kind: 'bare', ms: random() * longest },
    { kind: 'intent', ms: random() * joined },
    { kind: 'intent', ms: random() * 150 },
  ]
  return kinds[i % kinds.length]!
}

let site: ThreeHosts

/** @returns what came of it. */
async function round(moment: Moment): Promise<'lost' | 'before' | 'kept'> {
  if (moment.kind === 'bare') site.forget()
  else site.emptyAll()
  const before = site.inits()
  const killed = await killedAt(moment, site.start('apply', 'site.yml'), { store: site.store, url: site.url('h1') })
  if (!killed) {
    assert.is.not(moment.kind, 'initialised')
    return round({ kind: moment.kind as 'bare', ms: (moment as { ms: number }).ms * 0.7 })
  }
  const kept = site.token !== undefined
  const second = await site.start('apply', 'site.yml').ended
  const text = second.stdout + second.stderr
  const lost = second.status !== 0
  assert.is(site.inits() - before, 1, `initialised exactly once: ${text}`)
  if (lost) {
    assert.match(
      text,
      /failed h1: .*\n.*is initialised, and the run that was about to do so .* never came to keep its keys: they are lost/,
    )
    assert.match(text, /stop it and those that have joined it, empty the storage of each/)
    assert.not(existsSync(site.store), 'nothing is in place of the keys')
    site.emptyStorage()
    await site.run(0, 'apply', 'site.yml')
    assert.is(site.inits() - before, 2, 'the way out')
  }
  await site.isOne()
  assert.not(existsSync(`${site.store}.intent`))
  await site.run(0, 'check', 'site.yml')
  return lost ? 'lost' : kept ? 'kept' : 'before'
}

labSuite(
  3,
  [
    [
      'a controller that is killed in a first run of three: it converges, one is initialised exactly once',
      async (lab) => {
        site = new ThreeHosts(lab)
        site.on('cp -a /var/lib/softhsm/tokens /var/lib/softhsm/tokens.first')
        await site.run(0, 'apply', 'site.yml')
        const random = randomFrom(seed)
        const seen: string[] = []
        for (let i = 0; i < count; i++) {
          const moment = momentOf(i, random)
          const began = Date.now()
          try {
            const came = await round(moment)
            seen.push(`${JSON.stringify(moment)} ${came} ${((Date.now() - began) / 1000).toFixed(0)} s`)
          } catch (e) {
            const why = e instanceof Error ? e.stack : e
            throw new Error(`RUNBOOK_SEED=${seed} RUNBOOK_MOMENTS=${i + 1}, ${JSON.stringify(moment)}: ${why}`)
          }
        }
        console.log(`RUNBOOK_SEED=${seed}: ${seen.join(', ')}`)
      },
    ],
  ],
  whyNoServers,
  { secrets: () => site.secrets() },
)
