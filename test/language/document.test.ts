import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stringify } from 'yaml'
import { position } from '../../src/language/diagnostic.ts'
import { loadDocument } from '../../src/language/document.ts'
import { entryOf, itemAt, toData } from '../../src/language/item.ts'

const load = (text: string) => loadDocument({ path: 'x.yml', text })
const codes = (text: string) =>
  load(text).diagnostics.map((d) => `${d.code}@${position(d.span!.source, d.span!.start).line}`)

test('values keep their places', () => {
  const text = 'name: web\nhosts: [a, b]\n'
  const { root, diagnostics } = load(text)
  assert.equal(diagnostics, [])
  assert.equal(toData(root!), { name: 'web', hosts: ['a', 'b'] })
  const b = itemAt(root!, ['hosts', '1'])
  assert.is(text.slice(b.span.start, b.span.end), 'b')
  assert.is(text.slice(entryOf(root!, 'hosts')!.keySpan.start).startsWith('hosts'), true)
})

test('YAML 1.2: yes is text, an octal mode is a number that shows itself unquoted', () => {
  assert.equal(toData(load('a: yes\nb: on\nc: true\nd: "0640"\n').root!), { a: 'yes', b: 'on', c: true, d: '0640' })
  const c = itemAt(load('m: 0640').root!, ['m'])
  assert.is(c.kind === 'scalar' && typeof c.value === 'number' && !c.quoted, true)
})

test('what YAML would lose in silence is an error', () => {
  assert.equal(codes('when: !x && y\n'), ['yaml-tag@1'])
  assert.equal(codes("when: 'a' in b\n"), ['yaml@1'])
  assert.equal(codes('a: 1\nb: 2\na: 3\n'), ['yaml-duplicate-key@3'])
  assert.equal(codes('a: 1\n---\nb: 2\n'), ['yaml-documents@2'])
  assert.equal(codes('? [a, b]\n: 1\n'), ['yaml-key@1'])
})

test('merge keys and aliases work, and what stands in the mapping wins', () => {
  const { root, diagnostics } = load('base: &b { x: 1, y: 2 }\nt:\n  <<: *b\n  y: 3\nu: *b\n')
  assert.equal(diagnostics, [])
  assert.equal(toData(root!), { base: { x: 1, y: 2 }, t: { y: 3, x: 1 }, u: { x: 1, y: 2 } })
})

test('aliases that unfold without end are refused in bounded time', () => {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`)
  const { diagnostics } = load(`l0: &l0 x\n${levels.join('\n')}\n`)
  assert.equal([...new Set(diagnostics.map((d) => d.code))], ['yaml-alias'])
})

test('a prototype cannot be set by a key', () => {
  const data = toData(load('__proto__: { polluted: 1 }\n').root!) as object
  assert.ok(Object.hasOwn(data, '__proto__'))
  assert.is(({} as { polluted?: number }).polluted, undefined)
})

test('any JSON value comes back as it was written', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue()), (value) => {
      // the printer writes this key without quotes, which is a merge
      fc.pre(!JSON.stringify(value).includes('"<<":'))
      const { root, diagnostics } = load(stringify(value, { aliasDuplicateObjects: false }))
      assert.equal(diagnostics, [])
      // uvu's equality trips over a key named `constructor`
      assert.is(JSON.stringify(toData(root!)), JSON.stringify(value))
    }),
    { numRuns: 200 },
  )
})

test.run()
