import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Redactor } from '../../src/secrets/redactor.ts'

const redacting = (...secrets: string[]) => {
  const redactor = new Redactor()
  for (const secret of secrets) redactor.add(secret)
  return redactor
}

test('a secret of any length is hidden, in all its forms', () => {
  const secret = `CANARY'${'é$&x'.repeat(50_000)}`
  const shown = redacting('short-one', secret).text(
    ['short-one', secret, Buffer.from(secret).toString('hex'), encodeURIComponent(secret)].join(' and '),
  )
  assert.is(shown, '******** and ******** and ******** and ********')
})

test('of secrets that overlap the longer one is hidden whole', () => {
  assert.is(redacting('abcd', 'cd-the-longer').text('abcd-the-longer'), 'ab********')
})

test('half a character does not break it', () => {
  assert.is(redacting('half\ud800').text('half\ud800 half%EF%BF%BD'), '******** ********')
})

test.run()
