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
  ['range(3)', [0, 1, 2]],
  ['unique([1, 2, 1])', [1, 2]],
  ['dict2items({ a: 1 })[0].key + entries({ b: 2 })[0][0]', 'ab'],
  ['keys', 5, { keys: 5 }],
  ['min(...values) + min(values)', 2, { values: [3, 1] }],
  ['[/a/g.test("ba"), /a/g.test("ba")]', [true, true]],
  ['"a-b".replace(/-/g, "+")', 'a+b'],
  ['2 ** 3 % 5', 3],
  ['typeof x', 'string', { x: '' }],
  ['{ "a b": 1, [k]: 2 }["a b"]', 1, { k: 'c' }],
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
  'a.constructor.constructor("return process")()',
  'a["__proto__"]["x"]',
  '"".at.call("x")',
  '[].map.apply([], [])',
  'Object.keys(a)',
  'Math.random()',
  'Date.now()',
  'require("fs")',
  'Function("return 1")()',
  'new Function("")',
  'async () => 1',
  'function* () {}',
  'a`x`',
  'class {}',
  'await a',
  'x => { y }',
  '({ get a() { return 1 } })',
  '({ a() {} })',
  '10n',
  'import.meta',
  'a ||= 1',
  '({ x } = a)',
  'void 0',
  '"x".padEnd(1e9)',
  'fromJSON("{")',
  'keys(5)',
  'unique("aa")',
  '/(/.test("")',
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

test('a parameter may have the name of a variable that is made on demand', () => {
  const scope = Object.defineProperty({}, 'x', { get: () => 'made', enumerable: true })
  assert.equal(run('[[1, 2].map(x => x * 2), x]', scope), [[2, 4], 'made'])
})

test('no key of data reaches a prototype', () => {
  const data = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}')
  assert.equal(Object.keys(run('{ ...d }', { d: data }) as object), ['__proto__', 'constructor'])
  assert.equal(Object.keys(run('fromEntries(entries(d))', { d: data }) as object), ['__proto__', 'constructor'])
  assert.is(run('[1].map(__proto__ => __proto__)[0]'), 1)
  assert.is(run('{ ...d }.polluted', { d: data }), undefined)
  assert.is(({} as { polluted?: number }).polluted, undefined)
  assert.is(Object.hasOwn({}, 'polluted'), false)
})

test('what grows without bounds is stopped', () => {
  for (const source of [
    'range(0, 1000000).map(a => range(0, 1000000).map(b => a + b))',
    'range(0, 60).reduce((a, _) => [...a, ...a], [1])',
    'range(0, 60).reduce((a, _) => a + a, "x")',
    `${'('.repeat(9000)}1${')'.repeat(9000)}`,
    `${'!'.repeat(15000)}true`,
    `'${'x'.repeat(30_000)}'`,
  ])
    assert.ok(error(source) instanceof ExpressionError, source.slice(0, 40))
})

test('what typeof asks for may be missing, and is noted so', () => {
  assert.is(run("typeof x === 'undefined' ? 1 : x"), 1)
  assert.is(run("typeof x === 'undefined' ? 1 : x", { x: 2 }), 2)
  assert.equal([...parseExpression("typeof x === 'undefined' ? 1 : x + y").names.keys()], ['typeof x', 'x', 'y'])
  assert.throws(
    () => run('typeof x', { x: new Unknown('later') }),
    (e: unknown) => e instanceof UnknownValue,
  )
})

test('a fact is a name of its own, with its place', () => {
  const { names } = parseExpression("facts.kernel + facts['home'] + facts[x] + y.facts.z + l.map(facts => facts.q)")
  assert.equal([...names.keys()], ['facts.kernel', 'facts', 'facts.home', 'x', 'y', 'l'])
  assert.equal(names.get('facts.kernel'), { start: 6, end: 12 })
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
