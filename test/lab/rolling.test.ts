import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { runbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// A rolling restart over real hosts: one at a time, each ready again before the next.

/** A service that is ready a second after systemd calls it active; its own starts and readiness, by the common clock. */
const taskFile = `
name: rolling
params: { properties: { service: { type: string }, seconds: { type: number, default: 1 } }, required: [service] }
tasks:
  - name: unit
    systemd_unit:
      name: <%= service %>
      unit:
        Service:
          ExecStart: /bin/sh -c "rm -f /run/ready; date +%%s%%N >/run/start; sleep <%= seconds %>; date +%%s%%N >/run/ready; exec sleep 1000"
  - name: restart
    systemd_unit: { name: <%= service %>, state: restarted }
    when: broken !== inventory_hostname
  - name: ready
    command: test -s /run/ready
    register: ready
    until: ready.rc === 0
    retries: 50
    delay: 0.1
    changed_when: false
`
const play = `
- hosts: all
  become: true
  serial: 1
  vars: { broken: '' }
  tasks:
    - include: rolling.yml
      params: { service: slow }
`

labSuite(3, [
  [
    'one host at a time, each ready before the next; one that never becomes ready ends it',
    async (lab: Lab) => {
      const dir = mkdtempSync(join(tmpdir(), 'rolling-'))
      try {
        writeFileSync(join(dir, 'play.yml'), play)
        writeFileSync(join(dir, 'rolling.yml'), taskFile)
        const apply = (...more: string[]) => runbook(['apply', join(dir, 'play.yml'), ...more], lab)
        const times = (file: string) =>
          ['h1', 'h2', 'h3'].map((host) => Number(lab.run(host, ['cat', `/run/${file}`]).stdout) / 1e9)
        const done = apply()
        assert.is(done.status, 0, done.stdout + done.stderr)
        const [starts, readies] = [times('start'), times('ready')]
        for (const i of [0, 1]) assert.ok(readies[i]! < starts[i + 1]!, `${starts} ${readies}`)

        for (const host of ['h1', 'h2']) lab.run(host, ['sh', '-c', 'systemctl stop slow; rm -f /run/ready'])
        const ended = apply('-e', 'broken=h2')
        assert.is(ended.status, 1, ended.stdout + ended.stderr)
        assert.match(ended.stdout, /failed h2: rolling : ready/)
        assert.match(ended.stdout + ended.stderr, /all hosts of a batch failed: h2; h3 had no turn/)
        assert.ok(times('start')[0]! > starts[0]!, 'the first was restarted')
        assert.is(times('start')[2], starts[2], 'the third was left alone')
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    },
  ],
])
