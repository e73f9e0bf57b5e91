import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { plan } from './plan.ts'

const vars = { list: [1, 'a'], map: { a: { b: true } }, text: 'plain' }
const output = async (params: unknown) => (await plan('debug', params, { vars })).plan?.output

test('prints a text as it is, any other value as JSON', async () => {
  assert.is(await output({ msg: 'hello' }), 'hello')
  assert.is(await output('free form'), 'free form')
  assert.is(await output(null), 'Hello world!')
  assert.is(await output({ msg: '<%= list %>' }), '[\n  1,\n  "a"\n]')
  assert.is(await output({ msg: ['x', { y: 1 }] }), JSON.stringify(['x', { y: 1 }], null, 2))
  assert.is(await output({ msg: 0 }), '0')
  assert.is(await output({ msg: false }), 'false')
})

test('`var` is a bare expression, shown with its text', async () => {
  assert.is(await output({ var: 'text' }), 'text: plain')
  assert.is(await output({ var: 'map.a.b' }), 'map.a.b: true')
  assert.is(await output({ var: 'list[1]' }), 'list[1]: a')
  assert.is(await output({ var: 'map.z' }), 'map.z: undefined')
  assert.equal((await plan('debug', { var: 'map.a' }, { vars })).result, { 'map.a': { b: true } })
})

test('what is wrong with its parameters', async () => {
  assert.equal((await plan('debug', { var: 'text', msg: 'x' })).invalid, ['`var` and `msg` exclude each other'])
  const wrapped = await plan('debug', { var: '<%= text %>' })
  assert.equal(wrapped.invalid, ['`var` is a bare expression, without `<%= %>` or `{{ }}` around it'])
  assert.is(wrapped.hint, 'write `text`')
  assert.equal((await plan('debug', { var: 7 })).invalid, ['`var` is an expression'])
  const wrong = await run('check', '- hosts: all\n  tasks:\n    - debug: { var: typo }\n').then(() => '', String)
  assert.match(wrong, /the variable `typo` is not defined/)
})

test('nothing of a no_log task is printed', async () => {
  const { events } = await run(
    'apply',
    `- hosts: all\n  vars: { pin: canary-41 }\n  tasks:\n    - debug: { var: pin }\n      no_log: true\n`,
  )
  assert.not.match(JSON.stringify(events), /canary-41/)
})

test.run()
