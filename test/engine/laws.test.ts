import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stringify } from 'yaml'
import type { TaskEvent } from '../../src/report/events.ts'
import { type Ran, run, scratchDir } from './scratch.ts'

// Laws 1 to 4 of the design, on generated playbooks over scratch hosts: real shells, real files. A long run:
// LAW_RUNS=300 LAW_ONLY='law 2'; one again: LAW_SEED=-579840021; LAW_TRACE=1 prints every playbook.

const { LAW_RUNS, LAW_SEED, LAW_ONLY = '', LAW_SHRINK, LAW_TRACE } = process.env
const scratch = scratchDir()
let count = 0

const names = ['a', 'b', 'a/c', 'b/d', 'a/c/e']
const path = (host: string) => fc.constantFrom(...names).map((n) => `${host}/${n}`)
// others than root can't look into a directory that its owner may not enter
const isRoot = process.getuid?.() === 0
const flat = isRoot ? ['0644', '0600'] : []
const mode = fc.constantFrom(...flat, '0755', '0700', 'u=rwX,g=,o=')
const text = fc.constantFrom('one\n', 'two\n', 'one\ntwo\n', '')
const owner = fc.constantFrom(...(isRoot ? ['0', 'root', '65534', 'nobody'] : [String(process.getuid?.())]))
const ghost = fc.constant('no-such-name')
const sources = join(scratch, 'sources')
mkdirSync(join(sources, 'c'), { recursive: true })
writeFileSync(join(sources, 'e'), 'one\n')
writeFileSync(join(sources, 'c/e'), 'two\n')
writeFileSync(join(sources, 't.ejs'), 'one\n<%= seen.changed %>\n')

/** Tasks that may or may not fit together; every failure is let pass. */
const plain = (host: string) =>
  fc.oneof(
    fc.record({ file: fc.record({ path: path(host), state: fc.constantFrom('directory', 'absent', 'file') }) }),
    fc.record({ file: fc.record({ path: path(host), state: fc.constant('directory'), mode }) }),
    fc.record({ file: fc.record({ path: path(host), mode, follow: fc.boolean() }) }),
    fc.record({
      file: fc.record({ path: path(host), state: fc.constant('directory'), mode, recurse: fc.constant(true) }),
    }),
    fc.record({
      file: fc.record({
        src: path(host),
        path: path(host),
        state: fc.constantFrom('link', 'hard'),
        force: fc.boolean(),
      }),
    }),
    fc.record({ file: touched(path(host)) }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), mode }) }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), follow: fc.boolean(), force: fc.boolean() }) }),
    fc.record({
      lineinfile: fc.record({ path: path(host), line: fc.constantFrom('one', 'three'), create: fc.boolean() }),
    }),
    fc.record({
      blockinfile: fc.record({ path: path(host), block: fc.constantFrom('x', 'y', ''), create: fc.boolean() }),
    }),
    fc.record({ shell: fc.record({ cmd: said(host), creates: path(host) }) }),
    fc.record({ file: fc.record({ path: path(host), state: fc.constantFrom('directory', 'file'), owner, mode }) }),
    fc.record({ file: fc.record({ path: path(host), src: nearby, state: fc.constant('link'), force: fc.boolean() }) }),
    fc.record({ copy: fc.record({ src: source, dest: path(host).map((p) => `${p}/`), mode }) }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), owner, backup: fc.boolean() }) }),
  )

const nearby = fc.constantFrom('c', 'd', '.')
const upwards = fc.constantFrom('../b', '../a/c', '..')
const source = fc.constantFrom(sources, `${sources}/`, join(sources, 'e'), join(sources, 'c'))

/** Files in a row: they are made ready together. */
const burst = (host: string) =>
  fc.array(
    fc.oneof(
      fc.record({ copy: fc.record({ content: text, dest: path(host), mode }) }),
      fc.record({ copy: fc.record({ content: text, dest: path(host).map((p) => `${p}/e`) }) }),
      fc.record({ copy: fc.record({ content: text, dest: path(host), owner }) }),
      fc.record({ template: fc.record({ src: fc.constant(join(sources, 't.ejs')), dest: path(host) }) }),
    ),
    { minLength: 2, maxLength: 5 },
  )

const touched = (at: fc.Arbitrary<string>) =>
  at.map((path) => ({ path, state: 'touch', access_time: 'preserve', modification_time: 'preserve' }))

const said = (host: string) => path(host).map((p) => `echo said >${p} || exit 1`)

