import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { validatorFor } from '../../src/language/check-value.ts'
import { jsonSchema } from '../../src/language/json-schema.ts'
import type { ParamsSchema } from '../../src/language/schema.ts'

// The validator of task files' parameters says of any value what ajv says.

const type = fc.constantFrom('string', 'integer', 'number', 'boolean', 'array', 'object', 'null')
const name = fc.constantFrom('a', 'b', 'a/b', '~')
const scalar = fc.oneof(fc.constantFrom('', 'a', 'ab', '😀', '1'), fc.constantFrom(0, 1, 1.5, -2), fc.boolean())
const small = fc.integer({ min: 0, max: 2 })

const words = {
  type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })),
  enum: fc.array(scalar, { minLength: 1, maxLength: 3 }),
  pattern: fc.constantFrom('^a', '.', '^.$'),
  minLength: small,
  minimum: small,
  maximum: small,
  minItems: small,
}
/** A few of the words: with many, no value would fit. */
const few = (all: Record<string, fc.Arbitrary<unknown>>) =>
  fc
    .subarray(Object.keys(all), { maxLength: 2 })
    .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, all[key]!]))))
const flat = few(words)
const deeper = (inner: fc.Arbitrary<object>) =>
  few({
    ...words,
    items: inner,
    properties: fc.dictionary(name, inner, { maxKeys: 2 }),
    required: fc.uniqueArray(name, { maxLength: 2 }),
    additionalProperties: fc.oneof(fc.boolean(), inner),
    anyOf: fc.array(inner, { minLength: 1, maxLength: 2 }),
  })
const schema = fc.oneof(flat, deeper(flat), deeper(deeper(flat)))
const plain = fc.oneof(scalar, fc.constant(null))
const holding = (inner: fc.Arbitrary<unknown>) =>
  fc.oneof(inner, fc.array(inner, { maxLength: 2 }), fc.dictionary(name, inner, { maxKeys: 2 }))
const data = holding(holding(plain))

test('as ajv', () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const seen = { right: 0, wrong: 0 }
  const params = schema.map((of) => ({ type: 'object', properties: { x: of } }) as ParamsSchema)
  fc.assert(
    fc.property(params, data, (declared, x) => {
      const expected = ajv.compile(jsonSchema(declared))
      const validate = validatorFor(declared)
      const value = JSON.parse(JSON.stringify({ x }))
      const right = expected(value)
      seen[right ? 'right' : 'wrong']++
      assert.is(
        validate(value),
        right,
        JSON.stringify({ declared, value, ajv: expected.errors, ours: validate.errors }),
      )
      const places = new Set(expected.errors?.map((e) => e.instancePath))
      for (const { instancePath } of validate.errors ?? []) assert.ok(places.has(instancePath), instancePath)
    }),
    { numRuns: 1000 },
  )
  assert.ok(seen.right > 100 && seen.wrong > 100, JSON.stringify(seen))
})

test('what is wrong is told with its place', () => {
  const told = (properties: ParamsSchema['properties'], value: object) => {
    const validate = validatorFor({ type: 'object', properties })
    validate(value)
    return validate.errors!.map((e) => `${e.instancePath} ${e.keyword} ${e.message}`)
  }
  assert.equal(told({ a: { anyOf: [{ type: 'integer' }, { type: 'string', minLength: 2 }] } }, { a: 'x' }), [
    '/a text has to have at least 2 characters',
  ])
  assert.equal(told({ a: { anyOf: [{ type: 'integer' }, { type: 'string' }] } }, { a: [] }), [
    '/a anyOf fits none of what it may be',
  ])
  assert.equal(told({ a: { items: { minimum: 2 } } }, { a: [3, 1], b: 1 }), [
    '/a/1 minimum has to be at least 2',
    ' additionalProperties ',
  ])
})

test.run()
