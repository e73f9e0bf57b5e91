import { parse } from '@cdktf/hcl2json'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type HclValue, printHcl } from '../../src/formats/hcl.ts'
import { mappingsAt, readHcl, type Setting, textAt } from '../../src/formats/hcl-read.ts'

const plain = (value: Setting): unknown =>
  value instanceof Map
    ? Object.fromEntries([...value].map(([name, values]) => [name, values.map(plain)]))
    : Array.isArray(value)
      ? value.map(plain)
      : value

/** What was printed, as it is read: each name with a list of its values, scalars as text. */
const asRead = (value: HclValue): unknown =>
  Array.isArray(value)
    ? value.map(asRead)
    : typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([name, v]) => [name, [asRead(v as HclValue)]]))
      : String(value)

const config = `# storage "file" { path = "/no" }
ui = true // api_addr = "http://no"
api_addr = "http://a:8200/"
/* seal "pkcs11" { lib = "/no" } */
storage "raft" {
  path = "/var/lib/vault"
  retry_join { leader_api_addr = "http://b:8200" }
  retry_join {
    leader_api_addr = "http://c:8200" # the last
    leader_ca_cert = <<-EOT
      one { two
      EOT
  }
}
listener "tcp" {
  address = "127.0.0.1:8200"
  tls_disable = "true"
}
listener "unix" { address = "/run/s" }
seal "pkcs11" {
  slot = 0
  lib = "/l\\u0024{x}.so"
}
`

test('blocks, comments, text of several lines', async () => {
  const all = readHcl(config)
  assert.is(textAt(all, 'api_addr'), 'http://a:8200/')
  const joins = mappingsAt(all, 'storage', 'raft', 'retry_join')
  assert.equal(
    joins.map((j) => textAt(j, 'leader_api_addr')),
    ['http://b:8200', 'http://c:8200'],
  )
  assert.equal(
    mappingsAt(all, 'listener', 'tcp').map((l) => textAt(l, 'tls_disable')),
    ['true'],
  )
  const seals = mappingsAt(all, 'seal', 'pkcs11')
  assert.equal(seals.map(plain), [{ slot: ['0'], lib: ['/l$' + '{x}.so'] }])
  assert.equal(mappingsAt(all, 'storage', 'file'), [])
  // HashiCorp's own parser of HCL 2 has the same blocks
  const theirs = await parse('it.hcl', config)
  assert.equal(Object.keys(theirs).sort(), [...all.keys()].sort())
})

test('what only HCL 1 takes', () => {
  const [seal] = mappingsAt(readHcl('seal "pkcs11" { slot = 0, lib = "/l" } "ui" = true'), 'seal', 'pkcs11')
  assert.equal(plain(seal!), { slot: ['0'], lib: ['/l'] })
  assert.is(textAt(readHcl('seal = { a = 1 }\n"ui" = true'), 'ui'), 'true')
})

test('JSON holds the same', () => {
  const all = readHcl('{"storage":{"raft":{"path":"/x","retry_join":[{"leader_api_addr":"http://c:1"}]}},"ui":true}')
  assert.is(textAt(mappingsAt(all, 'storage', 'raft')[0]!, 'path'), '/x')
  assert.is(textAt(mappingsAt(all, 'storage', 'raft', 'retry_join')[0]!, 'leader_api_addr'), 'http://c:1')
  const lists = readHcl('{"seal":[{"pkcs11":[{"lib":"/l"}]},{"pkcs11":{"lib":"/m"}}]}')
  assert.equal(
    mappingsAt(lists, 'seal', 'pkcs11').map((s) => textAt(s, 'lib')),
    ['/l', '/m'],
  )
})

const text = fc.string({ unit: 'grapheme' }).filter((t) => !/\p{Surrogate}/u.test(t))

test('what is printed is read back', () => {
  const value = fc.letrec<{ value: HclValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.integer(),
      fc.boolean(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).value
  fc.assert(
    fc.property(value, text, value, (attribute, label, inner) => {
      const body = { attributes: { inner }, blocks: [] }
      const printed = printHcl({ attributes: { attribute }, blocks: [{ type: 'block', labels: [label], body }] })
      const block = [{ [label]: [{ inner: [asRead(inner)] }] }]
      assert.equal(plain(readHcl(printed)), { attribute: [asRead(attribute)], block })
    }),
  )
})

test('whatever a file holds, reading it ends', () => {
  const piece = fc.constantFrom('{', '}', '[', ']', '=', '"', 'a', ',', '\n', '<<E\n', '/*', '#', '\\', ' ', 'E')
  fc.assert(fc.property(fc.array(piece), fc.string(), (pieces, rest) => readHcl(pieces.join('') + rest) instanceof Map))
  assert.ok(readHcl('a {'.repeat(100_000)) instanceof Map)
  assert.ok(readHcl('a = ['.repeat(100_000)) instanceof Map)
  assert.ok(readHcl('a '.repeat(100_000)) instanceof Map)
})

test.run()
