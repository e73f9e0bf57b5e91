import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Account, account, type Group, group } from '../../src/module.ts'
import { type Given, plan, scriptOf } from './plan.ts'
import { directory } from './world.ts'

const anna: Account = {
  name: 'anna',
  uid: 1000,
  gid: 1000,
  comment: 'Anna',
  home: '/home/anna',
  shell: '/bin/sh',
  groups: ['adm', 'crew'],
  group: 'anna',
  password: '$6$a$hash',
  expires: undefined,
}
const groups: Record<string, Group | undefined> = {
  anna: { name: 'anna', gid: 1000, members: [] },
  adm: { name: 'adm', gid: 4, members: ['anna'] },
  '4': { name: 'adm', gid: 4, members: ['anna'] },
  crew: { name: 'crew', gid: 5, members: ['anna'] },
  nobodys: undefined,
}

const of = (now: Account | undefined, params: object, given: Given = {}) =>
  plan(
    'user',
    { name: 'anna', ...params },
    {
      host: { '/home/anna': directory() },
      answers: [
        [account('anna'), now && { ...now, password: undefined, expires: undefined }],
        [account('anna', true), now],
        ...Object.entries(groups).map(([name, g]) => [group(name), now || name !== 'anna' ? g : undefined] as const),
      ],
      ...given,
    },
  )
const argv = async (...args: Parameters<typeof of>) =>
  (await of(...args)).plan?.steps
    .filter((s) => !s.harmless)
    .map((s) => scriptOf(s).split('\n').at(-1)?.split(' || ')[0])

test('a new user is made with all that is given, and the host says its numbers', async () => {
  const made = await of(undefined, {
    uid: 7,
    group: 'crew',
    groups: ['adm', '4'],
    shell: '/bin/false',
    system: true,
    comment: "A 'B'",
  })
  assert.equal(made.steps, ['add user anna (7)', 'look up anna'])
  assert.equal((await of(undefined, { uid: 7, create_home: false })).again, [])
  assert.equal(
    await argv(undefined, { uid: 7, group: 'crew', groups: ['adm', '4'], comment: "A 'B'", create_home: false }),
    [`'useradd' '-u' '7' '-g' 'crew' '-G' 'adm' '-c' 'A '\\''B'\\''' '-M' 'anna'`],
  )
  assert.equal(await argv(undefined, { skeleton: '/s', umask: '027', uid_min: 1, uid_max: 9, expires: 86_400 }), [
    "'useradd' '-e' '1970-01-02' '-m' '-k' '/s' '-K' 'UMASK=027' '-K' 'UID_MIN=1' '-K' 'UID_MAX=9' 'anna'",
  ])
  const settled = made.settle({}, { stdout: 'anna:x:7:5:A:/home/anna:/bin/false\n' })
  assert.equal(settled.result, { uid: 7, group: 5, comment: 'A', home: '/home/anna', shell: '/bin/false' })
  assert.match(made.settle({ status: 4, stderr: 'UID 7 is not unique' }, {}).failed ?? '', /add user anna.*not unique/)
})

test('what is as wanted stays; what is not is changed in one go', async () => {
  const same = {
    uid: 1000,
    group: 'anna',
    groups: ['crew', 'adm'],
    shell: '/bin/sh',
    home: '/home/anna',
    comment: 'Anna',
  }
  assert.equal((await of(anna, same)).steps, [])
  const changed = await of(anna, { ...same, uid: 1001, group: '4', shell: '/bin/bash', comment: 'B' })
  assert.equal(changed.steps, ['change user anna: number 1001; group adm; comment B; shell /bin/bash'])
  // its files get another owner with it
  assert.match(changed.again.join(), /known only after apply/)
  assert.equal(changed.result, {
    name: 'anna',
    state: 'present',
    uid: 1001,
    group: 4,
    comment: 'B',
    home: '/home/anna',
    shell: '/bin/bash',
  })
})

test('planned again when it is changed there is nothing to do', async () => {
  for (const params of [{ comment: 'B' }, { shell: '/x' }, { groups: [] }, { expires: 86_400 }])
    assert.equal((await of(anna, params)).again, [], JSON.stringify(params))
})

