import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
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
import { type Given, plan } from './plan.ts'
import { directory, file, link } from './world.ts'

const steps = async (params: object, given: Given = {}) => {
  const { failed, steps, again } = await plan('copy', params, given)
  if (failed === undefined) assert.equal(again, [], 'idempotent')
  return failed ?? steps
}

test('content: a file with exactly that, and no step where it is so', async () => {
  const host = { '/f': 'one\n', '/d': directory(), '/l': link('/f'), '/gone': link('/nowhere') }
  assert.equal(await steps({ content: 'one\n', dest: '/f' }, { host }), [])
  assert.equal(await steps({ content: 'one', dest: '/f' }, { host }), ['replace /f (3 bytes)'])
  assert.equal(await steps({ content: '', dest: '/new', mode: '0600' }, { host }), ['create /new (0 bytes)'])
  assert.equal(await steps({ content: 'one\n', dest: '/f', mode: '0600', owner: 'anna' }, { host }), [
    'set owner anna (was root) and mode 0600 (was 0644) of /f',
  ])
  assert.equal(await steps({ content: 'x', dest: '/l' }, { host }), ['replace /l (1 byte)'])
  assert.equal(await steps({ content: 'x', dest: '/l', follow: true }, { host }), ['replace /f (1 byte)'])
  assert.equal(await steps({ content: 'x', dest: '/gone', follow: true }, { host }), ['replace /gone (1 byte)'])
  assert.equal(await steps({ content: 'x', dest: '/f', force: false }, { host }), [])
  assert.is(
    await steps({ content: 'x', dest: '/d' }, { host }),
    '/d is a directory, and `content` has no name of its own',
  )
  assert.is(await steps({ content: 'x', dest: '/no/f' }, { host }), 'the directory /no does not exist')
  assert.is(await steps({ content: 'x', dest: '/f/x' }, { host }), '/f is in the way of /f/x and is no directory')
  assert.equal(await steps({ content: 'x', dest: '/f', backup: true }, { host }), ['back up /f', 'replace /f (1 byte)'])
  assert.equal(await steps({ content: 'x', dest: '/new', backup: true }, { host }), ['create /new (1 byte)'])
})

test('a list or mapping is JSON as Python writes it', async () => {
  const json = '{"a": [1, true, null, "\\u00fc"], "b": {}}'
  const { result } = await plan('copy', { content: { a: [1, true, null, 'ü'], b: {} }, dest: '/f' })
  assert.is(result.checksum, createHash('sha1').update(json).digest('hex'))
})

test('a file of the controller, into a directory, with its mode', async () => {
  const files = { 'a.txt': 'a\n', 'sub/b.txt': 'b\n' }
  const host = { '/d': directory(), '/l': link('/d') }
  assert.equal(await steps({ src: 'a.txt', dest: '/d' }, { host, files }), ['create /d/a.txt (2 bytes)'])
  assert.equal(await steps({ src: 'sub/b.txt', dest: '/l/' }, { host, files }), ['create /l/b.txt (2 bytes)'])
  assert.equal(await steps({ src: 'a.txt', dest: '/new/deep/', directory_mode: '0700' }, { host, files }), [
    'create directory /new',
    'create directory /new/deep',
    'create /new/deep/a.txt (2 bytes)',
  ])
  assert.is(await steps({ src: 'no.txt', dest: '/d' }, { host, files }), 'there is no no.txt on the controller')
  const sha1 = createHash('sha1').update('a\n').digest('hex')
  assert.equal(await steps({ src: 'a.txt', dest: '/d', checksum: sha1 }, { host, files }), [
    'create /d/a.txt (2 bytes)',
  ])
  assert.match(
    String(await steps({ src: 'a.txt', dest: '/d', checksum: '0'.repeat(40) }, { host, files })),
    new RegExp(`^the checksum of a.txt is ${sha1}, not 0+$`),
  )
  const { result } = await plan('copy', { src: 'a.txt', dest: '/d', mode: '0600', owner: 'anna' }, { host, files })
  assert.equal(result, {
    dest: '/d/a.txt',
    state: 'file',
    mode: '0600',
    owner: 'anna',
    size: 2,
    checksum: sha1,
    src: 'a.txt',
  })
})

