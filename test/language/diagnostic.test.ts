import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { didYouMean, formatDiagnostic, position, printable } from '../../src/language/diagnostic.ts'

const source = { path: 'site.yml', text: 'a: 1\nadress: x\nb: 2\n' }

test('a diagnostic shows where, what and the likely fix', () => {
  const text = formatDiagnostic({
    code: 'unknown-parameter',
    severity: 'error',
    message: 'unknown parameter `adress`',
    span: { source, start: 5, end: 11 },
    hint: 'did you mean `address`?',
  })
  assert.is(
    text,
    [
      'site.yml:2:1: error[unknown-parameter]: unknown parameter `adress`',
      '  1 | a: 1',
      '> 2 | adress: x',
      '    | ^^^^^^',
      '  3 | b: 2',
      '  fix: did you mean `address`?',
    ].join('\n'),
  )
})

test('positions count from one and stay inside the file', () => {
  assert.equal(position(source, 0), { line: 1, column: 1 })
  assert.equal(position(source, 7), { line: 2, column: 3 })
  assert.equal(position(source, 9999).line, 4)
})

test('what is near is offered, what is far is not', () => {
  assert.is(didYouMean('adress', ['mode', 'address']), 'address')
  assert.is(didYouMean('stat', ['state', 'owner']), 'state')
  assert.is(didYouMean('on', ['owner', 'no']), 'no')
  assert.is(didYouMean('zzzzzz', ['owner', 'group']), undefined)
  assert.is(didYouMean('b', ['x', 'y']), undefined)
  assert.is(didYouMean('@f', ['h1']), undefined)
})

test('nothing reaches the terminal as an escape', () => {
  assert.is(printable('a\u001b[31mred\u202e\tb'), 'a·[31mred· b')
})

test('a frame shows no secret that stands beside the fault', () => {
  const text = ['user: x', 'ansible_password: CANARY-1', 'prot: {', '  db: { pin: "CANARY-2", port: 1 }'].join('\n')
  const framed = formatDiagnostic({
    code: 'x',
    severity: 'error',
    message: 'm',
    span: { source: { path: 'f', text }, start: 35, end: 39 },
  })
  assert.match(framed, '> 3 | prot: {')
  assert.match(framed, 'ansible_password: ********')
  assert.match(framed, 'port: 1')
  assert.not.match(framed, 'CANARY')
  assert.match(
    formatDiagnostic({
      code: 'x',
      severity: 'error',
      message: 'm',
      span: { source: { path: 'f', text: 'pin: "<%= x %>"' }, start: 0, end: 3 },
    }),
    'pin: "<%= x %>"',
  )
})

test('of what stands under the name of a secret nothing is shown, however it is written', () => {
  const shown = (text: string, line = 1) =>
    formatDiagnostic(
      { code: 'x', severity: 'error', message: 'm', span: { source: { path: 'f', text }, start: 0, end: 1 } },
      9,
    )
      .split('\n')
      .filter((l) => /^[> ] +\d+ \|/.test(l))
      [line - 1]!.replace(/^[> ] +\d+ \| ?/, '')
  assert.is(shown('password: ab,cd "ef'), 'password: ***** "**')
  assert.is(shown('pin: "ab\'cd"'), 'pin: "**\'**"')
  assert.is(shown('{ pin: ab, port: 1 }'), '{ pin: **, port: 1 }')
  assert.is(shown('- hsm_probe: pin=12 slot=0'), '- hsm_probe: pin=** slot=0')
  assert.is(shown('hsm_pin: |\n  12: 34', 2), '  *** **')
  assert.is(shown('pins:\n  - 12', 2), '  * **')
  assert.is(shown('pin:\n  type: string', 2), '  type: string')
  assert.is(shown('pin: <%= x %>ab'), 'pin: <%= x %>**')
  assert.is(shown("when: pin === '12' && x"), "when: pin === '12' && x")
  assert.is(shown('secret: true'), 'secret: true')
})

test('of a line that no screen holds, only what is around the place is shown', () => {
  const text = `${'a'.repeat(100_000)}HERE${'b'.repeat(100_000)}`
  const framed = formatDiagnostic({
    code: 'x',
    severity: 'error',
    message: 'm',
    span: { source: { path: 'f', text }, start: 100_000, end: 100_004 },
  })
  assert.ok(framed.length < 600)
  const [line, carets] = framed.split('\n').slice(1) as [string, string]
  assert.is(line.slice(carets.indexOf('^'), carets.lastIndexOf('^') + 1), 'HERE')
})

test.run()