/** Tasks that look, and tasks that go by what was seen; loops; handlers; commands that say what they touch. */
const wide = (host: string) =>
  fc.oneof(
    { weight: 3, arbitrary: plain(host) },
    fc.record({
      stat: fc.record({ path: path(host), get_checksum: fc.boolean() }),
      register: fc.constant('seen'),
    }),
    fc.record({
      copy: fc.record({ content: text, dest: path(host) }),
      when: fc.constantFrom('seen.stat.exists', '!seen.stat.exists', 'seen.stat?.isdir === true'),
    }),
    fc.record({ copy: fc.record({ content: text, dest: path(host) }), notify: fc.constantFrom('first', 'second') }),
    fc.record({
      file: fc.record({ path: fc.constant('<%= item %>'), state: fc.constantFrom('directory', 'absent') }),
      loop: fc.array(path(host), { minLength: 1, maxLength: 3 }),
      register: fc.constant('seen'),
    }),
    fc.record({
      copy: fc.record({ content: fc.constant('<%= toJSON(seen.changed) %>'), dest: path(host) }),
      when: fc.constant('!seen.skipped'),
    }),
    path(host).map((p) => ({ shell: { cmd: `echo said >${p} || exit 1` }, affects: [p], register: 'seen' })),
    path(host).map((p) => ({ shell: { cmd: `test -e ${p}` }, changed_when: false, register: 'seen' })),
    path(host).map((p) => ({ shell: { cmd: `test -e ${p}` }, register: 'seen', retries: 1, delay: 0 })),
    path(host).map((p) => ({ stat: { path: p }, register: 'seen', until: 'seen.stat.exists', retries: 1, delay: 0 })),
    path(host).map((p) => ({ file: { path: p, state: 'file', mode: '0600' }, retries: 1, delay: 0 })),
    fc.record({ copy: fc.record({ src: path(host), dest: path(host), remote_src: fc.constant(true) }) }),
    fc.record({ file: fc.record({ path: path(host), state: fc.constant('touch'), mode }) }),
    fc.record({ file: fc.record({ path: path(host), src: upwards, state: fc.constant('link'), force: fc.boolean() }) }),
    fc.record({ fail: fc.constant({ msg: 'no' }), notify: fc.constant('first') }),
    fc.record({ file: fc.record({ path: path(host), state: fc.constant('directory'), owner: ghost }) }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), group: ghost }) }),
    fc.record({ copy: fc.record({ content: text, dest: path(host), validate: fc.constant('false %s') }) }),
    fc.record({
      copy: fc.record({ content: text, dest: path(host) }),
      register: fc.constant('seen'),
      changed_when: fc.constantFrom('facts.uid >= 0', 'facts.uid < 0', 'seen.changed && facts.uid >= 0'),
    }),
    fc.record({
      shell: fc.record({ cmd: said(host) }),
      affects: fc.array(path(host), { maxLength: 2 }).map((l) => (l.length > 0 ? [host, ...l] : [host])),
      register: fc.constant('seen'),
      failed_when: fc.constantFrom('facts.uid >= 0', 'seen.rc !== 0'),
      notify: fc.constantFrom('first', 'second', 'either'),
    }),
  )

/** @param second where a second play begins, if there is one. */
function playbook(tasks: readonly object[], host = '', second = tasks.length): string {
  const handlers = ['first', 'second'].map((name) => ({
    name,
    listen: 'either',
    copy: { content: `${name}\n`, dest: `${host}/${name}` },
    ignore_errors: true,
  }))
  const vars = { seen: { stat: { exists: false }, changed: false } }
  const named = tasks.map((t, i) => ({ name: `t${i}`, ...t, ignore_errors: true }))
  const play = (own: readonly object[], i: number) => ({ name: `p${i}`, hosts: 'all', vars, tasks: own, handlers })
  const plays = second < tasks.length ? [named.slice(0, second), named.slice(second)] : [named]
  return stringify(plays.map(play))
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
      if (LAW_TRACE) console.log(playbook(tasks, host))
      await law(host, tasks)
    }),
    {
      numRuns: Number(LAW_RUNS ?? 40),
      endOnFailure: !LAW_SHRINK,
      includeErrorInReport: true,
      ...(LAW_SEED === undefined ? {} : { seed: Number(LAW_SEED) }),
    },
  )
}

const lawTest = (name: string, body: () => Promise<void>) => {
  if (name.startsWith(LAW_ONLY)) test(name, body)
}

