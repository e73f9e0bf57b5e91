import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab } from './lab.ts'

const reason = canBootLab()
if (reason !== undefined) console.log(`SKIP ${reason}`)
const check = reason === undefined ? test : test.skip

check('hosts have control groups of their own, and leave nothing', async () => {
  const lab = await bootLab(2)
  let groups: string[]
  let pids: string[]
  try {
    pids = lab.hosts.map((h) => readFileSync(join(lab.dir, h.name, 'pid'), 'utf8'))
    groups = pids.map((pid) => readFileSync(`/proc/${pid}/cgroup`, 'utf8'))
    assert.is(lab.run('h2', ['systemctl', 'is-system-running', '--wait']).stdout, 'running\n')
  } finally {
    lab.stop()
  }
  assert.not.equal(groups[0], groups[1])
  assert.not(existsSync(lab.dir))
  for (const pid of pids) assert.not(existsSync(`/proc/${pid}/cwd/.`))
  const group = /runbook-lab-[\w-]+/.exec(groups[0]!)![0]
  for (const at of ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'])
    assert.not(existsSync(join(at, group)), `${at}/${group}`)
})

test.run()
