import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { editLines, type LineEdit } from '../../src/formats/lines.ts'
import { run, scratchDir } from '../engine/scratch.ts'
import { type Given, plan } from './plan.ts'
import { directory, file, link } from './world.ts'

const edit = (text: string | Buffer, how: Partial<LineEdit>) => {
  const done = editLines(Buffer.from(text as string), { state: 'present', ...how })
  const again = editLines(done.bytes, { state: 'present', ...how })
  return { text: done.bytes.toString('latin1'), msg: done.msg, again: again.bytes === done.bytes }
}
const after = (text: string, how: Partial<LineEdit>) => edit(text, how).text

test('a line that is not there goes to the end, once, behind a final newline that was missing', () => {
  assert.equal(edit('a\nb', { line: 'c' }), { text: 'a\nb\nc\n', msg: 'line added', again: true })
  assert.equal(edit('', { line: 'c' }), { text: 'c\n', msg: 'line added', again: true })
  assert.equal(edit('c\n', { line: 'c' }), { text: 'c\n', msg: '', again: true })
  assert.equal(edit('c', { line: 'c' }), { text: 'c\n', msg: 'line replaced', again: true })
  assert.is(after('c\r\n', { line: 'c' }), 'c\n')
})

test('regexp: the last match is replaced, or the first; without one the line is added', () => {
  assert.is(after('k=1\nk=2\n', { regexp: '^k=', line: 'k=3' }), 'k=1\nk=3\n')
  assert.is(after('k=1\nk=2\n', { regexp: '^k=', line: 'k=3', firstMatch: true }), 'k=3\nk=2\n')
  assert.is(after('a\n', { regexp: '^k=', line: 'k=3', insertBefore: 'BOF' }), 'k=3\na\n')
  assert.is(after('a.b\naxb\n', { searchString: 'a.b', line: 'x' }), 'x\naxb\n')
})

test('where it is inserted', () => {
  const text = 'a\nb\na\nc\n'
  assert.is(after(text, { line: 'x', insertAfter: '^a' }), 'a\nb\na\nx\nc\n')
  assert.is(after(text, { line: 'x', insertAfter: '^a', firstMatch: true }), 'a\nx\nb\na\nc\n')
  assert.is(after(text, { line: 'x', insertBefore: '^a' }), 'a\nb\nx\na\nc\n')
  assert.is(after(text, { line: 'x', insertBefore: '^a', firstMatch: true }), 'x\na\nb\na\nc\n')
  assert.is(after(text, { line: 'x', insertAfter: 'BOF' }), 'x\na\nb\na\nc\n')
  assert.is(after(text, { line: 'x', insertAfter: '^never' }), 'a\nb\na\nc\nx\n')
})

test('back references, with Python’s syntax', () => {
  const back = (text: string, regexp: string, line: string) => after(text, { regexp, line, backrefs: true })
  assert.is(back('key = 1\n', '^(\\w+)\\s*=\\s*(?P<v>.*)$', '\\1=\\g<v>\\g<2>'), 'key=11\n')
  assert.is(back('a\n', '^(b)', '\\1'), 'a\n')
  assert.is(back('x\n', '^(x)', '\\1\\t\\\\'), 'x\t\\\n')
})

test('Python’s expressions over bytes', () => {
  const hit = (text: string, regexp: string) =>
    after(text, { regexp, line: 'HIT' }).includes('HIT\n') && !after(text, { regexp, line: 'HIT' }).includes(text)
  assert.ok(hit('abc\n', '(?i)ABC'))
  assert.ok(hit('abc\n', '\\Aab'))
  assert.ok(hit('abc', 'c\\Z'))
  assert.not.ok(hit('abc\n', 'c\\Z'))
  assert.ok(hit('abc\n', 'c$'))
  assert.ok(hit('abc\n', '(?<=a)b(?!x)'))
  assert.ok(hit('a]b\n', '[]]'))
  assert.is(edit(Buffer.from('Ü\n'), { regexp: '^Ü', line: 'ü' }).text, Buffer.from('ü\n').toString('latin1'))
  assert.is(edit(Buffer.from([0xff, 0x41, 10]), { regexp: 'A', line: 'b' }).text, 'b\n')
  assert.is(edit(Buffer.from([0xff, 10]), { line: 'b' }).text, '\xff\nb\n')
})

