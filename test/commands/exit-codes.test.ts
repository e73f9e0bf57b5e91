import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../until.ts'
import { localHosts, Rig } from './rig.ts'

// The exit codes that the help promises, and the counts of the recap, by the real command line on this machine.

const rig = new Rig({
  'hosts.yml': localHosts('h1', 'h2'),
  'away.yml':
    'all: { hosts: { away: { ansible_host: 127.0.0.1, ansible_connection: ssh, ansible_port: 1, ansible_user: nobody } } }\n',
  'file.yml': '- hosts: all\n  tasks:\n    - copy: { content: x, dest: "<%= dir %>/<%= inventory_hostname %>" }\n',
  'fails.yml':
    '- hosts: all\n  tasks:\n    - fail: { msg: on purpose }\n      when: inventory_hostname == "h1"\n    - debug: { msg: reached }\n',
  'fights.yml':
    '- hosts: h1\n  tasks:\n    - copy: { content: a, dest: "<%= dir %>/fight" }\n    - copy: { content: b, dest: "<%= dir %>/fight" }\n',
  'mixed.yml': `
- hosts: h1
  tasks:
    - debug: { msg: ok }
    - debug: { msg: skipped }
      when: false
    - command: 'true'
    - command: 'false'
      ignore_errors: true
    - command: echo <%= item %>
      loop: [a, b]
      changed_when: item == 'a'
    - command: 'true'
      failed_when: false
      changed_when: false
    - command: 'true'
      register: out
      failed_when: out.rc == 0
      ignore_errors: true
`,
  'handlers.yml': `
- hosts: h1
  tasks:
    - command: 'true'
      notify: [first, all of them]
    - fail: { msg: on purpose }
  handlers:
    - name: first
      copy: { content: x, dest: "<%= dir %>/first" }
    - name: second
      copy: { content: x, dest: "<%= dir %>/second" }
      listen: all of them
    - name: third
      copy: { content: x, dest: "<%= dir %>/third" }
`,
})
const dir = ['-e', `dir=${rig.dir}`]
const recap = (events: { event: string; hosts?: unknown }[]) =>
  events.at(-1)!.hosts as Record<string, Record<string, number>>

test('0, 2: check tells of changes, apply makes them, then all is well', () => {
  assert.is(rig.run(['check', 'file.yml', ...dir]).status, 2)
  assert.not.ok(existsSync(join(rig.dir, 'h1')))
  assert.is(rig.run(['apply', 'file.yml', ...dir]).status, 0)
  assert.is(readFileSync(join(rig.dir, 'h1'), 'utf8'), 'x')
  assert.is(rig.run(['check', 'file.yml', ...dir]).status, 0)
  assert.is(rig.run(['apply', 'file.yml', ...dir]).status, 0)
  rmSync(join(rig.dir, 'h2'))
  assert.is(rig.run(['check', 'file.yml', ...dir, '-l', 'h1']).status, 0)
  assert.is(rig.run(['check', 'file.yml', ...dir]).status, 2)
})

test('1: a host failed, the others went on', () => {
  const { status, stdout } = rig.run(['apply', 'fails.yml', '-v'])
  assert.is(status, 1)
  assert.match(stdout, 'on purpose')
  assert.match(stdout, 'h2: debug')
  assert.not.match(stdout, 'h1: debug')
  assert.is(rig.run(['check', 'fails.yml']).status, 1)
  assert.is(rig.run(['apply', 'fails.yml', '-l', 'h2']).status, 0)
})

test('3: a host was unreachable; 1 where another failed', () => {
  const both = ['-i', 'hosts.yml', '-i', 'away.yml', '-T', '3']
  const { status, stdout } = rig.run(['apply', 'file.yml', ...dir, ...both])
  assert.is(status, 3)
  assert.match(stdout, /unreachable .*away/)
  assert.is(rig.run(['check', 'file.yml', ...dir, ...both]).status, 3)
  assert.is(rig.run(['apply', 'fails.yml', ...both]).status, 1)
})

