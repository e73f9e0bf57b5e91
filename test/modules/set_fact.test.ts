import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { plan } from './plan.ts'

test('values keep their types, templates too', async () => {
  const vars = { n: 3, list: ['a'] }
  const { plan: planned, result } = await plan(
    'set_fact',
    {
      port: 8200,
      on: true,
      none: null,
      twice: '<%= n * 2 %>',
      all: '<%= list %>',
      map: { n: '<%= n %>' },
      text: '8200',
    },
    { vars },
  )
  const expected = { port: 8200, on: true, twice: 6, all: ['a'], map: { n: 3 }, text: '8200' }
  assert.equal(planned?.variables, expected)
  assert.equal(result, { ansible_facts: expected })
})

test('a name has to be one of a variable, and there has to be one', async () => {
  assert.equal((await plan('set_fact', { 'a-b': 1 })).invalid, [
    '`a-b` is no name of a variable: letters, digits and _ only',
  ])
  assert.is((await plan('set_fact', { cacheable: true })).failed, 'there is no variable to set')
  assert.is((await plan('set_fact', null)).failed, 'there is no variable to set')
})

test('what follows sees it, above the vars of the play; a loop adds up', async () => {
  const { tasks } = await run(
    'apply',
    `
- hosts: all
  vars: { x: play, sum: 0 }
  tasks:
    - set_fact: { x: "<%= x %> and more" }
    - set_fact: { sum: "<%= sum + item %>" }
      loop: [1, 2, 3]
    - debug: { msg: "<%= x %>, <%= sum + 0 %>" }
`,
  )
  assert.is(tasks.at(-1)!.output, 'play and more, 6')
})

test('what is not known yet makes it and what uses it unknown in check, and only that', async () => {
  const text = `
- hosts: all
  tasks:
    - command: echo 7
      register: r
    - set_fact: { x: "<%= r.stdout %>", y: 1 }
    - debug: { msg: "<%= x %>" }
    - debug: { msg: independent }
`
  const checked = await run('check', text)
  assert.equal(
    checked.tasks.map((t) => t.status),
    ['changed', 'unknown', 'unknown', 'ok'],
  )
  const applied = await run('apply', text)
  assert.is(applied.tasks[2]!.output, '7')
})

test.run()
