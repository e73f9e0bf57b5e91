import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stringify } from 'yaml'
import { run, scratchDir } from '../engine/scratch.ts'
import { plan } from './plan.ts'
import { directory, file, link, type Tree } from './world.ts'

const outputs = () => ({ stdout: '' })
const planned = (params: object, host: Tree = {}) => plan('file', params, { host, outputs })
const steps = async (params: object, host: Tree = {}) => {
  const { failed, steps, again } = await planned(params, host)
  if (failed === undefined) assert.equal(again, [], 'idempotent')
  return failed ?? steps
}

test('directories, with those above, all with the mode', async () => {
  assert.equal(await steps({ path: '/a/b', state: 'directory', mode: '0711' }), [
    'create directory /a',
    'create directory /a/b',
  ])
  const host = { '/a': directory({ mode: 0o750 }), '/f': 'x', '/l': link('/a'), '/d': link('/gone/x') }
  assert.equal(await steps({ path: '/a', state: 'directory' }, host), [])
  assert.equal(await steps({ path: '/a', mode: 'u=rwX,g=rX,o=rX' }, host), ['set mode 0755 (was 0750) of /a'])
  assert.is(await steps({ path: '/f', state: 'directory' }, host), '/f is there already as a file')
  assert.is(await steps({ path: '/f/x', state: 'directory' }, host), '/f is in the way of /f/x and is no directory')
  assert.equal(await steps({ path: '/l', state: 'directory', mode: '0700' }, host), ['set mode 0700 (was 0750) of /a'])
  assert.is(await steps({ path: '/l', state: 'directory', follow: false }, host), '/l is there already as a link')
  assert.equal(await steps({ path: '/d', state: 'directory' }, host), [
    'create directory /gone',
    'create directory /gone/x',
  ])
})

test('symbolic links', async () => {
  const host = { '/f': 'x', '/l': link('/f'), '/empty': directory(), '/full/x': 'x', '/gone': link('/nowhere') }
  assert.equal(await steps({ path: '/new', src: '/f', state: 'link' }, host), ['link /new to /f'])
  assert.equal(await steps({ dest: '/l', src: '/f', state: 'link' }, host), [])
  assert.equal(await steps({ path: '/l', src: 'f', state: 'link' }, host), ['link /l to f'])
  assert.is(await steps({ path: '/new', src: '/no', state: 'link' }, host), 'what the link points to is not there: /no')
  assert.equal(await steps({ path: '/new', src: '/no', state: 'link', force: true }, host), ['link /new to /no'])
  assert.is(await steps({ path: '/f', src: '/l', state: 'link' }, host), '/f is a file, not a link')
  assert.equal(await steps({ path: '/f', src: '/full/x', state: 'link', force: true }, host), ['link /f to /full/x'])
  assert.equal(await steps({ path: '/empty', src: '/f', state: 'link', force: true }, host), [
    'remove empty directory /empty',
    'link /empty to /f',
  ])
  const full = await plan(
    'file',
    { path: '/full', src: '/f', state: 'link', force: true },
    { host, outputs: () => ({ stdout: 'x\n' }) },
  )
  assert.is(full.failed, '/full is a directory that is not empty, and is not replaced by a link')
  assert.is(await steps({ path: '/no/l', src: '/f', state: 'link' }, host), 'the directory /no does not exist')
  assert.is(await steps({ path: '/new', state: 'link' }, host), '`state: link` needs `src`')
  assert.equal(await steps({ path: '/l', state: 'link' }, host), [])
  assert.equal(await steps({ path: '/gone' }, host), [])
  assert.equal(await steps({ path: '/l', mode: '0600' }, host), ['set mode 0600 (was 0644) of /f'])
  assert.equal(await steps({ path: '/l', owner: 'anna', follow: false }, host), ['set owner anna (was root) of /l'])
  assert.equal(await steps({ path: '/l', src: '/f', state: 'link', owner: 'anna' }, host), [
    'set owner anna (was root) of /f',
  ])
})

