import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Turns } from '../../src/engine/turns.ts'
import { type Read, read, type ShellKind } from '../../src/host/read.ts'

interface Try {
  readonly pin: string
  readonly host: string
  /** What counts; the PIN itself without it. */
  readonly token?: string
  readonly free?: boolean
}

const kind: ShellKind<Try, string> = {
  name: 'try',
  key: ({ pin, host }) => `${pin} ${host}`,
  script: () => '',
  parse: () => [],
  sparing: {
    alike: ({ pin, token = pin, free }) => (free ? undefined : token),
    same: ({ pin }) => pin,
    outcome: (answer) => (answer === 'yes' ? 'granted' : answer === 'no' ? 'refused' : undefined),
    instead: (refused) => `not asked: ${refused}`,
  },
  difference: () => undefined,
}

/** An HSM that counts: what was tried, and how many at once. */
function hsm(right: string) {
  const tries: string[] = []
  let now = 0
  const most = { together: 0 }
  const ask = async (reads: readonly Read[]) => {
    now++
    most.together = Math.max(most.together, now)
    for (const r of reads) tries.push(r.key)
    await new Promise((resolve) => setTimeout(resolve, 5))
    now--
    return new Map(
      reads.map((r) => {
        const { pin } = r.question as Try
        return [r.key, pin === right ? 'yes' : pin === 'away' ? 'nobody' : 'no']
      }),
    )
  }
  return { ask, tries, most }
}

const trying = (pin: string, host: string, free = false) => read(kind, { pin, host, ...(free ? { free } : {}) })
const hosts = ['a', 'b', 'c', 'd']

test('what is refused once is asked once, of all hosts', async () => {
  const { ask, tries } = hsm('right')
  const turns = new Turns()
  const answers = await Promise.all(hosts.map((h) => turns.ask([trying('wrong', h)], ask)))
  assert.is(tries.length, 1)
  const all = answers.flatMap((m) => [...m.values()]).sort()
  assert.equal(all, ['no', 'not asked: no', 'not asked: no', 'not asked: no'])
  assert.equal([...(await turns.ask([trying('wrong', 'e', true)], ask)).values()], ['no'], 'unless told')
  assert.equal([...(await turns.ask([trying('right', 'e')], ask)).values()], ['yes'], 'another one is another one')
})

test('a token that refused one is tried with no other, but with the one that it granted', async () => {
  const { ask, tries } = hsm('right')
  const turns = new Turns()
  const at = (pin: string, host: string) => read(kind, { pin, host, token: 'hsm' })
  const said = async (pin: string, host: string) => [...(await turns.ask([at(pin, host)], ask)).values()][0]
  assert.is(await said('right', 'a'), 'yes')
  const others = await Promise.all(hosts.map((h) => said(`wrong for ${h}`, h)))
  assert.equal(others.sort(), ['no', 'not asked: no', 'not asked: no', 'not asked: no'])
  assert.is(await said('right', 'b'), 'yes')
  assert.is(tries.length, 3)
})

test('what is granted once is asked by all, together', async () => {
  const { ask, tries, most } = hsm('right')
  const turns = new Turns()
  await Promise.all(hosts.map((h) => turns.ask([trying('right', h)], ask)))
  assert.is(tries.length, 4)
  assert.is(most.together, 3)
})

test('what can be asked once is asked by one, and is the answer of all', async () => {
  const spent: ShellKind<Try, string> = {
    ...kind,
    name: 'spent',
    sparing: {
      alike: ({ pin }) => pin,
      same: ({ pin }) => pin,
      outcome: () => 'refused',
      instead: (first) => first,
      kept: { as: ({ pin }) => pin, holds: (answer) => answer !== 'nobody' },
    },
  }
  const { ask, tries } = hsm('right')
  const turns = new Turns()
  const of = async (pin: string, host: string) => [...(await turns.ask([read(spent, { pin, host })], ask)).values()]
  assert.equal((await Promise.all(hosts.map((h) => of('right', h)))).flat(), ['yes', 'yes', 'yes', 'yes'])
  assert.equal(await of('right', 'later'), ['yes'])
  assert.is(tries.length, 1)
  assert.equal(await of('away', 'a'), ['nobody'])
  assert.equal(await of('away', 'b'), ['nobody'])
  assert.is(tries.length, 2)
})

test('where nothing was said they take turns, and nobody waits for ever', async () => {
  const { ask, tries, most } = hsm('right')
  const turns = new Turns()
  await Promise.all(hosts.map((h) => turns.ask([trying('away', h)], ask)))
  assert.is(tries.length, 4)
  assert.is(most.together, 1)
  const broken = async () => {
    throw new Error('lost')
  }
  const lost = turns.ask([trying('away', 'a')], broken).catch((e: Error) => e.message)
  const next = turns.ask([trying('away', 'b')], ask)
  assert.is(await lost, 'lost')
  assert.is((await next).size, 1)
})

test('two in one request: the second waits for the first; others are asked as ever', async () => {
  const { ask, tries } = hsm('right')
  const turns = new Turns()
  const plain = read({ ...kind, name: 'plain', sparing: undefined as never }, { pin: 'wrong', host: 'a' })
  const answers = await turns.ask([trying('wrong', 'a'), trying('wrong', 'b'), plain], ask)
  assert.equal([...answers.values()].sort(), ['no', 'no', 'not asked: no'])
  assert.is(tries.length, 2)
  assert.is((await turns.ask([plain], ask)).size, 1)
})

test.run()
