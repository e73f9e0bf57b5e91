import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { answers, type BareBao, bareBao, ownSeal, standIn, type Trick } from './bare-bao.ts'
import { apply, bare, check, init, newStore } from './init-rig.ts'

// Several real servers that are to be one cluster.

check('of a cluster one is initialised, the others join; a second first is refused', async () => {
  const first = await bare(ownSeal)
  const joiners = await Promise.all([1, 2].map(() => bareBao({ seal: ownSeal, joins: [first.address] })))
  for (const j of joiners) await j.start()
  for (const j of joiners) await answers(j.address, j.log)
  const [one, two] = joiners as [BareBao, BareBao]
  const task = (bao: BareBao, more: object) => init(bao.address, newStore(), { config: bao.config, ...more })
  // which one is the first nobody has said
  assert.match((await apply(task(one, {}))).line, /one of them has to be the first/)
  // it waits, and gives up
  assert.match(
    (await apply(task(one, { role: 'join', timeout: 1 }))).line,
    /has not joined its cluster after 1 s.*would make a second one/,
  )
  const began = Date.now()
  assert.match(
    (await apply(task(one, { role: 'join', first_timeout: 1, timeout: 60 }))).line,
    new RegExp(
      `after 1 s.*; nobody that it joins is initialised \\(${first.address} is not\\) .*where it was left out`,
    ),
  )
  assert.ok(Date.now() - began < 30_000, `${Date.now() - began}`)
  assert.is((await one.ask('sys/init')).data.initialized, false)
  const together = await Promise.all([
    apply(task(first, { role: 'first' })),
    apply(task(one, { role: 'join', store: undefined })),
  ])
  assert.match(together[0].line, /^changed/)
  assert.is(together[1].line, 'ok ')
  assert.is((await apply(task(two, { role: 'auto' }))).line, 'ok ')
  assert.match(String((await two.ask('sys/leader')).data.leader_address), new RegExp(first.address))
  // one that does not come to join must not be initialised beside
  const key = `seal "static" {\n  current_key_id = "k2"\n  current_key = "${'ab'.repeat(32)}"\n}`
  const alien = await bareBao({ seal: key, joins: [first.address] })
  await alien.start()
  await answers(alien.address, alien.log)
  assert.match((await apply(task(alien, { role: 'first' }))).line, /is initialised: this would begin a second cluster/)
  assert.match((await apply(task(alien, { role: 'auto', timeout: 2 }))).line, /has not joined its cluster/)
  assert.is((await alien.ask('sys/init')).data.initialized, false)
  for (const bao of [first, one, two, alien]) await bao.kill()
})

check('two that are called the first at the same moment: one is, the other is left alone', async () => {
  const nobody = 'http://127.0.0.1:1'
  const both = await Promise.all([1, 2].map(() => bareBao({ seal: ownSeal, joins: [nobody] })))
  for (const bao of both) await bao.start()
  for (const bao of both) await answers(bao.address, bao.log)
  // who is the first is not done before the other has been refused
  let refused: Promise<unknown> = Promise.resolve()
  const fronts = await Promise.all(
    both.map((bao) =>
      standIn(bao.address, async (what): Promise<Trick> => {
        if (what === 'PUT /v1/sys/init') await refused
        return 'pass'
      }),
    ),
  )
  const runs = both.map((bao, i) => apply(init(fronts[i]!.address, newStore(), { config: bao.config, role: 'first' })))
  refused = Promise.race(runs)
  const done = await Promise.all(runs)
  const said = done.map((d) => d.line).sort()
  assert.match(said[0]!, /^changed/)
  assert.match(said[1]!, /^failed .*of the same cluster is being initialised: nothing was done.*role: join/)
  const initialised = await Promise.all(both.map(async (bao) => (await bao.ask('sys/init')).data.initialized))
  assert.equal(initialised.sort(), [false, true])
  for (const front of fronts) front.close()
  for (const bao of both) await bao.kill()
})

check('a cluster that people unseal', async () => {
  const first = await bare(undefined)
  const joiner = await bareBao({ joins: [first.address] })
  await joiner.start()
  await answers(joiner.address, joiner.log)
  const store = newStore()
  assert.match((await apply(init(first.address, store, { role: 'first' }))).line, /^changed/)
  const joined = await apply(init(joiner.address, store, { role: 'join', config: joiner.config }))
  assert.match(joined.line, /^(ok|changed)/, joined.line)
  assert.is((await joiner.ask('sys/seal-status')).data.sealed, false)
  for (const bao of [first, joiner]) await bao.kill()
})

test.run()
