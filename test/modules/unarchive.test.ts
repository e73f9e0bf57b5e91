import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { group } from '../../src/host/reads/account.ts'
import { type Archived, archive } from '../../src/host/reads/archive.ts'
import { account, hashOf } from '../../src/module.ts'
import { tarOf, zipOf } from '../formats/make-archive.ts'
import { type Given, plan } from './plan.ts'
import { directory, file, link } from './world.ts'

const pkg = tarOf([
  { name: 'pkg/', type: '5', mode: 0o755 },
  { name: 'pkg/run', mode: 0o755, body: 'run\n' },
  { name: 'pkg/doc/readme', body: 'read\n' },
  { name: 'pkg/link', type: '2', target: '/etc/passwd' },
])
const there = {
  '/d/pkg': directory(),
  '/d/pkg/run': file('run\n', { mode: 0o755 }),
  '/d/pkg/doc/readme': file('read\n'),
  '/d/pkg/link': link('/etc/passwd'),
}
const files = {
  'p.tar': pkg,
  'p.tgz': gzipSync(pkg),
  'p.zip': zipOf([{ name: 'z/a.txt', body: 'a' }, { name: 'z/b.md' }]),
}
const unpack = (params: object, given: Given = {}) =>
  plan('unarchive', { src: 'p.tar', dest: '/d', ...params }, { files, host: { '/d': directory() }, ...given })

test('members come to their places with their modes; what is there already stays', async () => {
  for (const src of ['p.tar', 'p.tgz']) {
    const all = await unpack({ src })
    assert.equal(all.steps, [
      'create directory /d/pkg',
      'create directory /d/pkg/doc',
      'create /d/pkg/doc/readme (5 bytes)',
      'link /d/pkg/link to /etc/passwd',
      'create /d/pkg/run (4 bytes)',
    ])
    assert.equal((await unpack({ src, exclude: ['link'] })).again, [])
    assert.equal((await unpack({ src }, { host: there })).steps, [])
  }
  const changed = {
    ...there,
    '/d/pkg/run': file('old\n', { mode: 0o755 }),
    '/d/pkg/doc/readme': file('read\n', { mode: 0o600 }),
  }
  assert.equal((await unpack({}, { host: changed })).steps, [
    'replace /d/pkg/run (4 bytes)',
    'set mode 0644 (was 0600) of /d/pkg/doc/readme',
  ])
})

test('owner, group and mode are of all members, also of those that are there', async () => {
  const one = {
    '/d/pkg': directory(),
    '/d/pkg/run': file('run\n', { mode: 0o755 }),
    '/d/pkg/doc/readme': file('read\n'),
  }
  const { steps, again } = await unpack(
    { owner: 'ann', mode: 'u=rwX,go=', include: ['pkg/run', 'pkg/doc'] },
    { host: one },
  )
  assert.equal(steps, [
    'set owner ann (was root) and mode 0700 (was 0755) of /d/pkg',
    'set owner ann (was root) and mode 0600 (was 0644) of /d/pkg/doc/readme',
    'set owner ann (was root) and mode 0700 (was 0755) of /d/pkg/run',
  ])
  assert.equal(again, [])
})

test('root keeps the owners of a tar archive by name, or by number where the host has no such name', async () => {
  const owned = { 'p.tar': tarOf([{ name: 'x', owner: ['ann', 7] }]) }
  const names = (known: boolean) => [
    [account('ann'), known ? { name: 'ann', uid: 1000, gid: 1000 } : undefined] as const,
    [group('ann'), known ? { name: 'ann', gid: 1000, members: [] } : undefined] as const,
  ]
  const of = async (known: boolean, uid: number) => {
    const host = { '/d/x': file('', { owner: 'bob', uid: 5, group: 'bob', gid: 5 }) }
    return (await unpack({}, { files: owned, host, answers: names(known), facts: { uid } })).steps
  }
  assert.equal(await of(true, 0), ['set owner ann:ann (was bob:bob) of /d/x'])
  assert.equal(await of(false, 0), ['set owner 7:7 (was bob:bob) of /d/x'])
  assert.equal(await of(true, 1000), [])
})

test('whoever is not root gets modes without what the umask takes', async () => {
  const wide = { 'p.tar': tarOf([{ name: 'x', mode: 0o777 }]) }
  const given = { files: wide, host: { '/d/x': file('', { mode: 0o755 }) }, facts: { uid: 1000 } }
  assert.equal((await unpack({}, given)).steps, [])
})

test('include and exclude choose as tar and unzip do', async () => {
  const names = async (params: object) => (await unpack({ list_files: true, ...params })).result.files
  assert.equal(await names({ include: ['pkg/doc'] }), ['pkg/doc/readme'])
  assert.equal(await names({ exclude: ['doc', 'l?nk'] }), ['pkg/', 'pkg/run'])
  assert.equal(await names({ exclude: ['pkg/r*'] }), ['pkg/', 'pkg/doc/readme', 'pkg/link'])
  assert.equal(await names({ src: 'p.zip', include: ['*.txt'] }), ['z/a.txt'])
  assert.equal(await names({ src: 'p.zip', exclude: ['z/[!a]*'] }), ['z/a.txt'])
  assert.is((await unpack({ include: ['pkg/none'] })).failed, 'the archive does not hold pkg/none')
  assert.match((await unpack({ include: ['a'], exclude: ['b'] })).invalid.join(), /exclude/)
})

