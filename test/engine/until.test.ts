import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineModule } from '../../src/module.ts'
import { type Ran, run, scratchDir } from './scratch.ts'

// `until`: a task is tried again until something holds of its own result, and nothing behind it is started before.

const dir = scratchDir()
const at = (name: string) => join(dir, name)
const fresh = () => {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir)
}
const told = ({ tasks }: Ran) => tasks.map((t) => `${t.task}: ${t.status}${t.output ? ` ${t.output}` : ''}`)
const play = (tasks: string) => `- hosts: all\n  tasks:\n${tasks.replace(/^/gm, '    ')}\n`
/** Says how often it ran. */
const counting = (name: string) => `sh -c 'echo x >>${at(name)}; wc -l <${at(name)}'`
const lines = (name: string) => readFileSync(at(name), 'utf8').trim().split('\n').length

test('a command is run again until it holds; nothing behind it is started before', async () => {
  fresh()
  const text =
    play(`- { name: count, command: "${counting('n')}", register: n, until: "n.stdout.trim() === '3'", delay: 0 }
- { name: behind, command: "cat ${at('n')}", register: seen, changed_when: false }
- { name: say, debug: { msg: "<%= n.attempts %> <%= seen.stdout_lines.length %>" } }`)
  const ran = await run('apply', text)
  assert.equal(told(ran), ['count: changed', 'behind: ok', 'say: ok 3 3'])
})

for (const [retries, runs] of [
  [0, 1],
  [1, 2],
  [undefined, 4],
] as const)
  test(`retries: ${retries} is ${runs} tries in vain, and a failure that says so`, async () => {
    fresh()
    const more = retries === undefined ? '' : `, retries: ${retries}`
    const text =
      play(`- { name: count, command: "${counting('n')}", register: n, until: n.stdout === 'never', delay: 0${more} }
- { name: behind, ping: }`)
    const ran = await run('apply', text)
    assert.equal(told(ran), ['count: failed'])
    assert.is(
      ran.tasks[0]!.message,
      `until: n.stdout === 'never' does not hold (tried ${runs === 1 ? 'once' : `${runs} times`})`,
    )
    assert.is(lines('n'), runs)
  })

test('what fails is tried again; ignore_errors lets the last failure pass', async () => {
  fresh()
  const failing = `sh -c 'echo x >>${at('n')}; test $(wc -l <${at('n')}) -ge 3'`
  const until = await run('apply', play(`- { name: a, command: "${failing}", retries: 5, delay: 0 }`))
  assert.equal(told(until), ['a: changed'])
  assert.is(lines('n'), 3)
  fresh()
  const vain = play(`- { name: a, command: "false", retries: <%= 1 + 0 %>, delay: 0, ignore_errors: true, register: r }
- { name: say, debug: { msg: "<%= r.failed %> <%= r.attempts %> <%= r.rc %>" } }`)
  const ran = await run('apply', vain)
  assert.equal(told(ran), ['a: failed', 'say: ok true 2 1'])
  assert.is(ran.recap.hosts.here!.failed, 0)
  assert.match(ran.tasks[0]!.message!, /exit.*1.*\(tried 2 times\)/)
})

test('a failure that is what was waited for stays one', async () => {
  const text = play(`- { name: a, command: sh -c "exit 3", register: r, until: r.rc === 3, delay: 0 }`)
  assert.equal(told(await run('apply', text)), ['a: failed'])
  const better = text.replace('delay', "failed_when: 'r.rc !== 3', delay")
  assert.equal(told(await run('apply', better)), ['a: changed'])
})

test('what only looks is looked at again, and all else that was seen before', async () => {
  fresh()
  const text = play(`- { name: other, stat: { path: ${at('other')} }, register: before }
- { name: wait, stat: { path: ${at('there')} }, register: r, until: r.stat.exists, delay: 0.05, retries: 100 }
- { name: again, stat: { path: ${at('other')} }, register: after }
- { name: say, debug: { msg: "<%= before.stat.exists %> <%= after.stat.exists %> <%= r.attempts > 1 %>" } }`)
  let said = ''
  const ran = await run('apply', text, {
    onEvent: (e) => {
      if (e.event !== 'progress') return
      said = e.step
      writeFileSync(at('other'), '')
      writeFileSync(at('there'), '')
    },
  })
  assert.equal(told(ran), ['other: ok', 'wait: ok', 'again: ok', 'say: ok false true true'])
  assert.is(said, 'until: r.stat.exists does not hold; again in 0.05 s')
})

