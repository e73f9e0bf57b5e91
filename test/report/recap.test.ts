import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Event } from '../../src/report/events.ts'
import { countEvents, exitCode } from '../../src/report/recap.ts'
import { applied, checked, converged, taskEvent } from './recorded.ts'

test('every task event is one; an ignored failure is ok; a host that dropped out has one of that', () => {
  const none = { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0, unknown: 0, trips: 0 }
  assert.equal(countEvents(applied, { h1: 2, 'web-2': 12 }), {
    hosts: {
      h1: { ...none, ok: 1, changed: 3, trips: 2 },
      'web-2': { ...none, ok: 1, skipped: 1, failed: 1, trips: 12 },
      h3: { ...none, unreachable: 1 },
    },
    harmless: 0,
  })
})

test('a host that a task already called unreachable is not counted again', () => {
  const { hosts } = countEvents([
    taskEvent('h1', 'a', { status: 'unreachable' }),
    { event: 'host', host: 'h1', status: 'unreachable', message: 'lost' },
  ])
  assert.is(hosts.h1!.unreachable, 1)
})

const failed = taskEvent('h1', 'a', { status: 'failed' })
const ignored = taskEvent('h1', 'a', { status: 'failed', ignored: true })
const changed = taskEvent('h1', 'a', { status: 'changed' })
const unknown = taskEvent('h1', 'a', { status: 'unknown' })
const idle = taskEvent('h1', 'a', { status: 'unknown', harmless: true })
const lost: Event = { event: 'host', host: 'h2', status: 'unreachable', message: 'no route' }

const table: readonly [what: string, events: readonly Event[], apply: number, check: number][] = [
  ['nothing', [], 0, 0],
  ['all well', converged('apply'), 0, 0],
  ['a change', [changed], 0, 2],
  ['only an apply can tell', [unknown], 0, 2],
  ['only an apply can tell, and it changes nothing', [idle], 0, 0],
  ['both of these', [idle, unknown], 0, 2],
  ['a failure', [failed], 1, 1],
  ['an ignored failure', [ignored], 0, 0],
  ['a failure and a change', [failed, changed], 1, 1],
  ['unreachable', [lost], 3, 3],
  ['unreachable and a change', [lost, changed], 3, 3],
  ['unreachable and a failure', [lost, failed], 1, 1],
  ['a check with changes', checked, 0, 2],
]

for (const [what, events, apply, check] of table)
  test(`exit code: ${what}`, () => {
    assert.is(exitCode(countEvents(events), 'apply'), apply)
    assert.is(exitCode(countEvents(events), 'check'), check)
    assert.is(exitCode(countEvents(events), 'apply', { interrupted: true }), 130)
  })

test.run()
