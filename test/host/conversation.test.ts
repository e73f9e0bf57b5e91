import { randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Conversation } from '../../src/host/conversation.ts'
import { type QuickFacts, quickFacts } from '../../src/host/facts.ts'
import { Model, withEntries } from '../../src/host/model.ts'
import type { Read } from '../../src/host/read.ts'
import { content, sum } from '../../src/host/reads/content.ts'
import { type Entry, entry } from '../../src/host/reads/entry.ts'
import { tree } from '../../src/host/reads/tree.ts'
import type { Step } from '../../src/host/step.ts'
import { makeDirectory, makeEmptyFile, makeLink, remove, setAttributes, writeFile } from '../../src/host/steps/files.ts'
import { localConnection, openLocal } from '../../src/transport/local.ts'
import { ConnectError, type Connection } from '../../src/transport/stream.ts'
import { Unknown } from '../../src/unknown.ts'

const scratch = mkdtempSync(join(tmpdir(), 'conversation-test-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

const local = localConnection

test('facts come ahead of the shell: no trip', async () => {
  const talk = await Conversation.open(local)
  const facts = (await talk.ask([quickFacts])).get(quickFacts.key) as QuickFacts
  assert.is(facts.hostname, hostname().split('.')[0])
  assert.is(facts.uid, process.getuid!())
  assert.is(facts.home, process.env.HOME)
  assert.ok(facts.memory_mb > 100)
  assert.ok(facts.cores >= 1)
  assert.is(facts.kernel, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim())
  assert.is(talk.trips, 0)
  await talk.ask([entry('/')])
  assert.is(talk.trips, 1)
  await talk.close()
})

test('a shell that can not be started is a reason', async () => {
  const broken: Connection = { ...local, exec: async () => openLocal('echo bad luck >&2; exit 97') }
  const talk = await Conversation.open(broken)
  const e = await talk.ask([entry('/')]).catch((x: unknown) => x)
  assert.instance(e, ConnectError)
  assert.match((e as ConnectError).message, /private directory/)
})

test('what went ahead of a shell that was never heard of may have run', async () => {
  const silent = (command: string): Connection => ({ ...local, exec: async () => openLocal(command) })
  const step: Step = { summary: 'act', script: () => 'true', effects: [] }
  const outcome = async (connection: Connection) => {
    const { ends } = (await Conversation.open(connection)).apply([{ step, timeout: undefined }], [])
    return ends[0]!.then(
      (end) => end.outcome,
      (e) => e.constructor.name,
    )
  }
  assert.is(await outcome(silent('kill -KILL $$')), 'lost')
  assert.is(await outcome(silent('exit 1')), 'ConnectError')
})

/** Applies steps one after the other, each made from the model, and compares every prediction with the host. */
async function predictions(reads: readonly Read[], make: ((at: (path: string) => Entry) => Step)[]): Promise<void> {
  const talk = await Conversation.open(local)
  const model = new Model()
  const all = withEntries(reads)
  model.learn(all, await talk.ask(all))
  const at = (path: string) => {
    const known = model.get(entry(path))
    if (!known || known instanceof Unknown) throw new Error(`${path} is not known`)
    return known
  }
  const steps = make.map((m) => {
    const step = m(at)
    model.add(step.effects)
    return step
  })
  const { ends, answers } = talk.apply(
    steps.map((step) => ({ step, timeout: undefined })),
    all,
  )
  for (const [i, end] of (await Promise.all(ends)).entries())
    assert.is(end.outcome, 'done', `${steps[i]!.summary}: ${end.stderr.toString()}`)
  const now = await answers
  for (const read of all) {
    const predicted = model.get(read)
    if (predicted instanceof Unknown) continue
    assert.is(read.kind.difference(predicted, now.get(read.key)), undefined, read.key)
  }
  assert.is(talk.trips, 1)
  await talk.close()
}

const p = (name: string) => join(scratch, name)
/** Only root may give files away. */
const own = { owner: String(process.getuid?.()), group: String(process.getgid?.()) }

test('what steps do to files is what was predicted', async () => {
  writeFileSync(p('old'), 'old')
  symlinkSync('old', p('link'))
  const paths = ['dir', 'dir/deep', 'dir/deep/file', 'old', 'link', 'new link', 'gone/x'].map(p)
  await predictions(
    [...paths.map(entry), ...paths.map(content), tree(scratch), sum(p('dir/deep/file'), 3), sum(p('link'), 9)],
    [
      (at) => makeDirectory(at(p('dir')), { mode: 0o755 }),
      (at) => makeDirectory(at(p('dir/deep')), { mode: 0o2750 }),
      (at) => writeFile(at(p('dir/deep/file')), Buffer.from('new'), { mode: 0o640, ...own }),
      (at) => writeFile(at(p('old')), Buffer.from([0, 255, 10]), { mode: 0o600 }),
      (at) => setAttributes(at(p('dir/deep')), { mode: 0o700 }),
      (at) => makeLink(at(p('new link')), 'dir/deep'),
    ],
  )
  assert.equal([...readFileSync(p('link'))], [0, 255, 10])
  assert.is(statSync(p('dir/deep/file')).mode & 0o7777, 0o640)
})

test('a link is replaced, not followed; a directory goes with all below it', async () => {
  writeFileSync(p('target'), 'stays')
  symlinkSync('target', p('way'))
  await predictions(
    [entry(p('way')), entry(p('target')), content(p('target')), entry(p('dir/deep/file')), tree(p('dir'))],
    [
      (at) => writeFile(at(p('way')), Buffer.from('own'), { mode: 0o644 }),
      (at) => remove({ ...at(p('dir/deep/file')), path: p('dir'), real: p('dir') }),
    ],
  )
  assert.is(readFileSync(p('target'), 'utf8'), 'stays')
  assert.is(readFileSync(p('way'), 'utf8'), 'own')
  assert.is(existsSync(p('dir')), false)
  assert.equal(
    readdirSync(scratch).filter((n) => n.startsWith('.runbook')),
    [],
  )
})

test('a step that fails stops those behind it, not those of the next round, also where nothing was asked between', async () => {
  const talk = await Conversation.open(local)
  const order = (script: string) => ({
    step: { summary: script, script: () => script, effects: [] },
    timeout: undefined,
  })
  const outcomes = async (...scripts: string[]) =>
    (await Promise.all(talk.apply(scripts.map(order), []).ends)).map((end) => end.outcome)
  assert.equal(await outcomes('exit 3', 'true'), ['failed', 'not-started'])
  assert.equal(await outcomes('true', 'exit 4', 'true'), ['done', 'failed', 'not-started'])
  assert.equal(await outcomes('true'), ['done'])
  await talk.close()
})

test('a step that fails says why, and leaves nothing beside the target', async () => {
  const talk = await Conversation.open(local)
  const all = [entry(p('no/where')), entry(p('later'))]
  const model = new Model()
  model.learn(all, await talk.ask(all))
  const at = (path: string) => model.get(entry(path)) as Entry
  const { ends, answers } = talk.apply(
    [
      { step: writeFile(at(p('no/where')), Buffer.from('x'), { mode: 0o600 }), timeout: undefined },
      { step: makeEmptyFile(at(p('later')), { mode: 0o600 }), timeout: undefined },
    ],
    all,
  )
  const [failed, later] = await Promise.all(ends)
  assert.is(failed!.outcome, 'failed')
  assert.match(failed!.stderr.toString(), /no/)
  assert.is(later!.outcome, 'not-started')
  assert.is(((await answers).get(all[1]!.key) as Entry).stat, undefined)
  await talk.close()
})

/** What is on this machine, but for one program. */
function without(program: string): Connection {
  const bin = p(`without ${program}`)
  mkdirSync(bin)
  for (const dir of ['/usr/bin', '/bin'])
    for (const name of readdirSync(dir))
      if (name !== program && !existsSync(join(bin, name))) symlinkSync(join(dir, name), join(bin, name))
  return { ...local, exec: async (command) => openLocal(`PATH='${bin}'; export PATH; ${command}`) }
}

for (const [where, connection] of [
  ['', () => local],
  [', also without tar', () => without('tar')],
] as const)
  test(`files in a row come to their places together; where one can not, each says what is wrong${where}`, async () => {
    rmSync(p('row'), { recursive: true, force: true })
    mkdirSync(p('row'))
    symlinkSync('nowhere', p('row/link'))
    const talk = await Conversation.open(connection())
    const names = [
      'row/a',
      'a',
      "row/it's *",
      'b',
      'row/link',
      'row/big',
      `row/-${'ü'.repeat(110)}`,
      'row/new\nline',
      'row/none',
    ]
    const all = [...names, 'absent/c', 'd'].map((n) => entry(p(n)))
    const model = new Model()
    model.learn(all, await talk.ask(all))
    const bytes = Buffer.from('the same bytes')
    const order = (name: string, content = bytes) => ({
      step: writeFile(model.get(entry(p(name))) as Entry, content, { mode: 0o604, ...own }),
      timeout: undefined,
    })
    const outcomes = async (...orders: ReturnType<typeof order>[]) =>
      (await Promise.all(talk.apply(orders, all).ends)).map((e) => `${e.outcome} ${e.stderr}`.trim())
    const contents = names.map((n) =>
      n === 'row/big' ? randomBytes(400_000) : n === 'row/none' ? Buffer.alloc(0) : bytes,
    )
    assert.equal(await outcomes(...names.map((n, i) => order(n, contents[i]))), Array(names.length).fill('done'))
    for (const [i, name] of names.entries()) {
      assert.ok(readFileSync(p(name)).equals(contents[i]!), name)
      assert.is(lstatSync(p(name)).mode, 0o100604, name)
    }
    const next = Buffer.from('other bytes')
    const [done, failed, behind] = await outcomes(order('row/a', next), order('absent/c', next), order('d', next))
    assert.equal([done, behind], ['done', 'not-started'])
    assert.match(failed!, /^failed .*absent/)
    assert.is(readFileSync(p('row/a'), 'utf8'), 'other bytes')
    // twice the same path, and a directory that came in the way
    rmSync(p('b'))
    mkdirSync(p('b'))
    const [first, second, third, fourth] = await outcomes(order('row/a'), order('row/a', next), order('b'), order('d'))
    assert.equal([first, second, fourth], ['done', 'done', 'not-started'])
    assert.match(third!, /^failed .*directory/)
    rmSync(p('b'), { recursive: true })
    await talk.close()
    const left = readdirSync(scratch, { recursive: true }).filter((n) => String(n).includes('.runbook'))
    assert.equal(left, [])
  })

test.run()
