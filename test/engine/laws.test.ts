import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stringify } from 'yaml'
import { type Ran, run, scratchDir } from './scratch.ts'

// Laws 1 to 4 of the design, on generated playbooks over scratch hosts: real shells, real files.

const scratch = scratchDir()
let count = 0

const names = ['a', 'b', 'a/c', 'b/d', 'a/c/e']
const path = (host: string) => fc.constantFrom(...names).map((n) => `${host}/${n}`)
// others than root can't look into a directory that its owner may not enter
const flat = process.getuid?.() === 0 ? ['0644', '0600'] : []
const mode = fc.constantFrom(...flat, '0755', '0700', 'u=rwX,g=,o=')
const text = fc.constantFrom('one\n', 'two\n', 'one\ntwo\n', '')

/** Tasks that may or may not fit together; every failure is let pass. */
const task = (host: string) =>
  fc.oneof(
    fc.record({ file: fc.record({ path: path(host), state: fc.constantFrom('directory', 'absent', 'file') }) }),
    fc.record({ file: fc.record({ path: path(host), state: fc.constant('directory'), mode }) }),
    fc.record({ file: fc.record({ path: path(host), mode }) }),
    fc.record({
      file: fc.record({ src: path(host), path: path(host), state: fc.constant('link'), force: fc.boolean() }),
    }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), mode }) }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), follow: fc.boolean() }) }),
    fc.record({
      lineinfile: fc.record({ path: path(host), line: fc.constantFrom('one', 'three'), create: fc.boolean() }),
    }),
    fc.record({
      blockinfile: fc.record({ path: path(host), block: fc.constantFrom('x', 'y', ''), create: fc.boolean() }),
    }),
    fc.record({ shell: fc.record({ cmd: path(host).map((p) => `echo said >${p} || exit 1`), creates: path(host) }) }),
  )

function playbook(tasks: readonly object[]): string {
  return stringify([{ hosts: 'all', tasks: tasks.map((t, i) => ({ name: `t${i}`, ...t, ignore_errors: true })) }])
}

function snapshot(dir: string): string[] {
  const found: string[] = []
  const walk = (at: string) => {
    for (const name of readdirSync(at).sort()) {
      const full = join(at, name)
      const stat = lstatSync(full)
      const kind = stat.isSymbolicLink()
        ? `-> ${readlinkSync(full)}`
        : stat.isDirectory()
          ? 'dir'
          : readFileSync(full, 'hex')
      found.push(`${full} ${(stat.mode & 0o7777).toString(8)} ${kind}`)
      if (stat.isDirectory()) walk(full)
    }
  }
  walk(dir)
  return found
}

const statuses = (ran: Ran) => ran.tasks.map((t) => `${t.task} ${t.status}`)

async function holds(
  make: (host: string) => fc.Arbitrary<object[]>,
  law: (host: string, tasks: readonly object[]) => Promise<void>,
) {
  const host = join(scratch, `h${count++}`)
  await fc.assert(
    fc.asyncProperty(make(host), async (tasks) => {
      rmSync(host, { recursive: true, force: true })
      mkdirSync(host)
      if (process.env.LAW_TRACE) console.log(playbook(tasks))
      await law(host, tasks)
    }),
    { numRuns: Number(process.env.LAW_RUNS ?? 40), endOnFailure: true },
  )
}

const tasks = (host: string) => fc.array(task(host), { minLength: 1, maxLength: 7 })

test('law 1: check lists exactly what apply does, but for what it calls unknown; and changes nothing', async () => {
  await holds(tasks, async (host, all) => {
    const text = playbook(all)
    const before = snapshot(host)
    const checked = await run('check', text)
    assert.equal(snapshot(host), before)
    const applied = await run('apply', text)
    const known = checked.tasks.filter((t) => t.status !== 'unknown')
    const same = new Set(known.map((t) => t.task))
    const made = applied.tasks.filter((t) => same.has(t.task))
    // a shell may fail only on the host, and what follows it was called unknown
    const failedLater = made.filter((t) => t.module === 'shell' && t.status === 'failed').map((t) => t.task)
    const told = (list: Ran['tasks']) =>
      list.filter((t) => !failedLater.includes(t.task)).map((t) => `${t.task} ${t.status} ${t.changes.join('; ')}`)
    assert.equal(told(known), told(made))
  })
})

test('law 2: the host becomes what was predicted', async () => {
  await holds(tasks, async (_host, all) => {
    const applied = await run('apply', playbook(all))
    const wrong = applied.tasks.filter((t) => /not what was predicted/.test(t.message ?? ''))
    assert.equal(
      wrong.map((t) => t.message),
      [],
    )
  })
})

/** The tasks that do not fail on a fresh host. What one fails for, a later one may make: a second run would do it then. */
async function sound(host: string, tasks: readonly object[]): Promise<string> {
  const first = await run('apply', playbook(tasks))
  const failed = new Set(first.tasks.filter((t) => t.status === 'failed').map((t) => t.task))
  rmSync(host, { recursive: true, force: true })
  mkdirSync(host)
  return playbook(tasks.filter((_, i) => !failed.has(`t${i}`)))
}

/** The tasks that are told to never converge. */
const fighting = (ran: Ran) => ran.warnings.map((w) => /task "(\w+)"/.exec(w)![1])

test('law 3: what is not idempotent is told, and nothing else; in check as in apply', async () => {
  await holds(tasks, async (host, all) => {
    const text = await sound(host, all)
    const checked = await run('check', text)
    const first = await run('apply', text)
    assert.equal(
      first.tasks.filter((t) => t.status === 'failed').map((t) => `${t.task} ${t.message}`),
      [],
    )
    // what a shell really did only the host can tell
    if (!checked.tasks.some((t) => t.status === 'unknown' || t.module === 'shell'))
      assert.equal(fighting(checked), fighting(first))
    const second = await run('apply', text)
    const again = second.tasks.filter((t) => t.status === 'changed').map((t) => `${t.task} ${t.changes}`)
    if (first.warnings.length === 0) assert.equal(again, [])
    else assert.ok(again.length > 0, `told without need: ${first.warnings}`)
  })
})

test('law 4: a second apply of what converged changes nothing and makes no trip to apply', async () => {
  await holds(tasks, async (host, all) => {
    const text = await sound(host, all)
    const first = await run('apply', text)
    if (first.warnings.length > 0) return
    const after = snapshot(host)
    const second = await run('apply', text)
    assert.equal(
      statuses(second).filter((s) => s.endsWith('changed')),
      [],
    )
    assert.equal(snapshot(host), after)
    assert.ok(second.recap.hosts.here!.trips <= 1, `trips ${second.recap.hosts.here!.trips}`)
  })
})

test.run()