test('a directory of the controller: itself, or with a slash what is in it', async () => {
  const files = { 'tree/one': '1', 'tree/sub/two': '22' }
  assert.equal(await steps({ src: 'tree', dest: '/d' }, { files }), [
    'create directory /d',
    'create directory /d/tree',
    'create /d/tree/one (1 byte)',
    'create directory /d/tree/sub',
    'create /d/tree/sub/two (2 bytes)',
  ])
  const host = { '/d/one': '1', '/d/sub': directory() }
  assert.equal(await steps({ src: 'tree/', dest: '/d' }, { files, host }), ['create /d/sub/two (2 bytes)'])
  assert.is(await steps({ src: 'tree', dest: '/f' }, { files, host: { '/f': 'x' } }), '/f is a file, not a directory')
})

test('a file or directory of the host', async () => {
  const host = {
    '/s': file('abc', { mode: 0o750 }),
    '/same': 'abc',
    '/t/one': file('1', { mode: 0o600 }),
    '/t/sub': directory({ mode: 0o711 }),
    '/t/l': link('one'),
    '/d/t/one': '1',
  }
  const remote = { remote_src: true }
  assert.equal((await plan('copy', { src: '/s', dest: '/new', ...remote }, { host })).steps, [
    'create /new with /s (3 bytes)',
  ])
  assert.equal(await steps({ src: '/s', dest: '/same', ...remote }, { host }), [])
  const preserved = await plan('copy', { src: '/s', dest: '/same', mode: 'preserve', ...remote }, { host })
  assert.equal(preserved.steps, ['set mode 0750 (was 0644) of /same'])
  assert.is(
    await steps({ src: '/no', dest: '/new', ...remote }, { host }),
    'there is no /no on the host, or it may not be read',
  )
  assert.is(await steps({ src: '/t', dest: '/t', ...remote }, { host }), "/t can't be copied into itself: /t/t")
  assert.equal(await steps({ src: '/t/', dest: '/t', ...remote }, { host }), [])
  assert.equal((await plan('copy', { src: '/t', dest: '/d', ...remote }, { host })).steps, [
    'link /d/t/l to one',
    'create directory /d/t/sub',
  ])
  assert.equal((await plan('copy', { src: '/t/', dest: '/e/f', owner: 'anna', ...remote }, { host })).steps, [
    'create directory /e',
    'create directory /e/f',
    'link /e/f/l to one',
    'create /e/f/one with /t/one (1 byte)',
    'create directory /e/f/sub',
  ])
})

test('what is wrong with its parameters', async () => {
  const invalid = async (params: object) => (await plan('copy', params)).invalid
  assert.equal(await invalid({ dest: '/f' }), ['`copy` needs one of `src`, `content`'])
  assert.equal(await invalid({ content: '' }), ['`copy` needs the parameter `dest`'])
  assert.equal(await invalid({ content: '', src: 'x', dest: '/f' }), ['`src` and `content` exclude each other'])
  assert.equal(await invalid({ content: '', dest: '/f', validate: 'true' }), ['`validate` must match pattern "%s"'])
  assert.equal(await invalid({ content: '', dest: '/f', validate: "x '%s" }), [
    '`validate` cannot be read: a single quote has no end',
  ])
})

