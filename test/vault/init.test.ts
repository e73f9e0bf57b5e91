import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Channel } from '../../src/host/channel.ts'
import { localConnection } from '../../src/transport/local.ts'
import { initialise } from '../../src/vault/initialise.ts'
import { run } from '../engine/scratch.ts'
import { answers, bareBao, ownSeal, standIn, type Trick } from './bare-bao.ts'
import { apply, bare, check, init, isSilent, keysIn, lines, newStore, play, recipients, root } from './init-rig.ts'

// Real servers, each with what can go wrong when it is initialised.

check('a seal of its own: recovery keys go to the store, and a second run does nothing', async () => {
  const bao = await bare(ownSeal)
  const store = newStore()
  const task = { ...init(bao.address, store, { shares: 3, threshold: 2 }), register: 'it' }
  const asks = {
    assert: {
      that: [
        "it.product === 'OpenBao'",
        'it.initialized',
        '!it.sealed',
        'it.auto_unseal',
        "it.version.startsWith('2.7.2')",
        "it.seal_type === 'static'",
        'it.ha',
        `it.leader === '${bao.address}'`,
        'it.is_leader',
      ],
    },
  }
  const predicted = await run('check', play(task))
  assert.equal(readdirSync(join(store, '..')), [])
  const done = await run('apply', play(task, asks))
  assert.equal(lines(done), [lines(predicted)[0], 'ok '])
  assert.equal(done.warnings, [])
  const kept = await keysIn(store)
  assert.equal(
    [kept.kind, kept.shares, kept.threshold, kept.keys.length, kept.address],
    ['recovery', 3, 2, 3, bao.address],
  )
  assert.is((await bao.ask('auth/token/lookup-self', kept.root_token)).status, 200)
  assert.is(statSync(store).mode & 0o7777, 0o600)
  assert.not(readFileSync(store, 'latin1').includes(kept.root_token))
  const again = await run('apply', play(task, asks))
  assert.equal(lines(again), ['ok ', 'ok '])
  await isSilent(store, predicted, done, again)
  // from another controller, and without an identity
  assert.is((await apply(init(bao.address, newStore(), { identity: '/none' }))).line, 'ok ')
  await bao.kill()
})

check('people’s keys: it is unsealed with them, after a restart too', async () => {
  const bao = await bare(undefined)
  const store = newStore()
  const task = init(bao.address, store, { shares: 3, threshold: 2 })
  const predicted = await run('check', play(task))
  const done = await run('apply', play(task))
  assert.equal(lines(done), lines(predicted))
  assert.is((await bao.ask('sys/health')).status, 200)
  await bao.kill()
  await bao.start()
  await answers(bao.address, bao.log)
  assert.match(
    (await apply(init(bao.address, store, { identity: '/none' }))).line,
    /^failed .*is sealed, and .* can’t be read: the age identity \/none/,
  )
  const foreseen = await run('check', play(task))
  const opened = await run('apply', play(task))
  assert.match(lines(opened)[0]!, /^changed unseal http/)
  assert.equal(lines(opened), lines(foreseen))
  assert.is((await bao.ask('sys/health')).status, 200)
  assert.equal(lines(await run('apply', play(task))), ['ok '])
  await isSilent(store, done, opened)
  await bao.kill()
})

check('plaintext has to be said', async () => {
  const bao = await bare(ownSeal)
  const store = newStore()
  assert.match((await apply(init(bao.address, store, { recipients: undefined }))).line, /to whom is .* encrypted/)
  const done = await apply(init(bao.address, store, { recipients: undefined, plaintext: true }))
  assert.match(done.line, /^changed/)
  assert.ok(JSON.parse(readFileSync(store, 'utf8')).root_token)
  assert.is(statSync(store).mode & 0o7777, 0o600)
  await isSilent(store, done.ran)
  await bao.kill()
})

