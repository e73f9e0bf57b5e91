import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { runbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// Tasks that run as a user who is not there, or not yet.

const dir = mkdtempSync(join(tmpdir(), 'users-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

/** Of a play in which it is made, and one that is its own. */
const plays = (user: string, makes: string) => `
- name: first
  hosts: all
  become: true
  tasks:
    - { name: made, ${makes} }
    - { name: own, command: id, become_user: ${user}, changed_when: false }
- name: second
  hosts: all
  become: true
  become_user: ${user}
  tasks:
    - { name: said, debug: { msg: "<%= facts.uid %>" } }
    - { name: judged, command: id, changed_when: facts.uid > 0 }
    - { name: root, file: { path: /srv/of-${user}, state: directory, owner: ${user} }, become_user: root }
`

function outcome(lab: Lab, mode: 'check' | 'apply', text: string) {
  const file = join(dir, 'play.yml')
  writeFileSync(file, text)
  const { status, stdout, stderr } = runbook([mode, file, '--output', 'ndjson'], lab)
  const events = stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Record<string, unknown>)
  const of = (kind: string) => events.filter((e) => e.event === kind)
  const told = of('task').map((e) => `${e.task}: ${e.status}`)
  const failures = of('task').flatMap((e) => (e.status === 'failed' ? [`${e.task}: ${e.message}`] : []))
  return { status, stderr, told, failures, ends: of('host').map((e) => e.message) }
}

labSuite(1, [
  [
    'a user that a task or a command makes is waited for, in this play and the next',
    async (lab) => {
      for (const [user, makes] of [
        ['anna', 'user: { name: anna }'],
        ['bert', 'shell: useradd -m bert'],
      ] as const) {
        const checked = outcome(lab, 'check', plays(user, makes))
        assert.equal(checked.ends, [], checked.stderr)
        assert.equal(checked.told, ['made: changed', ...['own', 'said', 'judged', 'root'].map((t) => `${t}: unknown`)])
        const applied = outcome(lab, 'apply', plays(user, makes))
        assert.equal(applied.ends, [], applied.stderr)
        assert.equal(applied.told, ['made: changed', 'own: ok', 'said: ok', 'judged: changed', 'root: changed'])
        assert.is(lab.run('h1', ['stat', '-c', '%U', `/srv/of-${user}`]).stdout.trim(), user)
      }
    },
  ],
  [
    'a directory that somebody may enter by then shows what he did not see',
    async (lab) => {
      lab.run('h1', ['sh', '-c', 'mkdir -m 0700 /srv/shut && echo x >/srv/shut/f'])
      const play = `
- hosts: all
  become: true
  tasks:
    - { name: before, stat: { path: /srv/shut/f }, become_user: nobody, ignore_errors: true }
    - { name: opened, file: { path: /srv/shut, mode: '0755' } }
    - { name: seen, stat: { path: /srv/shut/f }, become_user: nobody, register: now }
    - { name: there, assert: { that: now.stat.exists } }
`
      const checked = outcome(lab, 'check', play)
      assert.equal(checked.told.slice(1), ['opened: changed', 'seen: unknown', 'there: unknown'], checked.stderr)
      const { told, stderr } = outcome(lab, 'apply', play)
      assert.equal(told.slice(1), ['opened: changed', 'seen: ok', 'there: ok'], stderr)
    },
  ],
  [
    'one that somebody else makes meanwhile is made, if it is what it was to be',
    async (lab) => {
      const play = (made: string) => `
- hosts: all
  become: true
  tasks:
    - { name: somebody, command: "${made}", affects: nothing }
    - { name: group, group: { name: meanwhile, gid: 7001 } }
    - { name: user, user: { name: meanwhile, uid: 7001, group: meanwhile } }
`
      const first = outcome(lab, 'apply', play('groupadd -g 7001 meanwhile'))
      assert.equal(first.told, ['somebody: changed', 'group: changed', 'user: changed'], first.stderr)
      lab.run('h1', ['sh', '-c', 'userdel meanwhile; groupdel meanwhile 2>/dev/null; :'])
      const other = outcome(lab, 'apply', play('groupadd -g 7002 meanwhile'))
      assert.is(other.status, 1)
      assert.match(other.failures.join(), /group meanwhile: its gid was to be 7001, it is 7002/)
    },
  ],
  [
    'no shell of ours keeps a user from being changed or removed',
    async (lab) => {
      lab.run('h1', ['useradd', '-m', 'carl'])
      const play = (change: string) => `
- hosts: all
  become: true
  tasks:
    - { name: before, stat: { path: /srv }, become_user: carl }
    - { name: changed, user: { name: carl, ${change} } }
    - { name: after, command: id -un, become_user: ${change.includes('absent') ? 'deploy' : 'carl'}, changed_when: false }
`
      for (const change of ['home: /srv/carl', 'uid: 4711', 'state: absent']) {
        const { told, stderr } = outcome(lab, 'apply', play(change))
        assert.equal(told, ['before: ok', 'changed: changed', 'after: ok'], `${change} ${stderr}`)
      }
    },
  ],
  [
    'a task of a user whom nothing makes fails, in check as in apply, wherever the user is named',
    async (lab) => {
      const failed = (task: string) => `${task}: the host has no user nosuch`
      const text = plays('nosuch', 'command: id, changed_when: false')
      for (const mode of ['check', 'apply'] as const) {
        const { told, failures, ends, status } = outcome(lab, mode, text)
        assert.equal([told, failures, ends, status], [['made: ok', 'own: failed'], [failed('own')], [], 1], mode)
      }
      const own = `
- hosts: all
  become: true
  become_user: nosuch
  tasks:
    - { name: asked, stat: { path: /srv }, ignore_errors: true }
    - { name: run, command: id, ignore_errors: true, register: ran }
    - { name: root, file: { path: /srv/beside, state: directory }, become_user: root }
    - { name: seen, assert: { that: ran.failed }, become_user: root }
    - { name: said, debug: { msg: "<%= facts.uid %>" } }
`
      for (const mode of ['check', 'apply'] as const) {
        const { told, failures, ends } = outcome(lab, mode, own)
        assert.equal(told.slice(0, 2), ['asked: failed', 'run: failed'], mode)
        assert.match(told.join(), /root: changed,seen: ok,said: failed$/, mode)
        assert.equal([failures, ends], [['asked', 'run', 'said'].map(failed), []], mode)
      }
    },
  ],
])
