import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { hunted } from './hunt.ts'
import { countInits, killedAt, type Moment, randomFrom } from './killed-run.ts'
import { bootLab, canBootLab } from './lab.ts'
import { OneHost } from './site-rig.ts'

// The controller is killed at twenty moments of a first run of the guide's playbook, and the playbook is applied again.

const seed = Number(process.env.RUNBOOK_SEED ?? randomInt(1 << 30))
/** How long a first run may take, in ms. */
const longest = 9_000

/** Some anywhere in a run on a bare host; most around the call that initialises, on a host where all before it is done. */
function momentsOf(random: () => number): Moment[] {
  const bare = Array.from({ length: 8 }, (_, i): Moment => ({ kind: 'bare', ms: ((i + random()) * longest) / 8 }))
  const intent = Array.from({ length: 9 }, (): Moment => ({ kind: 'intent', ms: random() * 150 }))
  const initialised = Array.from({ length: 3 }, (): Moment => ({ kind: 'initialised' }))
  return [...bare, ...intent, ...initialised]
}

const inits = (site: OneHost) => Number(site.on(countInits))

/** @returns what came of it. */
async function round(site: OneHost, moment: Moment): Promise<'lost' | 'before' | 'kept'> {
  if (moment.kind === 'bare') site.forget()
  else site.emptyAll()
  const before = inits(site)
  if (!(await killedAt(moment, site.start('apply'), site))) {
    assert.is.not(moment.kind, 'initialised')
    return round(site, { kind: moment.kind as 'bare', ms: (moment as { ms: number }).ms * 0.7 })
  }
  const kept = site.hasStore()
  const second = await site.start('apply').ended
  const text = second.stdout + second.stderr
  const lost = second.status !== 0
  assert.is(inits(site) - before, 1, `initialised exactly once: ${text}`)
  if (lost) {
    assert.match(
      text,
      /is initialised, and the run that was about to do so .* never came to keep its keys: they are lost/,
    )
    assert.match(text, /stop it, empty its storage \(file\), start it, and run this again/)
    assert.not(site.hasStore(), 'nothing is in place of the keys')
    site.emptyStorage()
    await site.run(0, 'apply')
    assert.is(inits(site) - before, 2, 'the way out')
  }
  assert.ok(await site.opens(), text)
  assert.not(existsSync(`${site.store}.intent`))
  if (moment.kind === 'bare') await site.run(0, 'check')
  return lost ? 'lost' : kept ? 'kept' : 'before'
}

const skip = canBootLab() ?? whyNoServers()
if (skip !== undefined) console.log(`SKIP a controller that is killed: ${skip}`)
const check = skip === undefined ? test : test.skip

check(
  'a controller that is killed at twenty moments of a first run: it converges, initialised exactly once',
  async () => {
    const labs = await Promise.all([bootLab(1), bootLab(1)])
    try {
      const moments = momentsOf(randomFrom(seed))
      const seen: string[] = []
      // each host is a site of its own: two go at once
      const sites = labs.map((lab) => new OneHost(lab))
      const secrets = () =>
        Object.fromEntries(
          sites.flatMap((site, i) =>
            Object.entries(site.secrets()).map(([name, value]) => [`${name} of site ${i}`, value]),
          ),
        )
      const all = () =>
        Promise.all(
          sites.map(async (site) => {
            site.on('cp -a /var/lib/softhsm/tokens /var/lib/softhsm/tokens.first')
            for (let moment = moments.shift(); moment; moment = moments.shift()) {
              const what = JSON.stringify(moment)
              try {
                seen.push(await round(site, moment))
              } catch (e) {
                throw new Error(`RUNBOOK_SEED=${seed}, ${what}: ${e instanceof Error ? e.message : e}`)
              }
            }
          }),
        )
      await hunted({ labs, secrets }, all)
      const count = (what: string) => seen.filter((s) => s === what).length
      const came = `RUNBOOK_SEED=${seed}: ${['before', 'lost', 'kept'].map((w) => `${w} ${count(w)}`).join(', ')}`
      console.log(came)
      assert.is(seen.length, 20)
      assert.ok(count('lost') >= 3 && count('before') > 0, came)
    } finally {
      for (const lab of labs) lab.stop()
    }
  },
)

test.run()
