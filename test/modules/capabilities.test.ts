import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { capabilities } from '../../src/module.ts'
import { plan } from './plan.ts'
import { directory, link } from './world.ts'

const of = (now: string | undefined, capability: string, params: object = {}) =>
  plan(
    'capabilities',
    { path: '/bin/x', capability, ...params },
    {
      host: { '/bin/x': 'x', '/bin/dir': directory(), '/bin/link': link('x') },
      answers: ['/bin/x', '/bin/dir', '/bin/link', '/none'].map((path) => [capabilities(path), now] as const),
    },
  )
const result = async (...args: Parameters<typeof of>) => {
  const { steps, again, result: r } = await of(...args)
  assert.equal(again, [])
  return `${steps.length} ${r.capabilities}`
}

test('flags are added, set exactly and taken', async () => {
  assert.is(await result('', 'cap_ipc_lock=+ep'), '1 cap_ipc_lock=ep')
  assert.is(await result('', 'cap_net_raw+ep'), '1 cap_net_raw=ep')
  assert.is(await result('cap_net_raw=ep', 'cap_net_raw+ep'), '0 cap_net_raw=ep')
  assert.is(await result('cap_net_raw=ep', 'CAP_NET_RAW=pe'), '0 cap_net_raw=ep')
  assert.is(await result('cap_net_raw=p', 'cap_net_raw+e'), '1 cap_net_raw=ep')
  assert.is(await result('cap_net_raw=eip', 'cap_net_raw=p'), '1 cap_net_raw=p')
  assert.is(await result('cap_net_raw=eip', 'cap_net_raw-i'), '1 cap_net_raw=ep')
  assert.is(await result('cap_net_raw=ep', 'cap_net_raw=-'), '1 ')
  assert.is(await result('cap_kill=ep', 'cap_ipc_lock,cap_chown+ep'), '1 cap_chown,cap_ipc_lock,cap_kill=ep')
  assert.is(await result('cap_kill=ep', 'cap_chown+i'), '1 cap_chown=i cap_kill=ep')
})

test('absent takes all of one', async () => {
  assert.is(await result('cap_chown,cap_kill=ep', 'cap_kill', { state: 'absent' }), '1 cap_chown=ep')
  assert.is(await result('cap_kill=ep', 'cap_kill+ep', { state: 'absent' }), '1 ')
  assert.is(await result('cap_kill=ep', 'cap_chown', { state: 'absent' }), '0 cap_kill=ep')
})

test('a link leads to its file', async () => {
  const { steps } = await of('', 'cap_kill+ep', { path: '/bin/link' })
  assert.equal(steps, ['set capabilities cap_kill=ep (was none) of /bin/link'])
})

test('what is missing is said', async () => {
  assert.match((await of(undefined, 'cap_kill+ep')).hint ?? '', /libcap2-bin/)
  assert.is((await of('', 'cap_kill+ep', { path: '/none' })).failed, '/none does not exist')
  assert.match((await of('', 'cap_kill+ep', { path: '/bin/dir' })).failed ?? '', /only a file/)
  for (const text of ['cap_kill', 'cap_kill+x', 'cap kill=ep', '=ep'])
    assert.match((await of('', text)).failed ?? '', /is no capability with its flags/, text)
})

test.run()
