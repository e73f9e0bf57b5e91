import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Event, PlayEvent } from '../../src/report/events.ts'
import { PlayRows } from '../../src/report/rows.ts'
import { applied, play, taskEvent } from './recorded.ts'

const of = (hosts: readonly string[]): PlayEvent => ({ event: 'play', play, hosts, tasks: ['one', 'two', 'three'] })
const turn = (host: string, over = false): Event => ({ event: 'turn', host, play, over })
const step = (host: string, task: string): Event => ({ event: 'progress', host, play, task, step: `run ${task}` })
const texts = (rows: PlayRows) => Array.from({ length: rows.count }, (_, i) => rows.row(i).text)
const states = (rows: PlayRows) => Array.from({ length: rows.count }, (_, i) => rows.row(i).state)

test('a row a host: what it waits for, what runs, what came of it', () => {
  const rows = new PlayRows(of(['h1', 'web-2']), 20)
  rows.note(turn('h1'))
  assert.equal(texts(rows), ['h1     0/3  connects', 'web-2  0/3  waiting'])
  rows.note(step('h1', 'one'))
  assert.is(rows.row(0).text, 'h1     0/3  one: run one')
  rows.note(turn('h1', true))
  rows.note(turn('web-2', true))
  assert.equal(texts(rows), ['h1     nothing to change', 'web-2  nothing to change'])
  assert.equal(states(rows), ['done', 'done'])
})

test('what runs is not hidden by the end of the task before it', () => {
  const rows = new PlayRows(of(['h1']), 20)
  rows.note(turn('h1'))
  rows.note(step('h1', 'two'))
  rows.note(taskEvent('h1', 'one'))
  assert.is(rows.row(0).text, 'h1  1/3  two: run two')
  rows.note(taskEvent('h1', 'two', { status: 'changed', item: 'a' }))
  rows.note(taskEvent('h1', 'two', { status: 'changed', item: 'b' }))
  assert.is(rows.row(0).text, 'h1  2/3  two')
  rows.note(turn('h1', true))
  assert.is(rows.row(0).text, 'h1  2 changes')
})

test('a failure stays in its row, the first one; an ignored one does not', () => {
  const rows = new PlayRows(of(['h1', 'web-2', 'h3']), 20)
  for (const event of applied) rows.note(event)
  assert.equal(texts(rows), [
    'h1     3 changes',
    'web-2  failed: start: run start: exit status 3: line one line two',
    'h3     unreachable: connection refused',
  ])
  assert.equal(states(rows), ['done', 'failed', 'failed'])
})

test('more hosts than rows: one row sums up, the others are for the hosts at work', () => {
  const hosts = Array.from({ length: 200 }, (_, i) => `h${i}`)
  const rows = new PlayRows(of(hosts), 4)
  assert.is(rows.count, 4)
  assert.equal(texts(rows), ['0/200 hosts done, 0 changes', '', '', ''])
  for (const host of ['h0', 'h1', 'h2']) rows.note(turn(host))
  rows.note(turn('h3'))
  rows.note(taskEvent('h1', 'one', { status: 'failed', message: 'no' }))
  rows.note(taskEvent('h0', 'one', { status: 'changed' }))
  rows.note(turn('h1', true))
  assert.equal(texts(rows), ['1/200 hosts done, 1 change, 1 failed', 'h0    1/3  one', '', 'h2    0/3  connects'])
  rows.note(turn('h4'))
  assert.is(rows.row(2).text, 'h4    0/3  connects')
  rows.end()
  assert.ok(states(rows).every((s) => s === 'done'))
})

test('what a host says cannot break a row', () => {
  const rows = new PlayRows(of(['h\x1b[2J']), 20)
  rows.note(taskEvent('h\x1b[2J', 'a\nb\x07', { status: 'failed', message: 'x\r\ny' }))
  assert.is(rows.row(0).text, 'h·[2J  failed: a b·: x y')
})

test.run()
