import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { plan } from './plan.ts'

test('fails with its message', async () => {
  assert.is((await plan('fail', { msg: 'no' })).failed, 'no')
  assert.is((await plan('fail', 'as free text')).failed, 'as free text')
  assert.is((await plan('fail', null)).failed, 'Failed as requested from task')
})

test('ends the host, unless it is let pass or stands behind a `when`; check says the same', async () => {
  const text = `
- hosts: all
  tasks:
    - fail: { msg: not here }
      when: 1 > 2
    - fail: { msg: let pass }
      ignore_errors: true
      register: r
    - debug: { msg: "<%= r.failed %> <%= r.msg %>" }
    - fail: { msg: the end }
    - debug: { msg: never }
`
  for (const mode of ['check', 'apply'] as const) {
    const { tasks } = await run(mode, text)
    assert.equal(
      tasks.map((t) => `${t.status} ${t.message ?? t.output}`),
      ['skipped when: 1 > 2', 'failed let pass', 'ok true let pass', 'failed the end'],
    )
  }
})

test.run()