test('leading parts of names are stripped; other options need the tar of the host', async () => {
  const { steps } = await unpack({ extra_opts: ['--strip-components=1'], exclude: ['doc', 'link'] })
  assert.equal(steps, ['create /d/run (4 bytes)'])
  assert.match((await unpack({ extra_opts: ['--transform=s/a/b/'] })).failed ?? '', /--strip-components/)
})

test('nothing is done where what it creates is there', async () => {
  const given = { host: { ...there, '/c': 'x' } }
  const { plan: skipped } = await unpack({ creates: '/c' }, given)
  assert.is(skipped?.skipped, '/c exists')
  assert.is((await unpack({ creates: '/none' })).steps.length, 5)
})

test('a wrong checksum, a missing destination and what is no archive are errors', async () => {
  assert.equal((await unpack({ checksum: `sha256:${hashOf(pkg).toUpperCase()}` })).failed, undefined)
  assert.match((await unpack({ checksum: 'abc' })).failed ?? '', /the checksum of p.tar is [0-9a-f]{64}, not abc/)
  assert.match((await unpack({ dest: '/none' })).hint ?? '', /state: directory/)
  assert.is((await unpack({ src: 'no' }, { files: {} })).failed, 'there is no no on the controller')
  const bz = await unpack({}, { files: { 'p.tar': Buffer.from('BZh91AY') } })
  const [zip, of] = [files['p.zip'], files['p.zip'].indexOf('z/a.txt') + 7]
  const torn = Buffer.concat([zip.subarray(0, of), Buffer.from('#'), zip.subarray(of + 1)])
  const damaged = await unpack({ src: 'torn.zip' }, { files: { 'torn.zip': torn } })
  assert.match(damaged.failed ?? '', /the archive is damaged: z\/a\.txt cannot be unpacked/)
  assert.equal([bz.failed?.includes('bzip2'), bz.hint?.includes('remote_src')], [true, true])
})

test('nothing is written through a link that is there already', async () => {
  for (const host of [
    { '/d/pkg': link('/etc'), '/etc': directory() },
    { '/d/pkg': directory(), '/d/pkg/doc': link('../../etc'), '/etc': directory() },
  ])
    assert.match((await unpack({}, { host })).failed ?? '', /is really \/etc.*outside its destination/)
  const inside = { '/d/pkg': link('real'), '/d/real': directory() }
  assert.is((await unpack({}, { host: inside })).failed, undefined)
})

test('a directory where a file is to be, and the other way round, is an error', async () => {
  assert.match((await unpack({}, { host: { '/d/pkg/run': directory() } })).failed ?? '', /is a directory/)
  assert.match((await unpack({}, { host: { '/d/pkg': file('x') } })).failed ?? '', /in the archive it is a directory/)
})

test('a directory that its owner may not write gets its mode last', async () => {
  const closed = { 'p.tar': tarOf([{ name: 'c/', type: '5', mode: 0o555 }, { name: 'c/f' }]) }
  const { steps, again } = await unpack({}, { files: closed })
  assert.equal(steps, ['create directory /d/c', 'create /d/c/f (0 bytes)', 'set mode 0555 of /d/c'])
  assert.equal(again, [])
})

test('an archive of the host is unpacked there as far as something differs', async () => {
  const member = {
    name: 'run',
    type: 'file',
    mode: 0o755,
    size: 4,
    sha256: hashOf(Buffer.from('run\n')),
    target: '',
  } as const
  const of = (archived: Partial<Archived>, host: Given['host'], params = {}) => {
    const answer = { problem: undefined, kind: 'tar', members: [member], ...archived }
    const given = { host: { '/a.tar': 'x', ...host }, answers: [[archive('/a.tar'), answer] as const] }
    return unpack({ src: '/a.tar', remote_src: true, ...params }, given)
  }
  const { steps } = await of({}, { '/d': directory() })
  assert.equal(steps, ['unpack /a.tar into /d (1 of its members)'])
  assert.equal((await of({}, { '/d/run': file('run\n', { mode: 0o755 }) })).steps, [])
  assert.equal((await of({}, { '/d/run': file('run\n', { mode: 0o755 }) }, { owner: 'ann' })).steps, [
    'set owner ann (was root) of /d/run',
  ])
  assert.match((await of({ problem: 'xz: not found' }, { '/d': directory() })).failed ?? '', /unpacked: xz: not found/)
  assert.match((await of({}, { '/d': directory() }, { extra_opts: ['-P'] })).failed ?? '', /outside/)
  assert.is((await unpack({ src: 'a.tar', remote_src: true })).failed, 'a.tar is no absolute path')
})

test.run()
