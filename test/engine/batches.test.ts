import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { batchesOf, ordered } from '../../src/engine/batches.ts'
import { type Ran, run, scratchDir } from './scratch.ts'

// `serial`, `order` and `any_errors_fatal`: who goes with whom, after whom, and when nobody goes on.

const dir = scratchDir()
const at = (name: string) => join(dir, name)
const fresh = () => {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir)
}
const hosts = ['h1', 'h2', 'h3', 'h4', 'h5']
const told = ({ tasks }: Ran) => tasks.map((t) => `${t.host} ${t.task}`)

const sizes: readonly [serial: Parameters<typeof batchesOf>[1], sizes: readonly number[]][] = [
  [undefined, [5]],
  [[{ hosts: 1 }], [1, 1, 1, 1, 1]],
  [[{ hosts: 2 }], [2, 2, 1]],
  [[{ hosts: 9 }], [5]],
  [[{ share: 0.5 }], [2, 2, 1]],
  [[{ share: 0.01 }], [1, 1, 1, 1, 1]],
  [
    [{ hosts: 1 }, { share: 0.6 }],
    [1, 3, 1],
  ],
]
test('sizes of batches', () => {
  for (const [serial, expected] of sizes)
    assert.equal(
      batchesOf(hosts, serial).map((b) => b.length),
      expected,
    )
  assert.equal(batchesOf([], undefined), [])
})

test('every host is in one batch, in order', () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 7 }).map((n) => ({ hosts: n })),
    fc.integer({ min: 1, max: 100 }).map((n) => ({ share: n / 100 })),
  )
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(size, { minLength: 1 }), (names, serial) => {
      const batches = batchesOf(names, serial)
      assert.equal(batches.flat(), names)
      assert.ok(batches.every((b) => b.length > 0))
    }),
  )
})

test('orders', () => {
  const names = ['b', 'a', 'c']
  assert.equal(ordered(names, 'inventory'), ['b', 'a', 'c'])
  assert.equal(ordered(names, 'reverse_inventory'), ['c', 'a', 'b'])
  assert.equal(ordered(names, 'sorted'), ['a', 'b', 'c'])
  assert.equal(ordered(names, 'reverse_sorted'), ['c', 'b', 'a'])
})

test('a batch comes to its end, handlers too, before the next; it sees what those before left', async () => {
  fresh()
  const text = `
- hosts: all
  serial: [1, 2]
  order: reverse_sorted
  tasks:
    - { name: write, copy: { content: x, dest: "${dir}/<%= inventory_hostname %>" }, notify: look }
    - { name: fact, set_fact: { seen: "<%= play_hosts.filter(h => hostvars[h].seen !== undefined).length %>" } }
    - { name: say, debug: { msg: "<%= seen %>" } }
  handlers:
    - { name: look, command: "ls ${dir}", register: files, changed_when: false }
`
  const ran = await run('apply', text, { hosts: hosts.slice(0, 4) })
  const of = (host: string) => ['write', 'fact', 'say', 'look'].map((task) => `${host} ${task}`)
  assert.equal(told(ran).slice(0, 4), of('h4'))
  assert.equal(told(ran).slice(4, 12).sort(), [...of('h2'), ...of('h3')].sort())
  assert.equal(told(ran).slice(12), of('h1'))
  const said = ran.tasks.filter((t) => t.task === 'say').map((t) => `${t.host} ${t.output}`)
  assert.equal(said.sort(), ['h1 3', 'h2 1', 'h3 1', 'h4 0'])
  const listed = ran.tasks.find((t) => t.task === 'look')!
  assert.is(listed.said, 'h4')
  assert.equal(
    ran.events.flatMap((e) => (e.event === 'play' ? [e.hosts] : [])),
    [['h4', 'h3', 'h2', 'h1']],
  )
})

const failing = (more: string, broken: string) => `
- name: first
  hosts: all
  ${more}
  tasks:
    - { name: fail, fail: { msg: no }, when: "inventory_hostname in [${broken}]" }
    - { name: go on, debug: { msg: x } }
- name: second
  hosts: all
  tasks:
    - { name: later, debug: { msg: x } }
`
const wentOn = (ran: Ran, task: string) => ran.tasks.filter((t) => t.task === task).map((t) => t.host)

test('a batch of which all hosts failed ends the run, in check too', async () => {
  for (const mode of ['check', 'apply'] as const) {
    const ran = await run(mode, failing('serial: 2', "'h3', 'h4'"), { hosts })
    assert.equal(wentOn(ran, 'go on').sort(), ['h1', 'h2'])
    assert.equal(wentOn(ran, 'later'), [])
    assert.equal(ran.warnings, [
      'play-ended: the play "first" ends here, and nothing follows: all hosts of a batch failed: h3, h4; h5 had no turn',
    ])
    assert.is(ran.recap.hosts.h3!.failed, 1)
    assert.is(ran.recap.hosts.h5!.ok, 0)
  }
})

test('while one host of a batch is left, the run goes on without those that failed', async () => {
  const ran = await run('apply', failing('serial: 2', "'h1', 'h4'"), { hosts })
  assert.equal(wentOn(ran, 'go on').sort(), ['h2', 'h3', 'h5'])
  assert.equal(wentOn(ran, 'later').sort(), ['h2', 'h3', 'h5'])
  assert.equal(ran.warnings, [])
})

test('any_errors_fatal ends the run with the first host that fails', async () => {
  const alone = await run('apply', failing('any_errors_fatal: true', "'h2'"), { hosts, forks: 1 })
  assert.equal(wentOn(alone, 'go on'), ['h1'])
  assert.equal(wentOn(alone, 'later'), [])
  assert.equal(alone.warnings, [
    'play-ended: the play "first" ends here, and nothing follows: h2 failed, and any_errors_fatal is set; h3, h4, h5 had no turn',
  ])
  const serial = await run('apply', failing('any_errors_fatal: true\n  serial: 2', "'h2'"), { hosts })
  assert.ok(wentOn(serial, 'go on').every((h) => h === 'h1'))
  assert.equal(wentOn(serial, 'later'), [])
})

test('hosts that are under way finish what they are at, and nothing more', async () => {
  fresh()
  const text = `
- hosts: all
  any_errors_fatal: true
  tasks:
    - name: wait
      command: sh -c "until test -e ${dir}/go; do sleep 0.02; done; echo done"
      register: waited
      when: inventory_hostname === 'h1'
    - { name: fail, fail: { msg: no }, when: inventory_hostname === 'h2' }
    - { name: behind, copy: { content: "<%= waited.stdout %>", dest: "${dir}/behind" } }
`
  const ran = await run('apply', text, {
    hosts: ['h1', 'h2'],
    // the waiting host ends its step when the other one has failed
    onEvent: (e) => {
      if (e.event === 'turn' && e.host === 'h2' && e.over) setTimeout(() => writeFileSync(at('go'), ''), 50)
    },
  })
  assert.equal(
    ran.tasks.filter((t) => t.host === 'h1').map((t) => `${t.task} ${t.status}`),
    ['wait changed', 'fail skipped'],
  )
  assert.match(ran.warnings[0]!, 'h2 failed, and any_errors_fatal is set; h1 did not come to the end')
})

test.run()