const some = (one: fc.Arbitrary<object>, host: string) =>
  fc.oneof({ weight: 8, arbitrary: one.map((t) => [t]) }, { weight: 1, arbitrary: burst(host) })
const tasks = (host: string) => fc.array(some(plain(host), host), { minLength: 1, maxLength: 7 }).map((l) => l.flat())
const wideTasks = (host: string) =>
  fc.array(some(wide(host), host), { minLength: 2, maxLength: 8 }).map((l) => l.flat())

/** Every task of a run with a name of its own, loop items too. */
function numbered({ tasks }: Ran): [id: string, task: TaskEvent][] {
  const counts = new Map<string, number>()
  return tasks.map((t) => {
    const name = `${t.play} ${t.task}`
    const n = counts.get(name) ?? 0
    counts.set(name, n + 1)
    return [`${name}#${n}`, t]
  })
}

const law1 = (plays: 1 | 2) => () =>
  holds(wideTasks, async (host, all) => {
    const text = playbook(all, host, plays === 1 ? all.length : all.length >> 1)
    const before = snapshot(host)
    const checked = await run('check', text)
    assert.equal(snapshot(host), before)
    const applied = await run('apply', text)
    const known = numbered(checked).filter(([, t]) => t.status !== 'unknown')
    const same = new Set(known.map(([id]) => id))
    const made = numbered(applied).filter(([id]) => same.has(id))
    // a shell may fail only on the host, and what follows it was called unknown
    const failedLater = made.filter(([, t]) => t.module === 'shell' && t.status === 'failed').map(([id]) => id)
    // what looks at a new content can say no only there, and nothing is as it was to be
    const refused = made.findIndex(([, t]) => /validation/.test(t.message ?? ''))
    const told = (list: typeof known) =>
      list
        .slice(0, refused === -1 ? undefined : refused)
        .filter(([id]) => !failedLater.includes(id))
        .map(([id, t]) => `${id} ${t.status} ${t.changes.join('; ')}`)
    assert.equal(told(known), told(made))
  })
lawTest('law 1: check lists exactly what apply does, but for what it calls unknown; and changes nothing', law1(1))
lawTest('law 1, two plays: a check goes on with what the first would have done', law1(2))

lawTest('law 2: the host becomes what was predicted', async () => {
  await holds(wideTasks, async (host, all) => {
    const applied = await run('apply', playbook(all, host))
    const wrong = applied.tasks.filter((t) => /not what was predicted/.test(t.message ?? ''))
    assert.equal(
      wrong.map((t) => t.message),
      [],
    )
  })
})

/** The tasks that do not fail on a fresh host. What one fails for, a later one may make: a second run would do it then. */
async function sound(host: string, tasks: readonly object[]): Promise<string> {
  const first = await run('apply', playbook(tasks, host))
  const failed = new Set(first.tasks.filter((t) => t.status === 'failed').map((t) => t.task))
  rmSync(host, { recursive: true, force: true })
  mkdirSync(host)
  return playbook(
    tasks.filter((_, i) => !failed.has(`t${i}`)),
    host,
  )
}

/** The tasks that are told to never converge. */
const fighting = (ran: Ran) => ran.warnings.map((w) => /task "(\w+)"/.exec(w)![1])

lawTest('law 3: what is not idempotent is told, and nothing else; in check as in apply', async () => {
  await holds(tasks, async (host, all) => {
    const text = await sound(host, all)
    const checked = await run('check', text)
    const first = await run('apply', text)
    assert.equal(
      first.tasks.filter((t) => t.status === 'failed').map((t) => `${t.task} ${t.message}`),
      [],
    )
    // what a shell really did only the host can tell
    if (!checked.tasks.some((t) => t.status === 'unknown' || t.module === 'shell')) {
      const told = fighting(first)
      assert.equal(
        fighting(checked).filter((f) => !told.includes(f)),
        [],
      )
      // and so it is with bytes that the host itself copies, with what lies behind a link that is replaced, and with whose a
      // new file will be
      if (!/state: (hard|link)|remote_src: true|owner:|group:/.test(text)) assert.equal(fighting(checked), told)
    }
    const second = await run('apply', text)
    const again = second.tasks.filter((t) => t.status === 'changed').map((t) => `${t.task} ${t.changes}`)
    if (first.warnings.length === 0) assert.equal(again, [])
    else assert.ok(again.length > 0, `told without need: ${first.warnings}`)
  })
})

lawTest('law 4: a second apply of what converged changes nothing and makes no trip to apply', async () => {
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
