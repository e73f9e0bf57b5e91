import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ansibleCore, pythonTool } from '../lab/python-tools.ts'
import { localHosts, Rig } from './rig.ts'

// Which tasks tags choose, beside what ansible-core says of the same playbook.

const ansible = pythonTool('ansible', [ansibleCore], 'ansible-playbook')
const check = ansible === undefined ? test.skip : test
if (ansible === undefined) console.log('SKIP ansible-core could not be installed')

const task = (name: string, tags?: string) =>
  `    - { debug: { msg: x }, name: ${name}${tags ? `, tags: ${tags}` : ''} }\n`
const playbook = `
- hosts: h1
  tasks:
${task('plain')}${task('a', 'a')}${task('b', '[b]')}${task('ab', '[a, b]')}${task('comma', '"a, c"')}${task('always', 'always')}
${task('always-a', '[always, a]')}${task('never', 'never')}${task('never-a', '[never, a]')}${task('never-always', '[never, always]')}
- hosts: h1
  tags: [p]
  tasks:
${task('p-plain')}${task('p-a', 'a')}${task('p-never', 'never')}${task('p-always', 'always')}
- hosts: h1
  tags: never
  tasks:
${task('n-plain')}${task('n-a', 'a')}
`

const options = [
  '',
  '-t a',
  '-t b',
  '-t a,b',
  '-t c',
  '-t p',
  '-t always',
  '-t never',
  '-t all',
  '-t tagged',
  '-t untagged',
  '-t nothing',
  '-t all,never',
  '-t untagged,a',
  '--skip-tags a',
  '--skip-tags always',
  '--skip-tags never',
  '--skip-tags all',
  '--skip-tags tagged',
  '--skip-tags untagged',
  '--skip-tags p',
  '-t a --skip-tags b',
  '-t a --skip-tags always',
  '-t a --skip-tags a',
  '-t p --skip-tags a',
  '-t never --skip-tags a',
  '-t a --skip-tags always,b',
  '--skip-tags a,p',
  '-t a -t b',
  '-t tagged --skip-tags always',
  '-t all --skip-tags tagged',
  '--skip-tags all,always',
]

const rig = new Rig({ 'hosts.yml': localHosts('h1'), 'tagged.yml': playbook })

/** All in one process that forks: importing Ansible takes longest. */
function byAnsible(): string[][] {
  const program = `
import json, os, sys
from ansible.cli.playbook import PlaybookCLI
for line in json.loads(sys.argv[1]):
    print('>>>', line, flush=True)
    if os.fork() == 0:
        PlaybookCLI(['ansible-playbook', '--list-tasks', '-i', 'hosts.yml', 'tagged.yml'] + line.split()).run()
        sys.stdout.flush()
        os._exit(0)
    os.wait()`
  const done = spawnSync(join(dirname(ansible!), 'python'), ['-c', program, JSON.stringify(options)], {
    cwd: rig.dir,
    env: { PATH: process.env.PATH, HOME: rig.dir, LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
  })
  const parts = done.stdout.split(/^>>>.*$/m).slice(1)
  if (parts.length !== options.length) throw new Error(done.stderr)
  return parts.map((p) => [...p.matchAll(/^ {6}(\S+)\tTAGS/gm)].map((m) => m[1]!))
}

check('tags choose what they choose with Ansible', () => {
  const theirs = byAnsible()
  assert.ok(theirs[0]!.length > 5, 'nothing was listed')
  for (const [i, line] of options.entries()) {
    const args = line === '' ? [] : line.split(' ')
    const ours = rig.events(['check', 'tagged.yml', ...args]).flatMap((e) => (e.event === 'play' ? e.tasks : []))
    assert.equal(ours, theirs[i], line)
  }
})

test('handlers run whatever the tags', () => {
  rig.write(
    'handlers.yml',
    `
- hosts: h1
  tasks:
    - { command: 'true', name: a, tags: a, notify: h }
    - { command: 'true', name: b, tags: b }
  handlers:
    - { name: h, command: 'true', tags: c }
`,
  )
  const tasks = rig.events(['apply', 'handlers.yml', '-t', 'a']).flatMap((e) => (e.event === 'task' ? [e.task] : []))
  assert.equal(tasks, ['a', 'h'])
})

test('a tag that no task has is told', () => {
  rig.write('one.yml', '- hosts: h1\n  tasks:\n    - { debug: { msg: x }, tags: [web, db] }\n')
  rig.write('none.yml', '- hosts: h1\n  tasks:\n    - { debug: { msg: x } }\n')
  const told = (...args: string[]) => {
    const { status, stderr } = rig.run(['apply', ...args])
    assert.is(status, 0, stderr)
    return stderr
  }
  assert.match(told('one.yml', '-t', 'wbe'), /no task has the tag `wbe`[\s\S]*there are: db, web/)
  assert.match(told('one.yml', '--skip-tags', 'bd'), /no task has the tag `bd`/)
  assert.match(told('none.yml', '-t', 'web'), /no task has the tag `web`[\s\S]*none has any/)
  for (const args of ['-t web', '-t db,all', '--skip-tags tagged', '-t always,web'])
    assert.not.match(told('one.yml', ...args.split(' ')), /has the tag/)
})

test.run()