test('130: interrupted, and the running step came to its end', async () => {
  rig.write(
    'slow.yml',
    '- hosts: h1\n  tasks:\n    - shell: touch <%= dir %>/began; until test -e <%= dir %>/go; do sleep 0.1; done; touch <%= dir %>/ended\n    - copy: { content: x, dest: "<%= dir %>/after" }\n    - command: touch <%= dir %>/never\n',
  )
  const child = rig.start(['apply', 'slow.yml', ...dir, '--output', 'ndjson'])
  let said = ''
  child.stdout!.on('data', (d) => {
    said += d
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  await until(() => existsSync(join(rig.dir, 'began')))
  child.kill('SIGINT')
  await new Promise((resolve) => child.stderr!.once('data', resolve))
  writeFileSync(join(rig.dir, 'go'), '')
  assert.is(await ended, 130)
  assert.ok(existsSync(join(rig.dir, 'ended')))
  assert.not.ok(existsSync(join(rig.dir, 'never')))
  const last = JSON.parse(said.trim().split('\n').at(-1)!)
  assert.is(last.event, 'recap')
  assert.is(last.interrupted, true)
})

test('130: interrupted twice ends at once', async () => {
  rig.write('slower.yml', '- hosts: h1\n  tasks:\n    - shell: echo $$ ><%= dir %>/shell.pid; exec sleep 60\n')
  const child = rig.start(['apply', 'slower.yml', ...dir])
  const ended = new Promise((resolve) => child.on('close', resolve))
  const file = join(rig.dir, 'shell.pid')
  await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'))
  child.kill('SIGINT')
  await new Promise((resolve) => child.stderr!.once('data', resolve))
  child.kill('SIGINT')
  assert.is(await ended, 130)
  const pid = Number(readFileSync(file, 'utf8'))
  await until(() => hasEnded(pid))
})

/** A zombie may be left where nobody asks for its end. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return true
  }
}

test('the recap counts every task and loop item, what was let pass as ok', () => {
  const events = rig.events(['apply', 'mixed.yml'])
  const { trips, ...counts } = recap(events as never).h1!
  assert.equal(counts, { ok: 5, changed: 2, skipped: 1, failed: 0, unreachable: 0, unknown: 0 })
  assert.ok(trips! > 0)
  const statuses = events.filter((e) => e.event === 'task').map((e) => `${e.status}${e.ignored ? ' ignored' : ''}`)
  assert.equal(statuses, ['ok', 'skipped', 'changed', 'failed ignored', 'changed', 'ok', 'ok', 'failed ignored'])
  assert.is(rig.run(['apply', 'mixed.yml']).status, 0)
})

test('what never converges is a warning, a failure with --strict', () => {
  const loose = rig.run(['apply', 'fights.yml', ...dir])
  assert.is(loose.status, 0)
  assert.match(`${loose.stdout}${loose.stderr}`, 'never-converges')
  assert.is(rig.run(['apply', 'fights.yml', ...dir, '--strict']).status, 1)
  assert.is(rig.run(['check', 'fights.yml', ...dir, '--strict']).status, 1)
})

test('handlers of a host that failed run with --force-handlers only', () => {
  const there = (name: string) => existsSync(join(rig.dir, name))
  assert.is(rig.run(['apply', 'handlers.yml', ...dir]).status, 1)
  assert.equal(['first', 'second', 'third'].map(there), [false, false, false])
  assert.is(rig.run(['apply', 'handlers.yml', ...dir, '--force-handlers']).status, 1)
  assert.equal(['first', 'second', 'third'].map(there), [true, true, false])
})

test('a handler that there is not, by a template, fails the task before it changes anything', () => {
  const made = join(rig.dir, 'notified')
  rig.write(
    'notify.yml',
    `- hosts: h1\n  vars: { x: nothing }\n  tasks:\n    - { copy: { content: x, dest: "${made}" }, notify: "restart <%= x %>" }\n  handlers: [{ name: restart it, ping: }]\n`,
  )
  for (const command of ['check', 'apply']) {
    const { status, stdout } = rig.run([command, 'notify.yml'])
    assert.is(status, 1)
    assert.match(stdout, 'no handler of this play is named `restart nothing`')
  }
  assert.not.ok(existsSync(made))
  assert.is(rig.run(['apply', 'notify.yml', '-e', 'x=it']).status, 0)
})

test.run()