check('what is wrong is found before anything is done', async () => {
  const bao = await bare(ownSeal)
  const line = async (more: object, store = newStore()) => (await apply(init(bao.address, store, more))).line
  assert.match(await line({ shares: 1, threshold: 2 }), /of 1 keys 2 can’t be needed/)
  assert.match(await line({ shares: 3 }), /where one key is enough there is one/)
  assert.match(await line({ shares: 2, threshold: 2, pgp_keys: ['/none'] }), /1 PGP keys for 2 shares/)
  assert.match(await line({ pgp_keys: ['/none'] }), /there is no \/none on the controller/)
  assert.match(await line({ pgp_keys: ['/etc/passwd'] }), /no PGP public key/)
  assert.match(await line({ recipients: ['age1none'] }), /`age1none` is no age recipient/)
  const gone = await line({}, '/none/keys.age')
  assert.match(gone, /its directory is not there .*no place/, gone)
  const foreseen = await run('check', play(init(bao.address, '/none/keys.age')))
  assert.match(lines(foreseen)[0]!, /^failed .*its directory is not there/)
  if (process.getuid?.() === 0) {
    const full = mkdtempSync(join(root, 'full-'))
    assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', full]).status, 0)
    const failed = await line({}, join(full, 'keys.age'))
    assert.equal(readdirSync(full), [])
    spawnSync('umount', ['--lazy', full])
    assert.match(failed, /the disk is full .*nothing was done/)
  }
  assert.match(await line({ store: undefined }), /`store` is missing/)
  const there = newStore()
  writeFileSync(there, 'keys of somebody')
  assert.match(await line({}, there), /is there already, and .* is not initialised: it holds keys of another/)
  assert.is(readFileSync(there, 'utf8'), 'keys of somebody')
  const busy = newStore()
  writeFileSync(`${busy}.intent`, JSON.stringify({ at: 'now', user: 'root', host: hostname(), pid: process.ppid }))
  assert.match(await line({}, busy), /another run initialises it: process \d+ of root/)
  assert.is((await bao.ask('sys/init')).data.initialized, false)
  // nothing listens
  assert.match((await apply(init('http://127.0.0.1:1', newStore()))).line, /refused the connection/)
  await bao.kill()
})

