import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from '../engine/scratch.ts'

const canary = 'canary-5f2c91aa07'
const tail = canary.slice(8)
const scratch = scratchDir()

test('a secret is masked in everything that is told of a task', async () => {
  const { events } = await run(
    'apply',
    `- name: play
  hosts: all
  tasks:
    - name: says it
      shell: echo ${canary}; echo ${canary} >&2
    - name: shows it
      debug: { msg: "it is ${canary}" }
    - name: keeps it
      set_fact: { kept: "${canary}" }
    - name: falls with it
      shell: echo ${canary} >&2; exit 3
      ignore_errors: true
    - name: is named after it
      fail: { msg: "${canary}" }
`,
    { secrets: [canary] },
  )
  assert.ok(events.some((e) => e.event === 'task' && e.said?.includes('********')))
  assert.not.match(JSON.stringify(events), tail)
})

test('a secret that lies where what was said is cut is not shown by half', async () => {
  for (const length of [1990, 1994, 1998, 9990, 9994, 9998]) {
    const { tasks } = await run(
      'apply',
      `- name: play
  hosts: all
  tasks:
    - name: falls
      shell: echo ${canary}; head -c ${length} /dev/zero | tr '\\0' x; exit 3
      ignore_errors: true
    - name: goes on
      shell: echo ${canary}; head -c ${length} /dev/zero | tr '\\0' x
`,
      { secrets: [canary] },
    )
    assert.is(tasks.length, 2)
    assert.not.match(JSON.stringify(tasks), tail.slice(-4))
  }
})

test('no_log hides what a task said, found, changed, and why it failed', async () => {
  const { events } = await run(
    'apply',
    `- name: play
  hosts: all
  tasks:
    - shell: echo ${canary}
      no_log: true
      register: said
    - shell: echo ${canary}; exit 3
      no_log: true
      ignore_errors: true
    - debug: { msg: "<%= said.stdout %>" }
      no_log: true
      loop: [${canary}]
    - set_fact: { kept: ${canary} }
      no_log: true
`,
  )
  assert.is(events.filter((e) => e.event === 'task').length, 4)
  assert.not.match(JSON.stringify(events), tail)
})

test('no_log hides the words of a command also from the tasks that wait for it', async () => {
  const text = `- name: play
  hosts: all
  tasks:
    - name: silent
      shell: "true ${canary}"
      no_log: true
      register: said
    - name: waits
      debug: { msg: "<%= said.stdout %>" }
    - name: looks
      stat: { path: /tmp }
`
  const checked = await run('check', text)
  assert.match(JSON.stringify(checked.events), '"message":"task silent"')
  const applied = await run('apply', text)
  for (const { events } of [checked, applied]) assert.not.match(JSON.stringify(events), tail)
})

test('what never converges names no value of a task with no_log', async () => {
  const path = join(scratch, canary)
  const task = (name: string, mode: string) => `    - name: ${name}
      copy: { content: x, dest: ${path}, mode: '${mode}' }
      no_log: true
`
  const { events, warnings } = await run(
    'apply',
    `- name: play\n  hosts: all\n  tasks:\n${task('a', '0600')}${task('b', '0640')}`,
  )
  assert.is(warnings.length, 1)
  assert.match(warnings[0]!, /never-converges: task "a" .* and task "b"/)
  assert.not.match(JSON.stringify(events), tail)
})

test.run()