test('on a real host: bytes are bytes, big files, links, backups, validation; check says what apply does', async () => {
  const dir = scratchDir()
  const here = scratchDir()
  const big = randomBytes(5_000_000)
  writeFileSync(`${here}/big`, big)
  writeFileSync(`${here}/crlf`, 'a\r\nb')
  mkdirSync(`${here}/tree/deep`, { recursive: true })
  writeFileSync(`${here}/tree/deep/f`, Buffer.from([0, 255, 10]))
  symlinkSync('deep/f', `${here}/tree/l`)
  symlinkSync('..', `${here}/tree/deep/up`)
  symlinkSync('nowhere', `${here}/tree/none`)
  writeFileSync(`${dir}/old`, 'old\n', { mode: 0o604 })
  writeFileSync(`${dir}/elsewhere`, 'stays\n')
  symlinkSync('elsewhere', `${dir}/way`)
  const odd = `${dir}/-n $(id) 'q' "d" \n \udcfe`
  const copies = [
    { src: `${here}/big`, dest: `${dir}/big`, mode: '0600' },
    { src: `${here}/crlf`, dest: odd },
    { content: 'x\udcffy\n', dest: `${dir}/bytes` },
    { src: `${here}/tree`, dest: `${dir}/t` },
    { src: `${here}/tree/`, dest: `${dir}/links`, local_follow: false },
    { content: 'new\n', dest: `${dir}/old`, backup: true },
    { content: 'own\n', dest: `${dir}/way` },
    { content: 'good\n', dest: `${dir}/valid`, validate: 'grep -q "^good$" %s' },
    { src: `${dir}/big`, dest: `${dir}/big copy`, remote_src: true, mode: 'preserve' },
  ]
  const tasks = copies.map((copy, i) => ({ name: `t${i}`, copy, register: `r${i}` }))
  const text = stringify([{ hosts: 'all', tasks }])
  const told = (ran: Awaited<ReturnType<typeof run>>) =>
    ran.tasks.slice(0, 8).map((t) => [t.task, t.status, t.changes, t.message])
  const checked = await run('check', text)
  assert.not.ok(existsSync(`${dir}/big`))
  const applied = await run('apply', text)
  assert.equal(told(checked), told(applied))
  assert.equal(
    applied.tasks.map((t) => `${t.status} ${t.message ?? ''}`),
    copies.map(() => 'changed '),
  )
  const again = await run('apply', text)
  assert.equal(
    again.tasks.flatMap((t) => t.changes),
    [],
  )
  assert.ok(again.recap.hosts.here!.trips <= 1)
  assert.ok(readFileSync(`${dir}/big`).equals(big) && readFileSync(`${dir}/big copy`).equals(big))
  assert.is(statSync(`${dir}/big copy`).mode & 0o7777, 0o600)
  assert.is(readFileSync(Buffer.concat([Buffer.from(odd.slice(0, -1)), Buffer.from([0xfe])]), 'latin1'), 'a\r\nb')
  assert.equal([...readFileSync(`${dir}/bytes`)], [0x78, 0xff, 0x79, 10])
  assert.equal([...readFileSync(`${dir}/t/tree/l`)], [0, 255, 10])
  assert.is(readlinkSync(`${dir}/t/tree/deep/up`), '..')
  assert.is(readlinkSync(`${dir}/t/tree/none`), 'nowhere')
  assert.is(readlinkSync(`${dir}/links/l`), 'deep/f')
  assert.is(readFileSync(`${dir}/elsewhere`, 'utf8'), 'stays\n')
  assert.not.ok(lstatSync(`${dir}/way`).isSymbolicLink())
  const backups = readdirSync(dir).filter((n) => n.startsWith('old.'))
  assert.is(backups.length, 1)
  assert.is(readFileSync(`${dir}/${backups[0]}`, 'utf8'), 'old\n')
  assert.is(statSync(`${dir}/old`).mode & 0o7777, 0o604)
})

test('what fails leaves the old file and nothing beside it; the backup is named', async () => {
  const dir = scratchDir()
  writeFileSync(`${dir}/f`, 'old\n')
  const bad = await run(
    'apply',
    `- hosts: all\n  tasks:\n    - copy: { content: "bad\\n", dest: "${dir}/f", validate: 'grep -q good %s' }\n`,
  )
  assert.match(bad.tasks[0]!.message ?? '', /the new content of .*\/f did not pass its validation/)
  assert.is(readFileSync(`${dir}/f`, 'utf8'), 'old\n')
  assert.equal(readdirSync(dir), ['f'])
  const named = await run(
    'apply',
    `- hosts: all\n  tasks:\n    - copy: { content: "new\\n", dest: "${dir}/f", backup: true }\n      register: r\n    - debug: { var: r.backup_file }\n`,
  )
  const name = readdirSync(dir).find((n) => n !== 'f')
  assert.is(named.tasks[1]!.output, `r.backup_file: ${dir}/${name}`)
})

test('diffs: unified, never of binary, secret or no_log content', async () => {
  const dir = scratchDir()
  writeFileSync(`${dir}/f`, 'one\ntwo\n')
  writeFileSync(`${dir}/b`, Buffer.from([0, 1]))
  const text = `
- hosts: all
  tasks:
    - copy: { content: "one\\n2", dest: "${dir}/f" }
    - copy: { content: "text\\n", dest: "${dir}/b" }
    - copy: { content: "canary-77\\n", dest: "${dir}/s" }
      no_log: true
`
  const { tasks, events } = await run('check', text, { diff: true })
  assert.is(
    tasks[0]!.diff,
    `--- ${dir}/f\n+++ ${dir}/f\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n\\ No newline at end of file\n`,
  )
  assert.is(tasks[1]!.diff, `${dir}/b: no text to compare (2 bytes before, 5 after)\n`)
  assert.not.match(JSON.stringify(events), /canary-77/)
})

test.run()