test('what a task did not ask of the shadow file stays as a later task finds it', async () => {
  const deep = account('anna', true)
  const after = async (params: object, now: Account) =>
    (await of(now, params))
      .plan!.steps.flatMap((s) => s.effects)
      .reduce<unknown>((answer, e) => e.change(deep, answer, () => undefined), now)
  const ends = { ...anna, expires: 5 }
  assert.equal(await after({ shell: '/x' }, ends), { ...ends, shell: '/x' })
  assert.equal(await after({ shell: '/x', expires: -1 }, ends), { ...ends, shell: '/x', expires: undefined })
  assert.is(await after({ state: 'absent' }, ends), undefined)
  const both = { shell: '/x', password: '$6$b$hash' }
  assert.equal(await after(both, ends), { ...ends, ...both })
  assert.equal((await of(anna, both)).again, [])
})

test('groups are exactly those, or those too', async () => {
  const said = async (params: object) => (await of(anna, params)).steps
  assert.equal(await said({ groups: ['adm'] }), ['change user anna: groups adm'])
  assert.equal(await said({ groups: ['4', 'adm', 'crew'] }), [])
  assert.equal(await said({ groups: [] }), ['change user anna: groups none'])
  assert.equal(await said({ groups: [], append: true }), [])
  assert.equal(await said({ groups: ['adm'], append: true }), [])
  assert.equal(await said({ groups: ['anna'], append: true }), ['change user anna: groups adm, anna, crew'])
  assert.is((await of(anna, { groups: ['nobodys'] })).failed, 'there is no group nobodys')
  assert.is((await of(anna, { group: 'nobodys' })).failed, 'there is no group nobodys')
  assert.equal((await of(anna, { append: true })).warnings, ['`append` does nothing without `groups`'])
})

test('a home that is missing is made; another one only with what is in it when it is to be moved', async () => {
  const given = { host: { '/home': directory() } }
  assert.equal((await of(anna, {}, given)).steps, ['create home directory /home/anna'])
  assert.equal((await of(anna, { create_home: false }, given)).steps, [])
  assert.equal((await of(anna, { home: '/srv/a' })).steps, [
    'change user anna: home /srv/a',
    'create home directory /srv/a',
  ])
  assert.equal(await argv(anna, { home: '/srv/a', move_home: true }), ["'usermod' '-d' '/srv/a' '-m' 'anna'"])
})

test('a password goes by standard input, is locked or not, and is kept when only creation sets it', async () => {
  const hash = '$6$b$CANARY'
  const set = await of(anna, { password: hash })
  assert.equal([set.steps, set.again], [['set the password of anna'], []])
  assert.not.match(JSON.stringify([set.steps, set.result, scriptOf(set.plan!.steps[0]!)]), /CANARY/)
  assert.equal((await of(anna, { password: '$6$a$hash' })).steps, [])
  assert.equal((await of(anna, { password: hash, update_password: 'on_create' })).steps, [])
  assert.equal((await of(undefined, { password: hash })).steps, [
    'add user anna',
    'set the password of anna',
    'look up anna',
  ])
  assert.equal((await of(anna, { password_lock: true })).steps, ['change user anna: password locked'])
  const locked = { ...anna, password: '!$6$a$hash' }
  assert.equal((await of(locked, { password_lock: true, password: '$6$a$hash' })).steps, [])
  assert.equal((await of(locked, { password_lock: false })).steps, ['change user anna: password unlocked'])
  assert.equal((await of(locked, { password_lock: false, password: hash })).steps, ['set the password of anna'])
  assert.equal((await of(anna, { password: hash })).warnings, [])
  assert.equal((await of(anna, { password: '!' })).warnings, [])
  assert.match((await of(anna, { password: 'plain' })).warnings.join(), /looks like no hash/)
  assert.match((await of(anna, { password: 'a:b' })).failed ?? '', /no colon/)
})

test('an end is a day, or none', async () => {
  const ends = { ...anna, expires: 1 }
  const said = async (now: Account, expires: number) => (await of(now, { expires })).steps
  assert.equal(await said(anna, 86_400), ['change user anna: end 1970-01-02'])
  assert.equal(await said(ends, 2 * 86_400 - 1), [])
  assert.equal(await said(ends, -1), ['change user anna: no end'])
  assert.equal(await said(anna, -1), [])
})

test('removed with its home, although it is logged in, or not at all', async () => {
  assert.equal(await argv(anna, { state: 'absent' }), ["'userdel' 'anna'"])
  assert.equal(await argv(anna, { state: 'absent', remove: true, force: true }), ["'userdel' '-f' '-r' 'anna'"])
  assert.equal((await of(undefined, { state: 'absent' })).steps, [])
})

test('what is not managed is an error before anything connects', async () => {
  for (const name of ['generate_ssh_key', 'local', 'seuser'])
    assert.match((await of(anna, { [name]: true })).invalid.join(), new RegExp(name))
})

test.run()
