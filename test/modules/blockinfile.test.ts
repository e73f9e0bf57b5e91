import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockEdit, editBlock } from '../../src/formats/block.ts'
import { run, scratchDir } from '../engine/scratch.ts'
import { plan } from './plan.ts'

const standard = { state: 'present', marker: '# {mark}', markerBegin: 'BEGIN', markerEnd: 'END' } as const
const after = (text: string, how: Partial<BlockEdit>) => {
  const edit = { ...standard, block: '', ...how }
  const done = editBlock(Buffer.from(text, 'latin1'), edit)
  assert.is(editBlock(done, edit), done, 'idempotent')
  return done.toString('latin1')
}
const block = '# BEGIN\nx\n# END\n'

test('a block goes to the end, is changed where it stands, and goes', () => {
  assert.is(after('a\n', { block: 'x' }), `a\n${block}`)
  assert.is(after('a', { block: 'x\n' }), `a\n${block}`)
  assert.is(after('', { block: 'x' }), block)
  assert.is(after(`a\n# BEGIN\nold\nolder\n# END\nb\n`, { block: 'x' }), `a\n${block}b\n`)
  assert.is(after(`a\n${block}b\n`, { block: '' }), 'a\nb\n')
  assert.is(after(`a\n${block}b\n`, { block: 'x', state: 'absent' }), 'a\nb\n')
  assert.is(after('a\n', { state: 'absent' }), 'a\n')
})

test('where it is inserted', () => {
  assert.is(after('a\nb\na\nc\n', { block: 'x', insertAfter: '^a' }), `a\nb\na\n${block}c\n`)
  assert.is(after('a\nb\na\nc\n', { block: 'x', insertBefore: '^a' }), `a\nb\n${block}a\nc\n`)
  assert.is(after('a\n', { block: 'x', insertBefore: 'BOF' }), `${block}a\n`)
  assert.is(after('a\n', { block: 'x', insertAfter: 'never' }), `a\n${block}`)
  assert.is(after('a\nb\nc\n', { block: 'x', insertAfter: '(?m)^a\nb$' }), `a\nb\n${block}c\n`)
})

test('empty lines around it, own words, bytes that are no text, carriage returns', () => {
  const lines = { block: 'x', insertAfter: '^a', prependNewline: true, appendNewline: true }
  assert.is(after('a\nb\n', lines), `a\n\n${block}\nb\n`)
  assert.is(
    after('a\n', { block: 'x', marker: '<!-- {mark} -->', markerBegin: 'on', markerEnd: 'off' }),
    'a\n<!-- on -->\nx\n<!-- off -->\n',
  )
  assert.is(after('\xff\xfe\r\n', { block: 'x' }), `\xff\xfe\r\n${block}`)
})

test('plans, failures and results', async () => {
  const host = { '/f': `a\n${block}`, '/d/x': '' }
  const planned = (params: object) => plan('blockinfile', { marker: '# {mark}', ...params }, { host })
  assert.equal((await planned({ path: '/f', block: 'x' })).steps, [])
  const changed = await planned({ path: '/f', content: 'y' })
  assert.equal([changed.steps, changed.again, changed.result.msg], [['replace /f (18 bytes)'], [], 'Block inserted'])
  assert.is((await planned({ path: '/f', state: 'absent' })).result.msg, 'Block removed')
  assert.is((await planned({ path: '/new', block: 'x' })).failed, '/new does not exist')
  const made = await planned({ path: '/new/f', block: 'x', create: true, mode: '0600' })
  assert.equal([made.steps, made.result.msg], [['create directory /new', 'create /new/f (16 bytes)'], 'File created'])
  assert.equal((await planned({ path: '/d', block: 'x' })).failed, '/d is a directory, not a file')
  assert.equal((await planned({ path: '/f', insertafter: 'a', insertbefore: 'b' })).invalid, [
    '`insertafter` and `insertbefore` exclude each other',
  ])
  assert.match((await planned({ path: '/f', insertafter: '[' })).invalid[0] ?? '', /^`insertafter` cannot be read: /)
})

test('on a real host: check says what apply does, a bad one is not put in place', async () => {
  const path = `${scratchDir()}/f`
  writeFileSync(path, 'a\n')
  const text = (check: string) =>
    `- hosts: all\n  tasks:\n    - blockinfile: { path: "${path}", block: "one\\ntwo", validate: "${check}" }\n`
  const bad = await run('apply', text('grep -q never %s'))
  assert.match(bad.tasks[0]!.message ?? '', /did not pass its validation/)
  assert.is(readFileSync(path, 'utf8'), 'a\n')
  const checked = await run('check', text('grep -q two %s'))
  const applied = await run('apply', text('grep -q two %s'))
  assert.equal(checked.tasks[0]!.changes, applied.tasks[0]!.changes)
  assert.match(
    readFileSync(path, 'utf8'),
    /^a\n# BEGIN ANSIBLE MANAGED BLOCK\none\ntwo\n# END ANSIBLE MANAGED BLOCK\n$/,
  )
})

test.run()
