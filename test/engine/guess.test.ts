import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from './scratch.ts'

const dir = scratchDir()

test('what a task registers holds up no question that does not depend on it', async () => {
  writeFileSync(join(dir, 'source'), 'x')
  const playbook = `
- hosts: all
  tasks:
    - stat: { path: ${dir}/source, get_checksum: false }
      register: source
    - lineinfile: { path: ${dir}/lines, create: true, line: "<%= source.stat.exists %> <%= source.stat.size + 1 %>" }
`
  const first = await run('apply', playbook)
  assert.is(readFileSync(join(dir, 'lines'), 'utf8'), 'true 2\n')
  assert.is(first.recap.hosts.here!.changed, 1)
  // the trip is stat's own, which asks twice
  const second = await run('apply', playbook)
  assert.is(second.recap.hosts.here!.changed, 0)
  assert.is(second.recap.hosts.here!.trips, 1)
})

test('a question that depends on it waits', async () => {
  const playbook = `
- hosts: all
  tasks:
    - stat: { path: ${dir}/source, get_checksum: false }
      register: source
    - copy: { dest: "${dir}/<%= source.stat.path.split('/').at(-1) %>.copy", content: "one\\n" }
`
  await run('apply', playbook)
  const second = await run('apply', playbook)
  assert.is(second.recap.hosts.here!.changed, 0)
  assert.is(second.recap.hosts.here!.trips, 1)
  assert.is(readFileSync(join(dir, 'source.copy'), 'utf8'), 'one\n')
})

test.run()
