import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { plan } from './plan.ts'

const vars = { x: 1, list: ['a'], empty: '' }

test('one bare condition, or a list of them that all have to hold', async () => {
  assert.is((await plan('assert', { that: 'x == 1' }, { vars })).failed, undefined)
  const two = await plan('assert', { that: ['x === 1', "'a' in list", true] }, { vars })
  assert.equal([two.failed, two.result, two.steps], [undefined, { msg: 'All assertions passed' }, []])
})

test('names the first condition that does not hold, and looks at none behind it', async () => {
  const { failed, result } = await plan('assert', { that: ['x == 1', 'x > 1', 'nothing.at.all'] }, { vars })
  assert.is(failed, 'Assertion failed: `x > 1` does not hold')
  assert.equal(result, { evaluated_to: false, assertion: 'x > 1' })
})

test('its messages are a text or lines, and `msg` is one of them', async () => {
  assert.match((await plan('assert', { that: false, fail_msg: 'no good' })).failed ?? '', /^no good:/)
  assert.match((await plan('assert', { that: false, msg: ['one', 'two'] })).failed ?? '', /^one\ntwo:/)
  assert.equal((await plan('assert', { that: true, success_msg: 'fine', quiet: true })).result, { msg: 'fine' })
})

test('what is no condition is an error that shows the fix, before anything connects', async () => {
  const wrapped = await plan('assert', { that: ['<%= x == 1 %>'] }, { vars })
  assert.equal(wrapped.invalid, ['a condition is a bare expression, without `<%= %>` or `{{ }}` around it'])
  assert.is(wrapped.hint, 'write `x == 1`')
  assert.match((await plan('assert', { that: 'x is defined' }, { vars })).hint ?? '', /^write `typeof x !== /)
  assert.equal((await plan('assert', { that: 3 })).invalid, ['a condition is an expression or a boolean'])
  assert.equal((await plan('assert', {})).invalid, ['`assert` needs the parameter `that`'])
  const text = await plan('assert', { that: "'no'" })
  assert.equal(text.invalid, ['the condition is the text `no`, which counts as true'])
  const list = await plan('assert', { that: '[]' })
  assert.equal(list.invalid, ['the condition is an empty list, which counts as true'])
  assert.is(list.hint, 'ask for `x.length > 0`')
  assert.equal((await plan('assert', { that: '{}' })).invalid, [
    'the condition is an empty mapping, which counts as true',
  ])
  assert.is((await plan('assert', { that: "'abc'.match(/b/)" })).failed, undefined)
})

test('a name that nothing defines is found before anything connects', async () => {
  const wrong = await run('check', '- hosts: all\n  tasks:\n    - assert: { that: [tru, adress == 1] }\n').then(
    () => '',
    String,
  )
  assert.match(wrong, /the variable `tru` is not defined[\s\S]*the variable `adress` is not defined/)
})

test('conditions on registered results; what only an apply tells makes it unknown in check', async () => {
  const text = `
- hosts: all
  tasks:
    - command: printf 'one\\ntwo'
      register: r
    - assert:
        that: [r.rc == 0, r.changed, "!r.failed", r.stdout_lines.length == 2, "'tw' in r.stdout", r.stderr == '']
`
  const applied = await run('apply', text)
  assert.equal(
    applied.tasks.map((t) => [t.module, t.status, t.message]),
    [
      ['command', 'changed', undefined],
      ['assert', 'ok', undefined],
    ],
  )
  const checked = await run('check', text)
  assert.is(checked.tasks[1]!.status, 'unknown')
  assert.match(checked.tasks[1]!.message ?? '', /the output of `printf/)
})

test.run()
