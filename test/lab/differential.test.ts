import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { ansibleCore, pythonTool } from './python-tools.ts'
import { runbook } from './runbook.ts'

// The same tasks, word for word, by ansible-core on one host and by runbook on another, twice: what they leave and what
// they call changed has to be the same.

const here = join(process.cwd(), 'test/lab/differential')
const reason = canBootLab()
const ansible = reason === undefined ? pythonTool('ansible', [ansibleCore], 'ansible-playbook') : undefined
const skip = reason ?? (ansible === undefined ? 'ansible-core could not be installed' : undefined)

/** Differences on purpose; docs/modules.md says why. */
const onPurpose: Record<string, string> = {}

interface Told {
  readonly task: string
  readonly status: string
  readonly msg: string
}

function byAnsible(lab: Lab, dir: string): Told[] {
  const told = join(dir, 'told')
  rmSync(told, { force: true })
  const done = spawnSync(ansible!, ['-i', lab.inventoryFile, '-l', 'h1', join(dir, 'play.yml')], {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      PYTHONDONTWRITEBYTECODE: '1',
      HOME: dir,
      LC_ALL: 'C.UTF-8',
      TOLD: told,
      ANSIBLE_CALLBACK_PLUGINS: join(here, 'callback'),
      ANSIBLE_STDOUT_CALLBACK: 'told',
      ANSIBLE_PIPELINING: '1',
      ANSIBLE_LOCALHOST_WARNING: '0',
    },
  })
  if (done.status !== 0)
    throw new Error(`ansible: ${readFileSync(told, 'utf8').slice(-500)} ${done.stdout}${done.stderr}`)
  return readFileSync(told, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Told)
}

function byRunbook(lab: Lab, dir: string): Told[] {
  const done = runbook(['apply', join(dir, 'play.yml'), '-l', 'h2', '--output', 'ndjson'], lab)
  if (done.status !== 0) throw new Error(`${done.stdout.slice(-4000)}${done.stderr}`)
  const events = done.stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l))
  const tasks = events.filter((e) => e.event === 'task')
  return merged(tasks.map((t) => ({ task: t.task, status: t.status, msg: t.message ?? '' })))
}

/** Ansible tells of a loop once. */
function merged(all: readonly Told[]): Told[] {
  const found: Told[] = []
  for (const t of all) {
    const last = found.at(-1)
    if (last?.task !== t.task) found.push(t)
    else if (t.status === 'changed') found[found.length - 1] = t
  }
  return found
}

const look = `
cd /srv/t && find . -printf '%p\\t%y\\t%m\\t%u\\t%g\\t%l\\n' | sort
find . -type f -exec sha256sum {} + | sort -k2
find . -newermt 1999-01-01 ! -newermt 2010-01-01 -printf '%p\\t%Ts\\n' | sort
getent passwd | sort; getent group | sort; getent shadow | cut -d: -f1,2,8 | sort
find /home /var/mail -printf '%p\\t%y\\t%m\\t%u\\t%g\\t%l\\n' | sort`

function state(lab: Lab, name: string): string[] {
  // a backup's name has a process and a time in it
  const backup = /\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~/g
  return lab.run(name, ['sh', '-c', look]).stdout.replace(backup, '.backup').split('\n')
}

const check = skip === undefined ? test : test.skip
if (skip !== undefined) console.log(`SKIP ${skip}`)

check('runbook does what ansible-core does', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'differential-'))
  const lab = await bootLab(2)
  try {
    cpSync(join(here, 'files'), join(dir, 'files'), { recursive: true })
    mkdirSync(join(dir, 'group_vars'))
    cpSync(join(here, 'templates'), join(dir, 'templates'), { recursive: true })
    makeLinks(join(dir, 'files/links'))
    const tasks = ['tasks.yml', 'files.yml', 'system.yml'].map((name) => readFileSync(join(here, name), 'utf8'))
    const body = tasks
      .join('\n')
      .split('\n')
      .filter((l) => !l.startsWith('#'))
      .map((l) => `    ${l}`)
      .join('\n')
    const handlers = '  handlers:\n    - name: handler\n      copy: { content: "handled\\n", dest: /srv/t/handled }\n'
    writeFileSync(join(dir, 'play.yml'), `- hosts: all\n  gather_facts: false\n  tasks:\n${body}\n${handlers}`)
    for (const round of [1, 2]) {
      const [theirs, ours] = [byAnsible(lab, dir), byRunbook(lab, dir)]
      const told = (all: readonly Told[]) => all.map((t) => `${t.task}: ${t.status}`)
      const differences = told(theirs).flatMap((t, i) => {
        const [a, b] = [t, told(ours)[i]]
        return a === b || onPurpose[theirs[i]!.task] ? [] : [`${a} | ours ${b} (${theirs[i]!.msg} | ${ours[i]?.msg})`]
      })
      assert.is(differences.join('\n'), '', `round ${round}`)
      assert.is(ours.length, theirs.length)
      assert.ok(theirs.length >= 250, `only ${theirs.length} tasks`)
      assert.is(difference(state(lab, 'h1'), state(lab, 'h2')), '', `state after round ${round}`)
    }
  } finally {
    lab.stop()
    rmSync(dir, { recursive: true, force: true })
  }
})

/** A directory with links in it, which not every copy of this repository could hold. */
function makeLinks(dir: string): void {
  mkdirSync(join(dir, 'deep'), { recursive: true })
  writeFileSync(join(dir, 'deep/f'), 'f\n')
  for (const [name, target] of Object.entries({ d: 'deep', f: 'deep/f', none: '/nowhere', 'deep/up': '..' }))
    symlinkSync(target, join(dir, name))
}

function difference(theirs: readonly string[], ours: readonly string[]): string {
  const [a, b] = [new Set(theirs), new Set(ours)]
  return [
    ...theirs.filter((l) => !b.has(l)).map((l) => `- ${l}`),
    ...ours.filter((l) => !a.has(l)).map((l) => `+ ${l}`),
  ].join('\n')
}

test.run()
