import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { plan } from './plan.ts'
import { file, link } from './world.ts'

const stat = async (params: object, host: Parameters<typeof plan>[2]) =>
  (await plan('stat', params, host)).result.stat as Record<string, unknown>

test('says what is there, of a link itself or of what it leads to', async () => {
  const host = { '/a/file': file('x', { mode: 0o4755 }), '/a/link': link('file'), '/a/none': link('nowhere') }
  assert.equal(await stat({ path: '/a/nothing' }, { host }), { exists: false })
  const there = await stat({ path: '/a/file' }, { host })
  assert.is(there.mode, '4755')
  assert.is(there.isuid, true)
  const at = await stat({ path: '/a/link' }, { host })
  assert.equal([at.islnk, at.lnk_target, at.lnk_source], [true, 'file', '/a/file'])
  assert.is((await stat({ path: '/a/link', follow: true }, { host })).isreg, true)
  assert.equal(await stat({ path: '/a/none', follow: true }, { host }), { exists: false })
})

test.run()
