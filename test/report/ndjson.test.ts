import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Event } from '../../src/report/events.ts'
import { ndjsonReporter } from '../../src/report/ndjson.ts'
import { quietOutput } from '../../src/report/output.ts'
import { run } from '../engine/scratch.ts'
import { applied, checked, converged, Recorder } from './recorded.ts'

const valid = new Ajv2020({ strict: false, allErrors: true }).compile(
  JSON.parse(readFileSync('schemas/events.schema.json', 'utf8')),
)

async function written(events: readonly Event[], verbose = 0): Promise<readonly Record<string, unknown>[]> {
  const stream = new Recorder()
  const reporter = ndjsonReporter(quietOutput(stream), { verbose })
  for (const event of events) reporter.report(event)
  await reporter.end()
  assert.ok(stream.text.endsWith('\n'))
  return stream.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function assertValid(events: readonly unknown[]): void {
  for (const event of events) assert.ok(valid(event), `${JSON.stringify(event)}\n${JSON.stringify(valid.errors)}`)
}

test('one event a line, as the schema says; what is for live display only is left out', async () => {
  for (const events of [applied, checked, converged('apply')]) {
    const lines = await written(events, 1)
    assertValid(lines)
    assert.equal(
      lines.map((e) => e.event),
      events.map((e) => e.event).filter((e) => e !== 'progress' && e !== 'turn'),
    )
  }
})

test('what commands said is there with -v only', async () => {
  assert.not.ok((await written(applied)).some((e) => 'said' in e))
  assert.is((await written(applied, 1)).filter((e) => 'said' in e).length, 1)
})

test('a real run: a task event for every task, host and loop item, the recap last', async () => {
  const { events } = await run(
    'apply',
    `- name: two hosts
  hosts: all
  tasks:
    - name: listen
      shell: "echo <%= item %>"
      loop: [a, b]
    - name: look
      stat: { path: / }
    - name: pass
      shell: exit 4
      ignore_errors: true
    - name: never
      shell: exit 5
      when: false
    - name: fall
      fail: { msg: on purpose }
      when: inventory_hostname == 'h2'
`,
    { hosts: ['h1', 'h2'] },
  )
  const lines = await written(events)
  assertValid(lines)
  const tasks = lines.filter((e) => e.event === 'task')
  assert.is(tasks.length, 12)
  const [first] = tasks.filter((e) => e.host === 'h1')
  assert.equal(
    { ...first, ms: 0, at: '' },
    {
      event: 'task',
      host: 'h1',
      play: 'two hosts',
      task: 'listen',
      module: 'shell',
      status: 'changed',
      changes: ['run echo a'],
      ms: 0,
      item: 'a',
      at: '',
    },
  )
  const { hosts, duration_ms, ...rest } = lines.at(-1)!
  assert.equal(rest, { event: 'recap' })
  assert.type(duration_ms, 'number')
  const [h1, h2] = [(hosts as Record<string, object>).h1!, (hosts as Record<string, object>).h2!]
  assert.equal({ ...h1, trips: 0 }, { ok: 2, changed: 2, skipped: 2, failed: 0, unreachable: 0, unknown: 0, trips: 0 })
  assert.equal({ ...h2, trips: 0 }, { ok: 2, changed: 2, skipped: 1, failed: 1, unreachable: 0, unknown: 0, trips: 0 })
})

test.run()
