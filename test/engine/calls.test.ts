import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ApiAnswer, answerEffect, api, callsUnknown, defineModule, fail, type Step } from '../../src/module.ts'
import { json, startApi } from '../host/api-server.ts'
import { run } from './scratch.ts'

// A module whose host answers by calls: read, planned, applied and verified as any other.

const setting = defineModule({
  name: 'setting',
  summary: 'Sets a value at a server of a test.',
  params: {
    type: 'object',
    properties: { url: { type: 'string' }, value: { type: 'string' }, predict: { type: 'string' } },
    required: ['url', 'value'],
  },
})({
  reads: (p) => ({ now: api({ url: p.url, headers: { token: 'canary-token' } }) }),
  plan: (p, { now }) => {
    if ('unreachable' in now) return fail(now.unreachable, now.hint ? { hint: now.hint } : {})
    const before = (now.body as { value: string }).value
    if (before === p.value) return { steps: [] }
    const after: ApiAnswer = { status: 200, body: { value: p.predict ?? p.value }, headers: {} }
    const step: Step = {
      summary: `set it to ${p.value}`,
      effects: [
        callsUnknown(`set it to ${p.value}`),
        answerEffect(api({ url: p.url, headers: { token: 'canary-token' } }), after),
      ],
      call: async (way) => {
        const answer = await way.api({ method: 'PUT', url: p.url, body: { value: p.value } })
        if ('unreachable' in answer) return { ok: false, why: answer.unreachable }
        return answer.status === 204 ? { ok: true } : { ok: false, why: `it answered ${answer.status}` }
      },
    }
    return { steps: [step], result: { before } }
  },
})

async function server(refuse = false) {
  const values = new Map<string, string>()
  return startApi(({ method, url, data }, response) => {
    if (method === 'GET') return json(response, { value: values.get(url!) ?? 'none' })
    if (refuse) return json(response, { errors: ['no'] }, 403)
    values.set(url!, (JSON.parse(data) as { value: string }).value)
    response.writeHead(204).end()
  })
}

const play = (...tasks: object[]) => JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }])
const options = { modules: [setting] }

test('check tells what apply does, each task sees those before it, and twice is once', async () => {
  const at = await server()
  const tasks = play(
    { setting: { url: `${at.url}/a`, value: 'one' } },
    { command: 'true', affects: 'nothing' },
    { setting: { url: `${at.url}/a`, value: 'two' }, register: 'second' },
    { debug: { msg: '<%= second.before %>' } },
  )
  const changes = (ran: Awaited<ReturnType<typeof run>>) => ran.tasks.map((t) => `${t.status} ${t.changes.join()}`)
  const checked = await run('check', tasks, options)
  assert.not(at.asked.some((a) => a.startsWith('PUT')))
  const applied = await run('apply', tasks, options)
  assert.equal(changes(applied), changes(checked))
  assert.equal(at.asked.filter((a) => a.startsWith('PUT')).length, 2)
  assert.is(applied.tasks[3]!.output, 'one')
  // two tasks want different values of one thing
  assert.ok(applied.warnings.some((w) => w.startsWith('never-converges')))
  const one = play({ setting: { url: `${at.url}/b`, value: 'one' } })
  await run('apply', one, options)
  const again = await run('apply', one, options)
  assert.equal(changes(again), ['ok '])
  await at.close()
})

test('what is not as predicted is told without the token', async () => {
  const at = await server()
  const ran = await run('apply', play({ setting: { url: `${at.url}/a`, value: 'x', predict: 'y' } }), options)
  const wrong = ran.tasks.at(-1)!
  assert.is(wrong.status, 'failed')
  assert.match(wrong.message!, /not what was predicted .*: GET http:\/\/127\.0\.0\.1:\d+\/a: value is not what was/)
  assert.not.match(JSON.stringify(ran.events), /canary-token/)
  await at.close()
})

test('a server that refuses fails the task in its own words, and stops those behind it', async () => {
  const at = await server(true)
  const tasks = play({ setting: { url: `${at.url}/a`, value: 'x' } }, { command: 'true' })
  const ran = await run('apply', tasks, options)
  assert.equal(
    ran.tasks.map((t) => [t.status, t.message]),
    [['failed', 'set it to x: it answered 403']],
  )
  await at.close()
  const gone = await run('apply', tasks, options)
  assert.is(gone.tasks[0]!.status, 'failed')
  assert.match(gone.tasks[0]!.message!, /refused the connection/)
})

test('what a command may have done makes answers unknown: they are asked again behind it', async () => {
  const at = await server()
  const tasks = play({ command: 'true' }, { setting: { url: `${at.url}/a`, value: 'x' } })
  const checked = await run('check', tasks, options)
  assert.equal(
    checked.tasks.map((t) => t.status),
    ['changed', 'unknown'],
  )
  const applied = await run('apply', tasks, options)
  assert.equal(
    applied.tasks.map((t) => t.status),
    ['changed', 'changed'],
  )
  await at.close()
})

test.run()
