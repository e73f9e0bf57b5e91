import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from '../engine/scratch.ts'
import { type Given, plan } from './plan.ts'
import { directory, file, link } from './world.ts'

const outputs = () => ({ stdout: 'yyn' })
const stat = async (params: object, given: Given) =>
  (await plan('stat', params, { outputs, ...given })).result.stat as Record<string, unknown>

test('says what is there, of a link itself or of what it leads to', async () => {
  const host = { '/a/file': file('x', { mode: 0o4755 }), '/a/link': link('file'), '/a/none': link('nowhere') }
  assert.equal(await stat({ path: '/a/nothing' }, { host }), { exists: false })
  const there = await stat({ path: '/a/file' }, { host })
  assert.equal([there.mode, there.isuid, there.xoth, there.woth, there.size], ['4755', true, true, false, 1])
  const at = await stat({ dest: '/a/link' }, { host })
  assert.equal([at.islnk, at.lnk_target, at.lnk_source, at.checksum], [true, 'file', '/a/file', undefined])
  assert.is((await stat({ name: '/a/link', follow: true }, { host })).isreg, true)
  assert.equal(await stat({ path: '/a/none', follow: true }, { host }), { exists: false })
  assert.is((await stat({ path: '/a/none' }, { host })).lnk_source, '/a/nowhere')
})

test('whose it is, by name and number, and what the user of the task may do with it', async () => {
  const host = { '/d': directory({ mode: 0o1777, uid: 7, owner: 'anna', gid: 8, group: 'crew' }), '/f': file('') }
  const d = await stat({ path: '/d' }, { host })
  assert.equal([d.isdir, d.uid, d.pw_name, d.gid, d.gr_name], [true, 7, 'anna', 8, 'crew'])
  const can = (s: Record<string, unknown>) => [s.readable, s.writeable, s.executable]
  assert.equal(can(d), [true, true, true])
  assert.equal(can(await stat({ path: '/f' }, { host })), [true, true, false])
  const facts = { uid: 1000, user: 'anna' }
  assert.equal(can(await stat({ path: '/f' }, { host, facts, outputs: () => ({ stdout: 'ynn' }) })), [
    true,
    false,
    false,
  ])
  const hidden = await stat({ path: '/f' }, { host, facts, outputs: () => ({ stdout: 'nnn' }) })
  assert.is(hidden.checksum, undefined)
})

test('a hash by any of the algorithms, SHA-1 without a word, or none', async () => {
  const host = { '/f': 'hello\n' }
  for (const checksum_algorithm of ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'])
    assert.is(
      (await stat({ path: '/f', checksum_algorithm }, { host })).checksum,
      createHash(checksum_algorithm).update('hello\n').digest('hex'),
    )
  assert.is((await stat({ path: '/f' }, { host })).checksum, 'f572d396fae9206628714fb2ce00f72e94f2258f')
  assert.is((await stat({ path: '/f', get_checksum: false }, { host })).checksum, undefined)
  assert.equal((await plan('stat', { path: '/f', checksum: 'crc' })).invalid, [
    '`checksum_algorithm` is one of md5, sha1, sha224, sha256, sha384, sha512, not `crc`',
  ])
  assert.equal((await plan('stat', {})).invalid, ['`stat` needs the parameter `path`'])
})

test('on a real host; what a step before makes is seen, in check too', async () => {
  const path = `${scratchDir()}/it's "odd" $(id)\\n -x`
  const text = `
- hosts: all
  tasks:
    - copy: { dest: ${JSON.stringify(path)}, content: "hello\\n", mode: '0640' }
    - stat: { path: ${JSON.stringify(path)} }
      register: r
    - assert:
        that:
          - r.stat.exists && r.stat.isreg && !r.stat.isdir
          - r.stat.mode == '0640' && r.stat.size == 6
          - r.stat.checksum == 'f572d396fae9206628714fb2ce00f72e94f2258f'
          - r.changed == false
`
  // who is not root may be let in or not: of a new file only the host can say that
  const root = process.getuid!() === 0
  for (const [i, mode] of (['check', 'apply', 'check'] as const).entries()) {
    const ran = await run(mode, text)
    const status = i === 0 && !root ? 'unknown' : 'ok'
    assert.equal(
      ran.tasks.slice(1).map((t) => `${t.module} ${t.status}`),
      [`stat ${status}`, `assert ${status}`],
    )
    if (status === 'ok')
      assert.equal(
        ran.tasks.slice(1).map((t) => t.message),
        [undefined, undefined],
      )
    assert.ok(ran.recap.hosts.here!.trips <= (root ? 1 : 2), `${mode}: ${ran.recap.hosts.here!.trips} trips`)
  }
})

test.run()
