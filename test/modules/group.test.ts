import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Group, group } from '../../src/module.ts'
import { plan, scriptOf } from './plan.ts'

const crew: Group = { name: 'crew', gid: 5, members: [] }
const of = (now: Group | undefined, params: object) =>
  plan('group', { name: 'crew', ...params }, { answers: [[group('crew'), now]] })
const argv = async (now: Group | undefined, params: object) =>
  (await of(now, params)).plan?.steps.map((s) => scriptOf(s).split('\n').at(-1)?.split(' || ')[0])

test('made, with a number or one for systems', async () => {
  assert.equal(await argv(undefined, {}), ["'groupadd' 'crew'"])
  assert.equal(await argv(undefined, { gid: 7, system: true }), ["'groupadd' '-g' '7' '-r' 'crew'"])
  assert.equal(await argv(undefined, { gid: 7, non_unique: true }), ["'groupadd' '-g' '7' '-o' 'crew'"])
  assert.equal(await argv(undefined, { gid_min: 1, gid_max: 9 }), [
    "'groupadd' '-K' 'GID_MIN=1' '-K' 'GID_MAX=9' 'crew'",
  ])
  assert.equal((await of(undefined, { gid: 7 })).again, [])
})

test('another number is a change, nothing else is', async () => {
  assert.equal((await of(crew, { system: true })).steps, [])
  assert.equal((await of(crew, { gid: 5 })).steps, [])
  const moved = await of(crew, { gid: 6 })
  assert.equal([moved.steps, moved.again], [['change group crew: number 6 (was 5)'], []])
})

test('removed', async () => {
  assert.equal(await argv(crew, { state: 'absent' }), ["'groupdel' 'crew'"])
  assert.equal(await argv(crew, { state: 'absent', force: true }), ["'groupdel' '-f' 'crew'"])
  assert.equal((await of(undefined, { state: 'absent' })).steps, [])
})

test('what makes no sense is an error', async () => {
  assert.is((await of(crew, { non_unique: true })).failed, '`non_unique` needs `gid`')
  assert.match((await of(crew, { local: true })).invalid.join(), /local/)
})

test.run()