test('hard links', async () => {
  const host = {
    '/f': file('x', { id: '1:77' }),
    '/h': file('x', { id: '1:77' }),
    '/o': 'y',
    '/d/x': '',
    '/l': link('/f'),
  }
  assert.equal(await steps({ path: '/h', src: '/f', state: 'hard' }, host), [])
  assert.equal((await planned({ path: '/new', src: '/f', state: 'hard' }, host)).steps, ['hard-link /new to /f'])
  assert.is(await steps({ path: '/o', src: '/f', state: 'hard' }, host), '/o is another file already')
  assert.equal((await planned({ path: '/o', src: '/f', state: 'hard', force: true }, host)).steps, [
    'hard-link /o to /f',
  ])
  assert.equal((await planned({ path: '/d', src: '/f', state: 'hard' }, host)).steps, ['hard-link /d/f to /f'])
  assert.is(await steps({ path: '/new', src: '/no', state: 'hard' }, host), 'what is to be linked is not there: /no')
  assert.is(await steps({ path: '/new', src: '/d', state: 'hard' }, host), '/d is a directory, and has no hard links')
  assert.is(await steps({ path: '/new', state: 'hard' }, host), '`state: hard` needs `src`')
})

test('absent, file and touch', async () => {
  const host = { '/f': 'x', '/d/x': 'x', '/l': link('/d'), '/gone': link('/nowhere') }
  assert.equal(await steps({ path: '/f', state: 'absent' }, host), ['remove /f'])
  assert.equal(await steps({ path: '/d', state: 'absent' }, host), ['remove directory /d'])
  assert.equal(await steps({ path: '/l', state: 'absent' }, host), ['remove /l'])
  assert.equal(await steps({ path: '/no', state: 'absent' }, host), [])
  assert.is(await steps({ path: '/no', mode: '0600' }, host), '/no is absent')
  assert.is(await steps({ path: '/d', state: 'file' }, host), '/d is a directory, not a file')
  assert.equal((await planned({ path: '/new', state: 'touch', mode: '0600' }, host)).steps, ['create /new (empty)'])
  assert.is(await steps({ path: '/no/f', state: 'touch' }, host), 'the directory /no does not exist')
  assert.is(await steps({ path: '/gone', state: 'touch' }, host), '/gone is a link to /nowhere, which is not there')
  const kept = { access_time: 'preserve', modification_time: 'preserve' }
  assert.equal(await steps({ path: '/f', state: 'touch', ...kept }, host), [])
  assert.equal((await planned({ path: '/f', state: 'touch' }, host)).steps, ['touch /f'])
})

test('times are set once, in any format', async () => {
  const host = { '/f': file('x', { mtime: 1_000_000_000 }) }
  const at = (epoch: string, params: object) =>
    plan('file', { path: '/f', ...params }, { host, outputs: ([c]) => ({ stdout: c === 'date' ? epoch : '5' }) })
  assert.equal((await at('1000000000\n', { modification_time: '200109090146.40' })).steps, [])
  assert.equal((await at('1000000001\n', { modification_time: '200109090146.41' })).steps, ['touch /f'])
  assert.equal((await at('5\n', { access_time: '19700101000005', access_time_format: '%Y%m%d%H%M%S' })).steps, [])
  assert.match((await at('', { modification_time: '2001' })).failed ?? '', /does not fit the format `%Y%m%d%H%M.%S`/)
  assert.match((await at('', { modification_time: '200113010000.00' })).failed ?? '', /does not fit/)
})

test('what does not go together, and what is no mode', async () => {
  assert.is(await steps({ path: '/f', state: 'file', src: '/x' }), '`src` goes with `state: link` or `state: hard`')
  assert.is(await steps({ path: '/f', state: 'touch', recurse: true }), '`recurse` goes with `state: directory`')
  const invalid = async (params: object) => (await planned(params)).invalid
  assert.equal(await invalid({ path: '/f', mode: 'rw' }), [
    "`mode` is no mode: write '0644' or 'u=rw,g=r,o=', not 'rw'",
  ])
  assert.equal(await invalid({ path: '/f', mode: 644 }), ['`mode` is a text in quotes: YAML reads 644 as a number'])
  assert.equal(await invalid({ path: '/f', state: 'present' }), [
    '`state` is one of absent, directory, file, hard, link, touch, not `present`',
  ])
  assert.equal(await invalid({ path: '/f', name: '/f' }), ['`path` is given twice'])
  assert.equal(await invalid({ path: '/f', setype: 'x' }), ['`file` has no parameter `setype`'])
})

test('recurse follows no link out of the directory', async () => {
  const host = { '/d/a': file('x', { mode: 0o755 }), '/d/sub/b': 'x', '/d/l': link('/out'), '/out/c': 'x' }
  assert.equal(
    await steps({ path: '/d', state: 'directory', recurse: true, owner: 'anna', mode: 'u=rwX,g=,o=' }, host),
    [
      'set owner anna (was root) and mode 0700 (was 0755) of /d',
      'set owner anna (was root) and mode 0700 (was 0755) of /d/a',
      'set owner anna (was root) of /d/l',
      'set owner anna (was root) and mode 0700 (was 0755) of /d/sub',
      'set owner anna (was root) and mode 0600 (was 0644) of /d/sub/b',
    ],
  )
})

