import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Conversation, type Order } from '../../src/host/conversation.ts'
import { api } from '../../src/host/reads/api.ts'
import { entry } from '../../src/host/reads/entry.ts'
import type { CallStep, Step, StepEnd } from '../../src/host/step.ts'
import { localConnection } from '../../src/transport/local.ts'
import { ConnectError } from '../../src/transport/stream.ts'
import { until } from '../until.ts'
import { json, startApi } from './api-server.ts'

// Calls in a conversation: reads beside the shell's, steps in turn with the shell's.

const scratch = mkdtempSync(join(tmpdir(), 'calls-test-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

const call = (run: CallStep['call'], more: Partial<CallStep> = {}): Step => ({
  summary: 'call',
  effects: [],
  call: run,
  ...more,
})
const shell = (script: string): Step => ({ summary: script, effects: [], script: () => script })
const orders = (steps: readonly Step[]): Order[] => steps.map((step) => ({ step, timeout: undefined }))
const outcomes = async (ends: readonly Promise<StepEnd>[]) => (await Promise.all(ends)).map((e) => e.outcome)

test('calls are asked beside the shell, and are no trips', async () => {
  const server = await startApi((_, response) => json(response, { here: true }))
  const talk = await Conversation.open(localConnection)
  const [root, said] = [entry('/'), api({ url: server.url })]
  const answers = await talk.ask([root, said])
  assert.equal((answers.get(said.key) as { body: unknown }).body, { here: true })
  assert.ok(answers.has(root.key))
  assert.is(talk.trips, 0)
  await talk.ask([said])
  assert.is(talk.trips, 0)
  assert.equal(
    [...(await talk.ask([api({ url: 'http://127.0.0.1:9/' })])).values()].map((a) => Object.keys(a as object)),
    [['unreachable', 'hint', 'sent']],
  )
  await talk.close()
  await server.close()
})

test('a call starts when the steps before it are done, and those behind it wait for it; questions come last', async () => {
  const seen: string[] = []
  const server = await startApi(({ url, method }, response) => {
    seen.push(`${method} ${url} ${existsSync(join(scratch, 'a'))} ${existsSync(join(scratch, 'b'))}`)
    setTimeout(() => json(response, {}), 30)
  })
  const put = call(async (way) => {
    const answer = await way.api({ method: 'PUT', url: `${server.url}/x` })
    return { ok: 'status' in answer, output: Buffer.from('it said so') }
  })
  const talk = await Conversation.open(localConnection)
  const [file, said] = [entry(join(scratch, 'b')), api({ url: `${server.url}/after` })]
  const steps = [shell(`sleep 0.2; : >${scratch}/a`), put, put, shell(`: >${scratch}/b`)]
  const { ends, answers } = talk.apply(orders(steps), [file, said])
  assert.equal(await outcomes(ends), ['done', 'done', 'done', 'done'])
  assert.is((await ends[1])!.stdout.toString(), 'it said so')
  const known = await answers
  assert.is((known.get(file.key) as { stat?: { type: string } }).stat?.type, 'file')
  assert.ok(known.has(said.key))
  assert.equal(seen, ['PUT /x true false', 'PUT /x true false', 'GET /after true true'])
  await talk.close()
  await server.close()
})

test('what fails stops what is behind it, on both sides; the shell is asked all the same, calls are not made', async () => {
  const server = await startApi((_, response) => json(response, {}))
  const talk = await Conversation.open(localConnection)
  const said = api({ url: server.url })
  const fails = call(async () => ({ ok: false, why: 'no room' }))
  const never = call(async () => ({ ok: Boolean(assert.unreachable('it was started')) }))
  const touch = shell(`: >${scratch}/never`)
  const first = talk.apply(orders([shell('true'), fails, never, touch]), [entry('/'), said])
  assert.equal(await outcomes(first.ends), ['done', 'failed', 'not-started', 'not-started'])
  assert.is((await first.ends[1])!.stderr.toString(), 'no room')
  assert.is((await first.ends[1])!.status, undefined)
  assert.equal([...(await first.answers).keys()], [entry('/').key])
  const second = talk.apply(orders([shell('exit 3'), never, touch]), [said])
  assert.equal(await outcomes(second.ends), ['failed', 'not-started', 'not-started'])
  assert.is((await second.answers).size, 0)
  // the host takes steps again
  const third = talk.apply(orders([shell(`: >${scratch}/third`), call(async () => ({ ok: true }))]), [])
  assert.equal(await outcomes(third.ends), ['done', 'done'])
  assert.ok(existsSync(join(scratch, 'third')))
  assert.not(existsSync(join(scratch, 'never')))
  await talk.close()
  await server.close()
})

test('a time limit, a host that is lost and a fault of the module end a call; none of them is done', async () => {
  let aborted = 0
  const server = await startApi((request, response) => {
    response.on('close', () => aborted++)
    request.on('error', () => {})
  })
  const talk = await Conversation.open(localConnection)
  const waits: CallStep['call'] = async (way) => {
    await way.api({ url: server.url })
    return { ok: true }
  }
  const end = async (step: Step) => (await talk.apply(orders([step]), []).ends[0]!)!
  const late = await end(call(waits, { timeout: 1 }))
  assert.equal([late.outcome, late.limit], ['timed-out', 1])
  await until(() => aborted === 1)
  const lost = await end(call(() => Promise.reject(new ConnectError('lost', 'the connection was lost: gone'))))
  assert.equal([lost.outcome, lost.stderr.toString()], ['lost', 'gone'])
  const broken = await end(call(() => Promise.reject(new TypeError('x is not a function'))))
  assert.is(broken.outcome, 'failed')
  assert.match(broken.stderr.toString(), /fault of the module: TypeError: x is not/)
  await talk.close()
  await server.close()
})

test('told to stop, the running call ends and none starts; killed, it ends at once', async () => {
  const gate: { open?: () => void } = {}
  const server = await startApi((_, response) => {
    gate.open = () => json(response, {})
  })
  const asks = call(async (way) => ({ ok: 'status' in (await way.api({ method: 'PUT', url: server.url })) }))
  const begun = async () => {
    await until(() => gate.open !== undefined)
    return gate.open!
  }
  const talk = await Conversation.open(localConnection)
  const { ends } = talk.apply(orders([asks, asks, shell('true')]), [])
  const open = await begun()
  talk.stop()
  open()
  assert.equal(await outcomes(ends), ['done', 'not-started', 'not-started'])
  await talk.close()

  delete gate.open
  const other = await Conversation.open(localConnection)
  const sent = other.apply(orders([asks, asks]), [])
  await begun()
  await other.kill()
  assert.equal(await outcomes(sent.ends), ['lost', 'not-started'])
  await server.close()
})

test.run()
