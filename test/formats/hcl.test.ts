import { parse } from '@cdktf/hcl2json'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type HclValue, printHcl } from '../../src/formats/hcl.ts'

// What is printed is read back by HashiCorp's own parser of HCL 2 (compiled to WebAssembly).

/** The parser writes a literal `${` as templates do, and takes text in its composed form, as HCL 2 says. */
const back = async (text: string) =>
  JSON.parse(JSON.stringify(await parse('it.hcl', text)), (_, v) =>
    typeof v === 'string' ? v.replace(/\$\$\{/g, '${').replace(/%%\{/g, '%{') : v,
  ) as Record<string, unknown>
const composed = (value: unknown) =>
  JSON.parse(JSON.stringify(value), (_, v) => (typeof v === 'string' ? v.normalize('NFC') : v))

const strings = [
  'plain',
  '',
  'with "quotes" and \\ and \\n',
  'line\nbreak\r\ttab',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is what is tested
  '${evil} $${x} %{if} %%{ $ % ${',
  'Grüße 世界 🦊 \u0007 \ufeff \ue123',
  'trailing \\',
  '# no // comment /* here */',
  '<<EOT',
]

test('strings come back as they were', async () => {
  const attributes = Object.fromEntries(strings.map((s, i) => [`s${i}`, s]))
  assert.equal(await back(printHcl({ attributes, blocks: [] })), attributes)
})

test('blocks, labels, lists and objects come back as they were', async () => {
  const text = printHcl({
    attributes: { ui: true, n: 1.5, list: ['a', 1, false], object: { 'odd key': 1, for: 'x', nested: { a: [] } } },
    blocks: [
      { type: 'listener', labels: ['tcp'], body: { attributes: { address: '127.0.0.1:8200' }, blocks: [] } },
      { type: 'listener', labels: ['unix'], body: { attributes: {}, blocks: [] } },
    ],
  })
  assert.equal(await back(text), {
    ui: true,
    n: 1.5,
    list: ['a', 1, false],
    object: { 'odd key': 1, for: 'x', nested: { a: [] } },
    listener: { tcp: [{ address: '127.0.0.1:8200' }], unix: [{}] },
  })
})

test('the text is canonical', () => {
  assert.is(
    printHcl({
      attributes: { ui: true, disable_mlock: true },
      blocks: [{ type: 'seal', labels: ['pkcs11'], body: { attributes: { lib: '/l.so', slot: '0' }, blocks: [] } }],
    }),
    'ui            = true\ndisable_mlock = true\n\nseal "pkcs11" {\n  lib  = "/l.so"\n  slot = "0"\n}\n',
  )
})

test('what HCL cannot say is refused', () => {
  const one = (value: unknown) => () => printHcl({ attributes: { a: value as HclValue }, blocks: [] })
  for (const value of [null, undefined, Number.NaN, 2 ** 60, '\ud800']) assert.throws(one(value), RangeError)
  assert.throws(() => printHcl({ attributes: { 'a b': 1 }, blocks: [] }), /cannot be a name/)
  const block = { type: 'a', labels: [], body: { attributes: {}, blocks: [] } }
  assert.throws(() => printHcl({ attributes: { a: 1 }, blocks: [block] }), /both a value and a block/)
})

test('any value that is printed is read back', async () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string(), fc.constantFrom(...strings))
  const value = fc.letrec<{ value: HclValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text.filter((t) => !/\p{Surrogate}/u.test(t)),
      fc.integer(),
      fc.boolean(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.stringMatching(/^[a-z_][a-z0-9_-]{0,8}$/), tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).value
  await fc.assert(
    fc.asyncProperty(value, async (v) => {
      assert.equal(await back(printHcl({ attributes: { it: v }, blocks: [] })), { it: composed(v) })
    }),
    { numRuns: 150 },
  )
})

test.run()