test('a symbolic mode without u, g, o or a leaves alone what the umask has', async () => {
  const host = { '/f': file('', { mode: 0o400 }) }
  assert.equal(await steps({ path: '/f', mode: '+w' }, host), ['set mode 0600 (was 0400) of /f'])
  assert.equal(await steps({ path: '/f', mode: '=rw' }, host), ['set mode 0644 (was 0400) of /f'])
  assert.equal(await steps({ path: '/f', mode: 'a+w' }, host), ['set mode 0622 (was 0400) of /f'])
})

test('on a real host, with odd names: check says what apply does, and twice is once', async () => {
  const dir = scratchDir()
  const odd = `${dir}/-x $(touch pwned) 'q' "d" \`id\` \n*?[a] \udcff`
  mkdirSync(`${dir}/real`)
  writeFileSync(`${dir}/real/file`, 'x')
  symlinkSync('real', `${dir}/way`)
  symlinkSync(`${dir}/nowhere`, `${dir}/dangling`)
  symlinkSync(`${dir}/loop`, `${dir}/loop`)
  const tasks = [
    { path: `${dir}/loop`, src: 'real', state: 'link', force: true },
    { path: `${odd}/sub`, state: 'directory', mode: '0710' },
    {
      path: `${odd}/touched`,
      state: 'touch',
      mode: 'u=rw,go=',
      access_time: 'preserve',
      modification_time: '200109090146.40',
    },
    { path: `${odd}/link`, src: 'touched', state: 'link' },
    { path: `${odd}/hard`, src: `${odd}/touched`, state: 'hard' },
    { path: `${dir}/way/below`, state: 'directory', mode: '2750' },
    { path: `${dir}/way/file`, mode: '0600' },
    { path: `${dir}/dangling`, state: 'absent' },
    { path: `${odd}/sticky`, state: 'directory', mode: 'u=rwx,g=rxs,o=t' },
  ]
  const text = stringify([{ hosts: 'all', tasks: tasks.map((file) => ({ file })) }])
  const told = (ran: Awaited<ReturnType<typeof run>>) => ran.tasks.map((t) => [t.status, t.changes, t.message])
  const checked = await run('check', text)
  const applied = await run('apply', text)
  // a link that is replaced may have led anywhere
  const known = checked.tasks.map((t) => t.status !== 'unknown')
  assert.equal(
    told(checked).filter((_, i) => known[i]),
    told(applied).filter((_, i) => known[i]),
  )
  assert.ok(known.filter((k) => k).length >= 6)
  assert.equal(
    applied.tasks.map((t) => t.status),
    tasks.map(() => 'changed'),
  )
  assert.equal(applied.warnings, [])
  const again = await run('apply', text)
  assert.equal(
    again.tasks.flatMap((t) => t.changes),
    [],
  )
  const raw = Buffer.concat([Buffer.from(odd.slice(0, -1)), Buffer.from([0xff])])
  assert.equal(readdirSync(raw).sort(), ['hard', 'link', 'sticky', 'sub', 'touched'])
  const at = (name: string) => Buffer.concat([raw, Buffer.from(`/${name}`)])
  assert.is(readlinkSync(at('link')), 'touched')
  assert.is(statSync(at('touched')).mtimeMs, new Date(2001, 8, 9, 1, 46, 40).getTime())
  assert.is(statSync(at('hard')).ino, statSync(at('touched')).ino)
  assert.is(statSync(at('sticky')).mode & 0o7777, 0o3750)
  assert.is(statSync(`${dir}/real/below`).mode & 0o7777, 0o2750)
  assert.ok(lstatSync(`${dir}/way`).isSymbolicLink())
  assert.is(readFileSync(`${dir}/real/file`, 'utf8'), 'x')
  assert.is(readlinkSync(`${dir}/loop`), 'real')
})

test('a link to itself, however it is written', async () => {
  const itself = 'the link would point to itself'
  for (const [path, src] of [
    ['/d/l', 'l'],
    ['/d/l/', './l'],
    ['/d/l', '../d/l'],
    ['/d/l', '/d/l/'],
  ] as const)
    assert.is(await steps({ path, src, state: 'link', force: true }, { '/d': directory() }), itself)
})

test.run()
