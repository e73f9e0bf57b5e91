import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from './scratch.ts'

const dir = scratchDir()

/** A directory, and what the second task makes of the first one's result. */
const playbook = (path: string) => `
- hosts: all
  tasks:
    - file: { path: ${dir}/made, state: directory }
      register: made
    - lineinfile: { path: "${path}", create: true, line: "<%= made.path %>" }
`

test('what a task registers holds up no question that does not depend on it', async () => {
  await run('apply', playbook(`${dir}/lines`))
  assert.is(readFileSync(join(dir, 'lines'), 'utf8'), `${dir}/made\n`)
  const second = await run('apply', playbook(`${dir}/lines`))
  assert.is(second.recap.hosts.here!.changed, 0)
  assert.is(second.recap.hosts.here!.trips, 0, 'all is asked ahead of the shell')
})

test('a question that depends on it waits', async () => {
  const text = playbook('<%= made.path %>/lines')
  await run('apply', text)
  assert.is(readFileSync(join(dir, 'made/lines'), 'utf8'), `${dir}/made\n`)
  const second = await run('apply', text)
  assert.is(second.recap.hosts.here!.changed, 0)
  assert.is(second.recap.hosts.here!.trips, 1)
})

test('what a fact is set to is looked ahead through', async () => {
  const text = `
- hosts: all
  tasks:
    - file: { path: ${dir}/made, state: directory }
      register: made
    - set_fact: { name: "${dir}/of-fact", said: ["<%= made.path %>"] }
    - copy: { dest: "<%= name %>", content: "<%= said[0] %>" }
`
  await run('apply', text)
  assert.is(readFileSync(join(dir, 'of-fact'), 'utf8'), `${dir}/made`)
  const second = await run('apply', text)
  assert.is(second.recap.hosts.here!.changed, 0)
  assert.is(second.recap.hosts.here!.trips, 0)
})

test.run()
