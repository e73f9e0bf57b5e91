import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Event } from '../../src/report/events.ts'
import { quietOutput } from '../../src/report/output.ts'
import { plainReporter } from '../../src/report/plain.ts'
import { prettyReporter } from '../../src/report/pretty.ts'
import { until } from '../until.ts'
import { shown } from './emulator.ts'
import { applied, play, Recorder, taskEvent } from './recorded.ts'

const options = { color: false, verbose: 0, check: false }
const pause = (ms: number) => new Promise((r) => setTimeout(r, ms))

async function pretty(stream: Recorder) {
  return prettyReporter(quietOutput(stream), [stream], options)
}

/** As a terminal's line discipline does. */
const screenOf = (stream: Recorder) => shown(stream.text.replaceAll('\n', '\r\n'), stream.columns)

test('while a play runs, what is told stands above the rows; in the end it is what the plain reporter tells', async () => {
  const stream = new Recorder()
  const reporter = await pretty(stream)
  const half = applied.findIndex((e) => e.event === 'host')
  for (const event of applied.slice(0, half)) reporter.report(event)
  await until(() => /failed: start: run start[\s\S]*connects/.test(stream.text))
  const { lines, cursorHidden } = screenOf(stream)
  assert.ok(cursorHidden)
  assert.is(lines.filter((l) => l === 'failed web-2: start').length, 1)
  assert.match(lines.at(-4)!, /^\S h1 {5}2\/5 {2}say$|^\S h1/)
  assert.match(lines.at(-3)!, /web-2 {2}failed: start: run start/)
  assert.match(lines.at(-2)!, /h3 {5}0\/5 {2}connects/)
  for (const event of applied.slice(half)) reporter.report(event)
  await reporter.end()
  const plain = new Recorder()
  const plainly = plainReporter(quietOutput(plain), options)
  for (const event of applied) plainly.report(event)
  await plainly.end()
  const end = screenOf(stream)
  assert.equal(end.lines.join('\n').trimEnd(), plain.text.replace(/ +$/gm, '').trimEnd())
  assert.not.ok(end.cursorHidden)
})

test('4,000 events of 200 hosts: drawn by the clock, not by the events', async () => {
  const stream = new Recorder()
  stream.rows = 50
  const reporter = await pretty(stream)
  const hosts = Array.from({ length: 200 }, (_, i) => `host-${i}`)
  const before = process.cpuUsage()
  const began = performance.now()
  reporter.report({ event: 'play', play, hosts, tasks: ['a', 'b', 'c'] })
  await pause(20)
  const many: Event[] = hosts.flatMap((host): Event[] => [
    { event: 'turn', host, play, over: false },
    ...Array.from({ length: 18 }, (_, i) => taskEvent(host, `task ${i} with a name that takes its room`)),
    { event: 'turn', host, play, over: true },
  ])
  assert.is(many.length, 4000)
  for (let i = 0; i < many.length; i += 100) {
    for (const event of many.slice(i, i + 100)) reporter.report(event)
    await pause(10)
  }
  await reporter.end()
  const { user, system } = process.cpuUsage(before)
  const drawings = Math.ceil((performance.now() - began) / 100) + 5
  assert.ok(stream.writes.length <= drawings + 5, `${stream.writes.length} writes in the time of ${drawings} drawings`)
  assert.ok(stream.text.length <= drawings * 21 * (80 + 20), `${stream.text.length} bytes`)
  assert.ok(user + system < 2_000_000, `${(user + system) / 1000} ms of CPU`)
})

test('rows never take more lines than the terminal has, nor more columns', async () => {
  const stream = new Recorder()
  stream.rows = 8
  const reporter = await pretty(stream)
  const hosts = Array.from({ length: 30 }, (_, i) => `a-host-with-a-rather-long-name-${i}`)
  reporter.report({ event: 'play', play, hosts, tasks: ['a'] })
  for (const host of hosts) reporter.report({ event: 'turn', host, play, over: false })
  reporter.report({ event: 'progress', host: hosts[1]!, play, task: '漢字'.repeat(100), step: 'x'.repeat(300) })
  const drawn = () => stream.writes.filter((w) => w.includes('hosts done'))
  await until(() => drawn().length > 2)
  for (const text of drawn()) assert.ok(text.split('\n').length <= 6)
  await reporter.end()
})

test('plays follow each other, and one without hosts has no rows', async () => {
  const stream = new Recorder()
  const reporter = await pretty(stream)
  for (const hosts of [['h1'], [], ['h1', 'h2']]) {
    reporter.report({ event: 'play', play: `on ${hosts.length}`, hosts, tasks: ['a'] })
    for (const host of hosts) reporter.report(taskEvent(host, 'a', { status: 'changed', changes: ['do a'] }))
  }
  await pause(150)
  await reporter.end()
  const { lines, cursorHidden } = screenOf(stream)
  assert.not.ok(cursorHidden)
  assert.equal(
    lines.filter((l) => l !== ''),
    [
      'PLAY on 1 (1 host)',
      'changed h1: a',
      '    do a',
      'PLAY on 0 (0 hosts)',
      'PLAY on 2 (2 hosts)',
      'changed h1: a',
      '    do a',
      'changed h2: a',
      '    do a',
    ],
  )
})

test.run()
