import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ExpressionError, type Scope } from '../../src/language/expression.ts'
import { parseInterpolation } from '../../src/language/interpolation.ts'

const run = (text: string, scope: Scope = {}) => parseInterpolation(text).evaluate(scope)

function error(text: string, scope: Scope = {}): ExpressionError {
  try {
    run(text, scope)
  } catch (e) {
    if (e instanceof ExpressionError) return e
    throw e
  }
  throw new Error(`no error from ${text}`)
}

test('a value that is exactly one expression keeps its type', () => {
  assert.equal(run('<%= ports %>', { ports: [1, 2] }), [1, 2])
  assert.is(run('<%=on%>', { on: false }), false)
  assert.is(run('<%= n %>', { n: 3 }), 3)
})

test('inside text it becomes text, unescaped', () => {
  assert.is(run('a <%= x %>-<%= n %>', { x: '<&"', n: 3 }), 'a <&"-3')
  assert.is(run('literal <%% %>'), 'literal <% %>')
  assert.is(run(''), '')
})

test('a value that came in is never a template itself', () => {
  assert.is(run('<%= x %>!', { x: '<%= secret %>' }), '<%= secret %>!')
})

test('what has no one text is refused with its place', () => {
  const e = error('x: <%= list %>', { list: [1] })
  assert.match(e.message, 'a list cannot stand inside text')
  assert.equal([e.start, e.end], [7, 11])
  assert.match(error('x: <%= m.none %>', { m: {} }).message, 'undefined')
})

test('errors have their place in the whole string', () => {
  assert.is(error('ab <%= missing %>').start, 7)
  assert.is(error('ab <%= 1 + %>').start >= 7, true)
  assert.is(error('ab <% if (x) { %>').start, 3)
  assert.is(error('ab <%= x').start, 3)
  assert.is(error('<%= %>').start, 0)
  assert.equal(
    [...parseInterpolation('<%= a %> <%= b.a + a %>').names],
    [
      ['a', { start: 4, end: 5 }],
      ['b', { start: 13, end: 14 }],
    ],
  )
})

test('text without `<%` is itself', () => {
  fc.assert(
    fc.property(fc.string(), (s) => {
      fc.pre(!s.includes('<%'))
      assert.is(run(s), s)
    }),
  )
})

test.run()
