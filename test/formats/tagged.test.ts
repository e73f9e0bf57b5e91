import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTagged, printTagged, setTag, tagValues } from '../../src/formats/tagged.ts'

const sample = `# Futurex
<HSM>
    # the address
    <ADDRESS> 10.0.0.1 </ADDRESS>
    <PROD-TLS-CA> /a.pem </PROD-TLS-CA>
\t<PROD-TLS-CA>/b.pem</PROD-TLS-CA>
    <UNKNOWN>  x y  </UNKNOWN>
</HSM>
<CONFIG>
</CONFIG>
`
const set = (text: string, tag: string, values: string[], section = 'HSM') =>
  printTagged(setTag(parseTagged(text), section, tag, values))

test('values are read by section and tag, repeated ones in order', () => {
  const file = parseTagged(sample)
  assert.equal(tagValues(file, 'HSM', 'PROD-TLS-CA'), ['/a.pem', '/b.pem'])
  assert.equal(tagValues(file, 'HSM', 'UNKNOWN'), ['x y'])
  assert.equal(tagValues(file, 'CONFIG', 'ADDRESS'), [])
})

test('a changed value keeps its line, its spacing and everything around', () => {
  assert.is(set(sample, 'ADDRESS', ['hsm.example']), sample.replace('10.0.0.1', 'hsm.example'))
  assert.is(
    set(sample, 'PROD-TLS-CA', ['/a.pem', '/c.pem']),
    sample.replace('<PROD-TLS-CA>/b.pem</PROD-TLS-CA>', '<PROD-TLS-CA> /c.pem </PROD-TLS-CA>'),
  )
})

test('values are added behind their kind, into an empty section, into a missing one', () => {
  assert.match(
    set(sample, 'PROD-TLS-CA', ['/a.pem', '/b.pem', '/c.pem']),
    '/b.pem</PROD-TLS-CA>\n\t<PROD-TLS-CA> /c.pem </PROD-TLS-CA>\n    <UNKNOWN>',
  )
  assert.match(set(sample, 'X', ['1', '2'], 'CONFIG'), '<CONFIG>\n    <X> 1 </X>\n    <X> 2 </X>\n</CONFIG>\n')
  assert.is(set('', 'ADDRESS', ['h']), '<HSM>\n    <ADDRESS> h </ADDRESS>\n</HSM>\n')
  assert.is(set('# no newline', 'ADDRESS', ['h']), '# no newline\n<HSM>\n    <ADDRESS> h </ADDRESS>\n</HSM>\n')
})

test('no values remove the tag', () => {
  assert.is(set(sample, 'UNKNOWN', []), sample.replace('    <UNKNOWN>  x y  </UNKNOWN>\n', ''))
})

test('a file with an unclosed section is refused, not guessed at', () => {
  assert.throws(() => set('<CONFIG>\n', 'ADDRESS', ['h']), /<CONFIG> is never closed/)
})

test('a value cannot break out of its line', () => {
  assert.throws(() => set(sample, 'ADDRESS', ['a\nb']))
  assert.throws(() => set(sample, 'ADDRESS', ['a</ADDRESS>']))
})

const tag = fc.constantFrom('ADDRESS', 'PROD-TLS-CA', 'LOG-FILE')
const value = fc.string({ maxLength: 12 }).filter((v) => !/[\r\n\0]/.test(v) && !v.includes('</'))
const line = fc.oneof(
  fc
    .tuple(fc.constantFrom('', ' ', '\t'), tag, fc.constantFrom('', ' ', '  '), value)
    .map(([i, t, s, v]) => `${i}<${t}>${s}${v}${s}</${t}>`),
  fc.constantFrom('<HSM>', '</HSM>', '<CONFIG>', '</CONFIG>', '# comment', '', '<ADDRESS>', 'junk </ADDRESS>'),
  fc.string(),
)
const file = fc
  .tuple(fc.array(line), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([l, e, last]) => l.join(e) + (last ? e : ''))

test('parse, then print, is the identity on any text', () => {
  fc.assert(
    fc.property(fc.oneof(file, fc.string()), (text) => assert.is(printTagged(parseTagged(text)), text)),
    { numRuns: 2000 },
  )
})

test('any bytes come through as they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1')
      assert.ok(Buffer.from(printTagged(parseTagged(text)), 'latin1').equals(Buffer.from(bytes)))
    }),
    { numRuns: 500 },
  )
})

test('a comment behind a value or a section stays, a byte order mark and letters of UTF-8 too', () => {
  const text = '\xef\xbb\xbf<HSM> # the HSM\r\n  <ADDRESS> 10.0.0.1 </ADDRESS> # ours\r\n</HSM> # end\r\n'
  assert.is(set(text, 'ADDRESS', ['10.0.0.1']), text)
  assert.is(set(text, 'ADDRESS', ['h']), text.replace('10.0.0.1', 'h'))
  assert.is(set(text, 'LOG-FILE', ['/l']), text.replace('</HSM>', '  <LOG-FILE> /l </LOG-FILE>\r\n</HSM>'))
  // the last byte of this letter is a blank in other encodings
  const letter = Buffer.from('\u00e0').toString('latin1')
  assert.equal(tagValues(parseTagged(set(text, 'ADDRESS', [letter])), 'HSM', 'ADDRESS'), [letter])
})

test('what was set is read back, setting it again changes no byte, other tags stay', () => {
  fc.assert(
    fc.property(file, tag, fc.array(value, { maxLength: 3 }), (text, t, values) => {
      const before = parseTagged(text)
      fc.pre(before.unclosed === undefined)
      const once = printTagged(setTag(before, 'HSM', t, values))
      const again = parseTagged(once)
      assert.equal(
        tagValues(again, 'HSM', t),
        values.map((v) => v.replace(/^[ \t]+|[ \t]+$/g, '')),
      )
      assert.is(printTagged(setTag(again, 'HSM', t, values)), once)
      for (const other of ['ADDRESS', 'PROD-TLS-CA', 'LOG-FILE']) {
        if (other !== t) assert.equal(tagValues(again, 'HSM', other), tagValues(before, 'HSM', other))
        assert.equal(tagValues(again, 'CONFIG', other), tagValues(before, 'CONFIG', other))
      }
    }),
    { numRuns: 3000 },
  )
})

test.run()
