import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Event } from '../../src/report/events.ts'
import { teller } from '../../src/report/lines.ts'
import { diffLine, duration, safeLine, safeLines, widthOf } from '../../src/report/screen-text.ts'
import { taskEvent } from './recorded.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach a terminal
const controls = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is meant
const colours = /\x1b\[\d+m/g

/** Text as a host may send it to do harm. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\x1b[2J',
        '\x1b]0;title\x07',
        '\x1b]8;;http://x\x1b\\',
        '\x9b31m',
        '\x90q\x9c',
        '\u202e',
        '\u2066',
        '\u200f',
        '\r',
        '\r\n',
        '\n',
        '\t',
        '\b\b',
        '\x7f',
        '\x00',
        '漢字',
        'e\u0301',
        '👩‍👩‍👧',
        '\udc80',
      ),
    ),
  )
  .map((parts) => parts.join(''))

test('no control character but newline ever reaches a terminal, wherever it comes from', () => {
  fc.assert(
    fc.property(
      hostile,
      fc.constantFrom('ok', 'changed', 'skipped', 'failed', 'unreachable', 'unknown'),
      (t, status) => {
        const counts = { ok: 1, changed: 1, skipped: 1, failed: 1, unreachable: 1, unknown: 1, trips: 1 }
        const texts = { message: t, hint: t, at: t, output: t, said: t, diff: `-${t}\n+${t}\n ${t}`, item: t }
        const events: Event[] = [
          { event: 'play', play: t, hosts: [t], tasks: [t] },
          { event: 'progress', host: t, play: t, task: t, step: t },
          { ...taskEvent(t, t, { changes: [t], ...texts }), status },
          { event: 'host', host: t, status: 'unreachable', message: t, hint: t },
          { event: 'warning', code: 'module', host: t, message: t, hint: t, at: t },
          { event: 'recap', hosts: { [t]: counts }, duration_ms: 1 },
        ]
        const tell = teller({ color: false, verbose: 2, check: false })
        for (const line of events.flatMap(tell)) assert.not.match(line, controls)
      },
    ),
  )
})

test('with colours, what is left without them is the same', () => {
  fc.assert(
    fc.property(hostile, (t) => {
      const event = taskEvent(t, t, { status: 'failed', message: t, diff: t })
      const [plain, painted] = [false, true].map((color) => teller({ color, verbose: 1, check: false })(event))
      const bare = painted!.map((l) => l.replace(colours, ''))
      assert.equal(bare, plain)
    }),
  )
})

test('columns of wide, combining and joined characters', () => {
  const known: readonly [string, number][] = [
    ['abc', 3],
    ['漢字', 4],
    ['한글', 4],
    ['ｆｕ', 4],
    ['〈\ufe10\u{1b001}\u{17000}', 8],
    ['e\u0301', 1],
    ['naïve', 5],
    ['😀', 2],
    ['→…·', 3],
    ['\ufe0f', 0],
  ]
  for (const [text, columns] of known) assert.is(widthOf(text), columns, text)
})

test('lines of a text: a final newline makes none, a carriage return at the end goes', () => {
  assert.equal(safeLines('a\r\nb\tc  \n\n'), ['a', 'b c'])
  assert.equal(safeLines('10%\r50%\r100%'), ['10%·50%·100%'])
  assert.equal(safeLines(''), [])
  assert.is(safeLine('  a \n  b\r\n'), 'a b')
})

test('in a diff, what is all that differs can be seen', () => {
  assert.not.equal(diffLine('-a b'), diffLine('+a\tb').replace('+', '-'))
  assert.is(diffLine('-a\r'), '-a␍')
  assert.is(diffLine('+a '), '+a ')
  assert.is(diffLine(' \ta\r'), '     a')
})

test('durations', () => {
  const known: readonly [number, string][] = [
    [0, '0 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [59_949, '59.9 s'],
    [59_951, '1 min 0 s'],
    [125_000, '2 min 5 s'],
  ]
  for (const [ms, text] of known) assert.is(duration(ms), text)
})

test.run()
