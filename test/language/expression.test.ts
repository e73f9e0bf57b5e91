import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ExpressionError, parseExpression, type Scope } from '../../src/language/expression.ts'
import { Unknown, UnknownValue } from '../../src/unknown.ts'

const run = (source: string, scope: Scope = {}) => parseExpression(source).evaluate(scope)

function error(source: string, scope: Scope = {}): ExpressionError {
  try {
    run(source, scope)
  } catch (e) {
    if (e instanceof ExpressionError) return e
    throw e
  }
  throw new Error(`no error from ${source}`)
}

const cases: [string, unknown, Scope?][] = [
  ['1 + 2 * 3', 7],
  ["facts.os_family === 'Debian' && !skip", true, { facts: { os_family: 'Debian' }, skip: false }],
  ["'web' in groups", true, { groups: ['web'] }],
  ["'key' in vars", true, { vars: { key: 1 } }],
  ["'el' in 'hello'", true],
  ['a?.b?.c', undefined, { a: null }],
  ['a?.b.c.d', undefined, { a: undefined }],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the expression under test
  ['`${user}:${1 + 1}`', 'root:2', { user: 'root' }],
  ['[1, ...more, 4]', [1, 2, 3, 4], { more: [2, 3] }],
  ['{ a: 1, ...rest }', { a: 1, b: 2 }, { rest: { b: 2 } }],
  ['hosts.map(h => h.name).join(",")', 'x,y', { hosts: [{ name: 'x' }, { name: 'y' }] }],
  ['list.map(x => list.filter(y => y < x).length)', [0, 1], { list: [1, 2] }],
  ['n > 1 ? "many" : "one"', 'many', { n: 2 }],
  ['x ?? "none"', 'none', { x: null }],
  ['/^h[0-9]$/.test(name)', true, { name: 'h3' }],
  ['basename("/a/b/")', 'b'],
  ['dirname("/a")', '/'],
  ['range(1, 4)', [1, 2, 3]],
]
for (const [source, expected, scope] of cases)
  test(`value: ${source}`, () => assert.equal(run(source, scope), expected))

for (const source of [
  'constructor',
  '"".constructor("x")',
  '[].map.constructor("return process")()',
  'a.__proto__.polluted',
  'process.exit()',
  'globalThis',
  'this',
  'new Date()',
  'import("fs")',
  '(function(){})()',
  'a = 1',
  'a++',
  'delete a.b',
  '(() => { return 1 })()',
  '(async () => 1)()',
  'eval("1")',
  'toString()',
  'a, b',
  '"x".repeat(1e9)',
  'range(0, 1e12)',
]) {
  test(`refused: ${source}`, () => {
    assert.ok(error(source, { a: {}, b: 1 }) instanceof ExpressionError)
  })
}

test('a prototype is no data', () => {
  assert.is(run('a.constructor', { a: {} }), undefined)
  assert.is(run('a["__proto__"]', { a: {} }), undefined)
  assert.is(({} as { polluted?: number }).polluted, undefined)
  run('{ ["__proto__"]: { polluted: 1 } }')
  assert.is(({} as { polluted?: number }).polluted, undefined)
})

test('free names come with their places, bound names and globals do not', () => {
  const { names } = parseExpression('hosts.filter(h => h.up && limit in h).map(String => 1) && keys(x)')
  assert.equal([...names.keys()].sort(), ['hosts', 'limit', 'x'])
  assert.equal(names.get('limit'), { start: 26, end: 31 })
})

test('errors carry their place', () => {
  assert.is(error('a +').start, 3)
  const e = error('1 + missing')
  assert.is(e.message, '`missing` is not defined')
  assert.is(e.start, 4)
  assert.is(error('a.b.c', { a: {} }).message, '`c` is asked of an undefined value')
  assert.match(error('a == 1 b', { a: 1 }).message, 'after the expression')
})

test('what an apply has yet to bring is unknown, and only where it is needed', () => {
  const scope = { result: new Unknown('task `make`'), ok: true, deep: { stat: new Unknown('x') } }
  assert.is(run('ok || result.changed', scope), true)
  assert.throws(
    () => run('result.changed', scope),
    (e: unknown) => e instanceof UnknownValue && e.because === 'task `make`',
  )
  assert.throws(
    () => run('deep.stat.size', scope),
    (e: unknown) => e instanceof UnknownValue,
  )
  assert.throws(
    () => run('deep.stat === 1', scope),
    (e: unknown) => e instanceof UnknownValue,
  )
})

test('any text either parses or is an ExpressionError inside it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(fc.constantFrom(...'ab.([{}])?:,=>"\'`+-!1 '.split('')), { maxLength: 20 }).map((a) => a.join('')),
      ),
      (s) => {
        try {
          parseExpression(s)
        } catch (e) {
          assert.ok(e instanceof ExpressionError, String(e))
          assert.ok(e.start <= s.length)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test.run()
