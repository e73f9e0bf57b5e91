import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stringify } from 'yaml'
import { run, scratchDir } from '../engine/scratch.ts'
import { plan } from './plan.ts'
import { directory, link } from './world.ts'

const files = { 'a.conf.ejs': 'one\ntwo\n' }
const steps = async (params: object) => {
  const host = { '/f': 'one\ntwo\n', '/d': directory(), '/l': link('/f') }
  const { invalid, failed, steps, again } = await plan('template', { src: 'a.conf.ejs', ...params }, { files, host })
  if (!failed) assert.equal(again, [])
  return invalid[0] ?? failed ?? steps
}

test('a file is made or replaced where it differs; in a directory it has the name without .ejs', async () => {
  assert.equal(await steps({ dest: '/f' }), [])
  assert.equal(await steps({ dest: '/new', mode: '0600' }), ['create /new (8 bytes)'])
  assert.equal(await steps({ dest: '/d' }), ['create /d/a.conf (8 bytes)'])
  assert.equal(await steps({ dest: '/made/' }), ['create directory /made', 'create /made/a.conf (8 bytes)'])
  assert.equal(await steps({ dest: '/l' }), ['replace /l (8 bytes)'])
  assert.equal(await steps({ dest: '/l', follow: true }), [])
  assert.equal(await steps({ dest: '/f', mode: 'preserve' }), [])
  assert.equal(await steps({ dest: '/f', newline_sequence: '\r\n', backup: true }), [
    'back up /f',
    'replace /f (10 bytes)',
  ])
  assert.equal(await steps({ dest: '/f', newline_sequence: '\\r\\n', force: false }), [])
  assert.is(await steps({ dest: '/no/f' }), 'the directory /no does not exist')
  assert.is(await steps({ dest: '/f', trim_blocks: true }), '`template` has no parameter `trim_blocks`')
})

test('on a real host: variables, loops, bytes of the host, the mode of the template', async () => {
  const [here, dir] = [scratchDir(), scratchDir()]
  mkdirSync(`${here}/sub`)
  writeFileSync(
    `${here}/t.ejs`,
    "<% for (const p of ports) { -%>\nport <%= p %>\n<% } -%>\nü <%= said.stdout %> <%= '<b>&' %>",
    { mode: 0o640 },
  )
  const text = stringify([
    {
      hosts: 'all',
      vars: { ports: [1, 2] },
      tasks: [
        { command: "printf 'x\\377'", register: 'said', changed_when: false },
        { template: { src: `${here}/t.ejs`, dest: `${dir}/t`, mode: 'preserve' }, register: 'r' },
        { debug: { var: 'r.checksum' } },
      ],
    },
  ])
  const checked = await run('check', text)
  assert.is(checked.tasks[1]!.status, 'unknown')
  const applied = await run('apply', text)
  assert.is(applied.tasks[1]!.status, 'changed')
  const expected = Buffer.concat([Buffer.from('port 1\nport 2\nü x'), Buffer.from([0xff]), Buffer.from(' <b>&')])
  assert.equal(readFileSync(`${dir}/t`), expected)
  assert.is(statSync(`${dir}/t`).mode & 0o7777, 0o640)
  assert.equal((await run('apply', text)).tasks[1]!.changes, [])
})

test.run()