check('of a server that runs and does not answer its log is named, and it is waited for once', async () => {
  const bao = await bare(ownSeal)
  const began = Date.now()
  const done = await run('apply', play({ command: 'true' }, init('http://127.0.0.1:9', newStore(), { timeout: 8 })))
  assert.match(
    lines(done)[1]!,
    /refused the connection, although a server runs on the host \(its log says what it waits/,
  )
  assert.ok(Date.now() - began < 15_000, `${Date.now() - began}`)
  // a check changes nothing that could be waited for
  const looked = Date.now()
  const checked = await run('check', play(init('http://127.0.0.1:9', newStore(), { timeout: 60 })))
  assert.match(lines(checked)[0]!, /^unknown .*whether http:\/\/127\.0\.0\.1:9 comes to answer, where a server runs/)
  assert.ok(Date.now() - looked < 30_000, `${Date.now() - looked}`)
  await bao.kill()
})

check('one that was sealed by hand: it is said, and not waited for', async () => {
  const bao = await bare(ownSeal)
  const start = Date.now()
  const store = newStore()
  await apply(init(bao.address, store))
  await bao.unsealsNoMore()
  await bao.ask('sys/seal', (await keysIn(store)).root_token, {})
  assert.is((await bao.ask('sys/seal-status')).data.sealed, true)
  // as one that has just started, for all that is known
  const young = await run('check', play(init(bao.address, store)))
  assert.match(JSON.stringify(young.warnings), /is sealed: it should unseal itself, as one does that has just started/)
  // it is older than what one that has just started is given
  await new Promise((r) => setTimeout(r, start + 22_000 - Date.now()))
  const task = init(bao.address, store, { timeout: 20, config: bao.config })
  for (const command of ['check', 'apply'] as const) {
    const began = Date.now()
    const { warnings } = await run(command, play(task))
    assert.match(JSON.stringify(warnings), /its program has run for \d+ s: it was sealed by hand, or could not use its/)
    assert.ok(Date.now() - began < 20_000, `${command}: ${Date.now() - began}`)
  }
  await bao.kill()
  await bao.start()
  await answers(bao.address, bao.log)
  assert.is((await apply(task)).line, 'ok ')
  await bao.kill()
})

check('a server that starts while the run goes on is waited for', async () => {
  const bao = await bareBao({ seal: ownSeal })
  const store = newStore()
  setTimeout(() => void bao.start(), 1500)
  const done = await run('apply', play({ command: 'true' }, init(bao.address, store)))
  assert.match(lines(done)[1]!, /^changed initialise/)
  await bao.kill()
})

/** A server behind a stand-in that plays a trick on the call that initialises. */
async function tricked(trick: Trick, seal: string | undefined = ownSeal) {
  const bao = await bare(seal)
  const front = await standIn(bao.address, (what) => (what === 'PUT /v1/sys/init' ? trick : 'pass'))
  const store = newStore()
  const end = async () => {
    front.close()
    await bao.kill()
  }
  const calls = () => front.asked.filter((a) => a === 'PUT /v1/sys/init').length
  return { bao, front, store, end, calls, beside: () => readdirSync(join(store, '..')) }
}

check(
  'the answer never comes, and it was done: the keys are lost, and it is said again until there is a way out',
  async () => {
    const { bao, front, store, end, calls, beside } = await tricked('drop-after')
    const first = await apply(init(front.address, store))
    assert.match(first.line, /^failed .*is initialised now, and its keys are lost: nobody was handed them/)
    assert.match(
      first.line,
      /stop it and those that have joined it, empty the storage of each \(raft\), start them, and run this again/,
    )
    assert.equal(beside(), [`${store.split('/').at(-1)}.intent`])
    const second = await apply(init(front.address, store))
    assert.match(
      second.line,
      /^failed .*never came to keep its keys: they are lost.*removes .*\.intent; else nothing is lost/,
    )
    const foreseen = await run('check', play(init(front.address, store)))
    assert.equal(lines(foreseen), [second.line])
    assert.is(calls(), 1)
    await bao.empty()
    const third = await apply(init(bao.address, store))
    assert.match(third.line, /^changed/)
    assert.is((await bao.ask('auth/token/lookup-self', (await keysIn(store)).root_token)).status, 200)
    await end()
  },
)

check('the call never arrives: nothing happened, and it is done the next time', async () => {
  const { bao, front, store, end, calls, beside } = await tricked('drop-before')
  const first = await apply(init(front.address, store))
  assert.match(first.line, /^failed .*was not initialised, nothing happened/)
  assert.equal(beside(), [])
  assert.is(calls(), 1)
  assert.match((await apply(init(bao.address, store))).line, /^changed/)
  await end()
})

check('a seal that fails leaves a server that is lost, whatever status it answers', async () => {
  for (const status of [400, 500]) {
    const trick = { status, errors: ['failed to store keys: no key found'], forward: true }
    const { front, store, end } = await tricked(trick)
    const { line } = await apply(init(front.address, store))
    assert.match(
      line,
      new RegExp(`is initialised now, and its keys are lost.*answers ${status}: failed to store keys: no key found`),
    )
    await end()
  }
})

check('a refusal that did nothing is told as such', async () => {
  const { bao, front, store, end, beside } = await tricked({ status: 400, errors: ['no such thing'], forward: false })
  const { line } = await apply(init(front.address, store))
  assert.match(line, /was not initialised, nothing happened: it answers 400: no such thing \(correct that/)
  assert.equal(beside(), [])
  assert.is((await bao.ask('sys/init')).data.initialized, false)
  await end()
})

check('the server goes away behind the call: what is not known is not said', async () => {
  const bao = await bare(ownSeal)
  let gone = false
  const front = await standIn(bao.address, (what) => {
    if (what === 'PUT /v1/sys/init') gone = true
    return gone ? 'drop-before' : 'pass'
  })
  const store = newStore()
  const { line } = await apply(init(front.address, store))
  assert.match(line, /whether .* was initialised is not known.*run this again once it answers/)
  assert.ok(existsSync(`${store}.intent`))
  gone = false
  front.close()
  // nothing had come of it
  assert.match((await apply(init(bao.address, store))).line, /^changed/)
  await bao.kill()
})

check('two controllers at once: one initialises, the other says so; nothing is lost', async () => {
  const bao = await bare(ownSeal)
  // both have seen that it is not initialised before either calls
  let waiting = 0
  let go = () => {}
  const both = new Promise<void>((resolve) => {
    go = resolve
  })
  const front = await standIn(bao.address, async (what): Promise<Trick> => {
    if (what !== 'PUT /v1/sys/init') return 'pass'
    if (++waiting === 2) go()
    await both
    return 'pass'
  })
  const [a, b] = [newStore(), newStore()]
  const done = await Promise.all([a, b].map((store) => apply(init(front.address, store))))
  const [won, other] = done.map((d) => d.line).sort((x) => (x.startsWith('changed') ? -1 : 1))
  assert.match(won!, /^changed/)
  assert.match(
    other!,
    /^failed .*was initialised by somebody else at the same moment.*run this again: it is left as it is/,
  )
  const store = existsSync(a) ? a : b
  assert.not(existsSync(store === a ? b : a))
  assert.is((await bao.ask('auth/token/lookup-self', (await keysIn(store)).root_token)).status, 200)
  const again = await Promise.all([a, b].map((s) => apply(init(front.address, s))))
  assert.equal(
    again.map((r) => r.line),
    ['ok ', 'ok '],
  )
  front.close()
  await bao.kill()
})

check('another run that was quicker, to the same store: it is not told to move that away', async () => {
  const bao = await bare(ownSeal)
  const store = newStore()
  await apply(init(bao.address, store))
  const server = { address: bao.address, tls: {}, namespace: undefined, token: undefined }
  const order = {
    ...{ server, host: 'h', product: 'OpenBao', version: '', store: { path: store, recipients }, autoUnseal: true },
    ...{
      peers: [],
      cluster: [],
      shares: 1,
      threshold: 1,
      pgpKeys: undefined,
      rootTokenPgpKey: undefined,
      patience: 1,
      secret: () => {},
    },
  }
  const channel = new Channel(localConnection)
  const end = await initialise(order, channel, new AbortController().signal)
  assert.match(`${end.why} ${end.output}`, /was initialised by another run meanwhile .*run this again/)
  assert.not.match(`${end.why} ${end.output}`, /move it away/)
  channel.close()
  await bao.kill()
})

check('a result that an interrupted run left beside is brought to its place', async () => {
  const bao = await bare(undefined)
  const store = newStore()
  await apply(init(bao.address, store))
  writeFileSync(`${store}.new`, readFileSync(store), { mode: 0o600 })
  rmSync(store)
  writeFileSync(`${store}.intent`, JSON.stringify({ at: 'then', user: 'x', host: hostname(), pid: 2 ** 22 + 5 }))
  await bao.kill()
  await bao.start()
  await answers(bao.address, bao.log)
  const done = await apply(init(bao.address, store))
  assert.match(done.line, /^changed bring .* to its place; unseal/)
  const alone = () => assert.equal(readdirSync(join(store, '..')), [store.split('/').at(-1)])
  alone()
  // killed behind the renaming: the intent that is left would call the keys lost once the store is moved to a safer place
  writeFileSync(`${store}.intent`, JSON.stringify({ at: 'then', user: 'x', host: hostname(), pid: 2 ** 22 + 5 }))
  assert.match(
    (await apply(init(bao.address, store))).line,
    /^changed remove .*\.intent, which an interrupted run left$/,
  )
  alone()
  assert.is((await apply(init(bao.address, store))).line, 'ok ')
  await bao.kill()
})

test.run()