test('absent removes all that fit', () => {
  assert.is(after('a\nb\na\r\n', { state: 'absent', line: 'a' }), 'b\n')
  assert.is(after('a1\nb\na2', { state: 'absent', regexp: '^a' }), 'b\n')
  assert.is(after('x.y\nxay\n', { state: 'absent', searchString: 'x.y' }), 'xay\n')
  assert.is(edit('a\na\n', { state: 'absent', line: 'a' }).msg, '2 line(s) removed')
})

test('plans, failures and results', async () => {
  const host = {
    '/f': 'a\n',
    '/d': directory(),
    '/l': link('/f'),
    '/secret': { ...file('x'), bytes: undefined },
    '/gone': link('/new'),
  }
  const steps = async (params: object, given: Given = { host }) => {
    const { invalid, failed, steps, again } = await plan('lineinfile', params, given)
    if (!failed) assert.equal(again, [])
    return invalid[0] ?? failed ?? steps
  }
  assert.equal(await steps({ path: '/f', line: 'a' }), [])
  assert.equal(await steps({ path: '/l', line: 'b' }), ['replace /f (4 bytes)'])
  assert.equal(await steps({ path: '/f', line: 'b', backup: true, mode: '0600' }), [
    'back up /f',
    'replace /f (4 bytes)',
  ])
  assert.equal(await steps({ path: '/new/f', line: 'b', create: true }), [
    'create directory /new',
    'create /new/f (2 bytes)',
  ])
  assert.equal(await steps({ path: '/gone', line: 'b', create: true }), ['create /new (2 bytes)'])
  assert.equal(await steps({ path: '/f', line: 'a', owner: 'anna' }), ['set owner anna (was root) of /f'])
  assert.is(await steps({ path: '/new', line: 'b' }), '/new does not exist')
  assert.equal(await steps({ path: '/new', line: 'b', state: 'absent' }), [])
  assert.is(await steps({ path: '/d', line: 'b' }), '/d is a directory, not a file')
  assert.is(await steps({ path: '/secret', line: 'b' }), '/secret may not be read by root')
  assert.is(await steps({ path: '/f' }), '`state: present` needs `line`')
  assert.is(await steps({ path: '/f', line: 'x', backrefs: true }), '`backrefs` needs `regexp`')
  assert.is(await steps({ path: '/f', state: 'absent' }), '`state: absent` needs `line`, `regexp` or `search_string`')
  assert.match(String(await steps({ path: '/f', line: 'x', regexp: '(' })), /^`regexp` cannot be read: /)
  assert.is(
    await steps({ path: '/f', line: 'x', insertafter: 'a', insertbefore: 'b' }),
    '`insertafter` and `insertbefore` exclude each other',
  )
  const empty = await plan('lineinfile', { path: '/f', line: 'x', regexp: '' }, { host })
  assert.equal(empty.warnings, ['`regexp` is empty and fits every line; `^` would say so'])
  assert.equal(empty.result, { path: '/f', msg: 'line replaced', backup: '' })
})

test('on a real host: through a link, keeping owner and mode, 5 MB, twice is once', async () => {
  const dir = scratchDir()
  writeFileSync(`${dir}/real`, `${'x'.repeat(99)}\n`.repeat(50_000), { mode: 0o604 })
  symlinkSync('real', `${dir}/link $(id)`)
  const text = `- hosts: all\n  tasks:\n    - lineinfile: { path: "${dir}/link $(id)", line: "the \\"end\\" $HOME" }\n`
  for (const [mode, status] of [
    ['check', 'changed'],
    ['apply', 'changed'],
    ['apply', 'ok'],
  ] as const) {
    const { tasks } = await run(mode, text)
    assert.equal(
      tasks.map((t) => t.status),
      [status],
    )
  }
  assert.ok(readFileSync(`${dir}/real`, 'utf8').endsWith('x\nthe "end" $HOME\n'))
  assert.is(statSync(`${dir}/real`).mode & 0o7777, 0o604)
  assert.ok(lstatSync(`${dir}/link $(id)`).isSymbolicLink())
})

test.run()