test('where it holds at once, waiting costs nothing', async () => {
  fresh()
  writeFileSync(at('there'), '')
  const task = (until: string) =>
    play(`- { name: a, stat: { path: ${at('there')} }, register: r${until} }
- { name: b, file: { path: ${at('there')}, mode: '0600' } }`)
  await run('apply', task(''))
  const trips = async (until: string) => (await run('apply', task(until))).recap.hosts.here!.trips
  assert.is(await trips(', until: r.stat.exists'), await trips(''))
})

test('what the tasks before it did is there', async () => {
  fresh()
  const waits = `(until test -e ${at('tried')}; do sleep 0.1; done; touch ${at('late')}) >/dev/null 2>&1 &`
  const text = play(`- { name: make, command: "sh -c '${waits}'" }
- { name: copy, copy: { content: x, dest: ${at('soon')} } }
- { name: soon, stat: { path: ${at('soon')} }, register: s, until: s.stat.exists, retries: 0 }
- { name: late, stat: { path: ${at('late')} }, register: l, until: l.stat.exists, retries: 500, delay: 0.1 }
- { name: say, debug: { msg: "<%= s.attempts %> <%= l.attempts > 1 %>" } }`)
  const ran = await run('apply', text, {
    onEvent: (e) => void (e.event === 'progress' && /again/.test(e.step) && writeFileSync(at('tried'), '')),
  })
  assert.equal(told(ran).slice(1), ['copy: changed', 'soon: ok', 'late: ok', 'say: ok 1 true'])
})

test('each item of a loop is tried on its own', async () => {
  fresh()
  const text = play(`- name: count
  command: sh -c 'echo x >>${dir}/<%= item %>; wc -l <${dir}/<%= item %>'
  loop: [a, b]
  register: n
  until: n.stdout.trim() === '2'
  delay: 0
- { name: say, debug: { msg: "<%= n.results.map(r => r.attempts).join() %>" } }`)
  assert.is(told(await run('apply', text)).at(-1), 'say: ok 2,2')
})

test('check waits for nothing, and says what is not known', async () => {
  fresh()
  writeFileSync(at('there'), '')
  const text = play(`- { name: there, stat: { path: ${at('there')} }, register: a, until: a.stat.exists }
- { name: missing, stat: { path: ${at('missing')} }, register: b, until: b.stat.exists }
- { name: run, command: "false", register: c, until: c.rc === 0, affects: nothing }
- { name: use, copy: { content: "<%= b.stat.exists %>", dest: ${at('use')} } }
- { name: made, copy: { content: x, dest: ${at('made')} } }
- { name: look, file: { path: ${at('made')}, state: file }, register: d, until: d.state === 'file' }`)
  const ran = await run('check', text)
  assert.equal(told(ran), [
    'there: ok',
    'missing: unknown',
    'run: changed',
    'use: unknown',
    'made: changed',
    'look: ok',
  ])
  assert.is(ran.tasks[1]!.message, 'until: b.stat.exists')
})

const broken = defineModule({
  name: 'broken',
  summary: 's',
  params: { type: 'object', properties: {} },
  harmless: true,
})({
  plan: () => ({ failed: 'not yet' }),
})

test('what a module itself refuses is tried again, and unknown to check', async () => {
  const text = play(`- { name: a, broken: , register: r, until: r.value.there, retries: 1, delay: 0 }`)
  const options = { modules: [broken] }
  const checked = await run('check', text, options)
  assert.equal(told(checked), ['a: unknown'])
  assert.is(checked.tasks[0]!.message, 'until it does not fail: not yet')
  const ran = await run('apply', text, options)
  assert.is(ran.tasks[0]!.message, 'not yet (tried 2 times)')
})

test('a condition that goes wrong is told, and not tried again', async () => {
  const text = play(`- { name: a, command: "true", register: r, until: r.nothing.there, delay: 60 }`)
  const ran = await run('apply', text)
  assert.equal(told(ran), ['a: failed'])
  assert.match(ran.tasks[0]!.message!, '`there` is asked of an undefined value')
})

test('an interrupt ends the waiting', async () => {
  const text = play(`- { name: a, command: "false", retries: 5, delay: 600 }\n- { name: b, ping: }`)
  const ran = await run('apply', text, {
    onEvent: (e, it) => void (e.event === 'progress' && /again/.test(e.step) && it.stop()),
  })
  assert.is(ran.recap.interrupted, true)
  assert.equal(told(ran), [])
})

test.run()
