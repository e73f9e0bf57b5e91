import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plan } from './plan.ts'

test('answers pong, or what it is told, and says who it is there', async () => {
  const facts = { user: 'anna' }
  assert.equal((await plan('ping', null, { facts })).result, { ping: 'pong', user: 'anna' })
  assert.is((await plan('ping', { data: 'x' })).result.ping, 'x')
  assert.equal((await plan('ping', null)).steps, [])
})

test('an unknown parameter is named, with what may be meant', async () => {
  const { invalid, hint } = await plan('ping', { dat: 'x' })
  assert.equal(invalid, ['`ping` has no parameter `dat`'])
  assert.is(hint, 'did you mean `data`?')
})

test.run()
