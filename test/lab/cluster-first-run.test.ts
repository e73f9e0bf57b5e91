import { randomInt } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { ThreeHosts, untilAllVote } from './cluster-rig.ts'
import { killedAt, type Moment, randomFrom } from './killed-run.ts'
import { type Kept, keptSecrets } from './site-rig.ts'
import { labSuite } from './suite.ts'

// A first run over three hosts, and what may come between: the first is left out; the controller is killed, and the playbook is
// applied again (RUNBOOK_MOMENTS says how often); two controllers are at it at once (RUNBOOK_ROUNDS). Those few that are here
// are to see that it still holds.

const seed = Number(process.env.RUNBOOK_SEED ?? randomInt(1 << 30))
const count = Number(process.env.RUNBOOK_MOMENTS ?? 2)
const rounds = Number(process.env.RUNBOOK_ROUNDS ?? 1)
/** How long a first run may take, and from the intent on, in ms. */
const [longest, joined] = [20_000, 14_000]

/** Some anywhere in a run on bare hosts; most from the call that initialises on, on hosts where all before it is done. */
function momentOf(i: number, random: () => number): Moment {
  const kinds: Moment[] = [
    { kind: 'bare', ms: random() * longest },
    { kind: 'initialised' },
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
  if (moment.kind === 'bare') await site.run(0, 'check', 'site.yml')
  return lost ? 'lost' : kept ? 'kept' : 'before'
}

const otherStore = () => `${site.store}.other`

/** Two begin the same cluster, with one store or each with its own.
 * @returns what both said of what went wrong. */
async function contended(own: boolean, fresh: boolean, delay: number): Promise<string> {
  rmSync(otherStore(), { force: true })
  if (fresh) site.forget()
  else site.emptyAll()
  const before = site.inits()
  const first = site.start('apply', 'site.yml')
  await new Promise((r) => setTimeout(r, delay))
  const second = site.start('apply', 'site.yml', ...(own ? ['-e', `vault_store=${otherStore()}`] : []))
  const said = (await Promise.all([first.ended, second.ended])).map((e) => ({ ...e, text: e.stdout + e.stderr }))
  const all = said.map((e) => `(${e.status}) ${e.text}`).join('\n---\n')
  assert.is(site.inits() - before, 1, `initialised exactly once: ${all}`)
  for (const { text } of said) assert.not.match(text, /are lost|bug of/, all)
  for (const store of [site.store, otherStore()]) assert.not(existsSync(`${store}.intent`), all)
  const kept = [site.store, otherStore()].filter((store) => existsSync(store))
  assert.is(kept.length, 1, all)
  const as = kept[0] === otherStore() ? ['-e', `vault_store=${otherStore()}`] : []
  await site.run(0, 'apply', 'site.yml', ...as)
  const one = JSON.parse(readFileSync(kept[0]!, 'utf8')) as Kept
  // a run that fails in what the other does may end before the last votes, and one that finds all unsealed does not wait
  await untilAllVote(site.url('h1'), one.root_token, site.names.length)
  await site.run(0, 'apply', 'verify.yml', ...as)
  await site.isOne(one)
  return said
    .map(({ status, text }) => `${status}\n${(text.match(/^failed .*\n( {2}.*\n)*/gm) ?? []).join('')}`)
    .join('')
}

labSuite(
  3,
  [
    [
      'without the first the others say that there is nobody to join, and do not wait for it',
      async (lab) => {
        site = new ThreeHosts(lab)
        site.on('cp -a /var/lib/softhsm/tokens /var/lib/softhsm/tokens.first')
        const said = await site.run(1, 'apply', 'site.yml', '-l', 'h2,h3')
        for (const host of ['h2', 'h3'])
          assert.match(
            said,
            new RegExp(
              `failed ${host}: init : .*\\n.* not joined its cluster after 5 s.*; nobody that it joins is initialised .*\\n.*\\n.*left out \\(\`-l\`\\)`,
            ),
          )
      },
    ],
    [
      'a controller that is killed in a first run of three: it converges, one is initialised exactly once',
      async () => {
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
    [
      'two controllers at once: one is initialised once, and what the other says of it is so',
      async () => {
        const random = randomFrom(seed)
        for (let i = 0; i < rounds; i++) {
          const [own, fresh] = [i % 4 < 2, i % 2 === 1]
          const delay = random() ** 2 * (fresh ? 12_000 : 3000)
          const what = `RUNBOOK_SEED=${seed} RUNBOOK_ROUNDS=${i + 1}, ${own ? 'two stores' : 'one store'}, ${fresh ? 'bare' : 'emptied'}, ${delay.toFixed()} ms`
          try {
            console.log(`${what}: ${await contended(own, fresh, delay)}`)
          } catch (e) {
            throw new Error(`${what}: ${e instanceof Error ? e.stack : e}`)
          }
        }
      },
    ],
  ],
  whyNoServers,
  {
    secrets: () => {
      const other = existsSync(otherStore()) ? keptSecrets(JSON.parse(readFileSync(otherStore(), 'utf8')) as Kept) : {}
      return { ...site.secrets(), ...Object.fromEntries(Object.entries(other).map(([k, v]) => [`other ${k}`, v])) }
    },
  },
)
