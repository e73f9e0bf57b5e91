import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { defineModule } from '../../src/module.ts'
import { localConnection } from '../../src/transport/local.ts'
import { ConnectError } from '../../src/transport/stream.ts'
import { type Ran, run, scratchDir } from './scratch.ts'

// What a pass does and does not wait for, what check says of what it cannot know, and handlers.

const dir = scratchDir()
const at = (name: string) => join(dir, name)
const fresh = () => {
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir)
}
const told = (ran: Ran) => ran.tasks.map((t) => `${t.task}: ${t.status}`)
const play = (tasks: string, more = '') => `- hosts: all\n${more}  tasks:\n${tasks.replace(/^/gm, '    ')}\n`

test('what is not known yet holds up only what needs it', async () => {
  fresh()
  const text = play(`- { name: a, command: "echo one", register: said, changed_when: false }
- { name: b, copy: { content: "<%= said.stdout %>", dest: "${at('b')}" } }
- { name: c, copy: { content: "c", dest: "${at('c')}" } }
- { name: d, file: { path: "${at('b')}", mode: '0600' } }
- { name: e, file: { path: "${at('c')}", mode: '0600' } }`)
  assert.equal(told(await run('check', text)), ['a: ok', 'b: unknown', 'c: changed', 'd: unknown', 'e: changed'])
  const first = await run('apply', text)
  assert.equal(told(first), ['a: ok', 'b: changed', 'c: changed', 'd: changed', 'e: changed'])
  assert.ok(first.recap.hosts.here!.trips <= 3, `trips ${first.recap.hosts.here!.trips}`)
})

test('a task that perhaps is run makes unknown what it would change, and nothing else', async () => {
  fresh()
  const text =
    play(`- { name: look, command: "test -e ${at('x')}", register: x, failed_when: false, changed_when: false }
- { name: perhaps, file: { path: "${at('x/y')}", state: directory }, when: x.rc !== 0 }
- { name: above, file: { path: "${at('x')}", state: directory } }
- { name: other, file: { path: "${at('z')}", state: directory } }
- { name: never, copy: { content: n, dest: "${at('n')}" }, when: [x.rc === 9, 'false'] }`)
  assert.equal(told(await run('check', text)), [
    'look: ok',
    'perhaps: unknown',
    'above: unknown',
    'other: changed',
    'never: skipped',
  ])
  assert.equal(told(await run('apply', text)), [
    'look: ok',
    'perhaps: changed',
    'above: ok',
    'other: changed',
    'never: skipped',
  ])
})

test('a variable that an unknown set_fact will set is unknown, not undefined', async () => {
  fresh()
  const text = play(`- { name: look, command: echo 7, register: said, changed_when: false }
- { name: set, set_fact: { seven: "<%= said.stdout %>" } }
- { name: use, copy: { content: "<%= seven %>", dest: "${at('seven')}" } }`)
  assert.equal(told(await run('check', text)), ['look: ok', 'set: unknown', 'use: unknown'])
  assert.equal(told(await run('apply', text)), ['look: ok', 'set: ok', 'use: changed'])
  assert.is(readFileSync(at('seven'), 'utf8'), '7')
})

test('a command makes unknown what it says that it affects, else everything', async () => {
  fresh()
  const tasks = (affects: string) =>
    play(`- { name: run, command: "true"${affects} }
- { name: a, copy: { content: a, dest: "${at('a')}" } }
- { name: b, copy: { content: b, dest: "${at('d/b')}" } }`)
  mkdirSync(at('d'))
  assert.equal(told(await run('check', tasks(''))), ['run: changed', 'a: unknown', 'b: unknown'])
  assert.equal(told(await run('check', tasks(`, affects: [${at('d')}]`))), ['run: changed', 'a: changed', 'b: unknown'])
  const nothing = await run('check', tasks(', affects: nothing'))
  assert.equal(told(nothing), ['run: changed', 'a: changed', 'b: changed'])
  const unknown = (await run('check', tasks(''))).tasks[1]!
  assert.match(unknown.message ?? '', /run true/)
})

test('handlers run once, in their order, at the end, for names and what they listen to; their own notify counts', async () => {
  fresh()
  const text = `${play(`- { name: a, copy: { content: a, dest: "${at('a')}" }, notify: [last, topic] }
- { name: b, copy: { content: b, dest: "${at('b')}" }, notify: last }
- { name: same, copy: { content: b, dest: "${at('b')}" }, notify: never }`)}  handlers:
    - { name: first, listen: topic, shell: "echo first >>${at('log')}", notify: after }
    - { name: never, shell: "echo never >>${at('log')}" }
    - { name: last, shell: "echo last >>${at('log')}" }
    - { name: after, shell: "echo after >>${at('log')}" }
`
  await run('apply', text)
  assert.is(readFileSync(at('log'), 'utf8'), 'first\nlast\nafter\n')
  await run('apply', text)
  assert.is(readFileSync(at('log'), 'utf8'), 'first\nlast\nafter\n')
})

test('a module that changes its parameters changes them for nobody else', async () => {
  const params = { type: 'object', properties: { list: { type: 'array', items: { type: 'string' } } } } as const
  const adds = defineModule({ name: 'adds', summary: 'Adds to its list.', params })({
    plan: ({ list = [] }) => ({ steps: [], result: { count: (list as string[]).push('more') } }),
  })
  const text = play('- { name: a, adds: { list: [one] }, register: a }\n- assert: { that: a.count === 2 }')
  const ran = await run('apply', text, { modules: [adds], hosts: ['one', 'two', 'three'] })
  assert.equal(
    ran.tasks.filter((t) => t.status === 'failed').map((t) => t.message),
    [],
  )
})

test('handlers of a host that failed run only with forceHandlers', async () => {
  const text = `${play(`- { name: a, copy: { content: a, dest: "${at('a')}" }, notify: h }
- { name: stop, fail: { msg: no } }
- { name: b, copy: { content: b, dest: "${at('b')}" } }`)}  handlers:
    - { name: h, copy: { content: h, dest: "${at('h')}" } }
`
  fresh()
  assert.equal(told(await run('apply', text)), ['a: changed', 'stop: failed'])
  assert.is(existsSync(at('h')), false)
  fresh()
  const forced = await run('apply', text, { forceHandlers: true })
  assert.equal(told(forced), ['a: changed', 'stop: failed', 'h: changed'])
  assert.is(forced.recap.hosts.here!.failed, 1)
  assert.is(existsSync(at('b')), false)
})

test('check: the handlers of a host that failed see what the tasks before would have done', async () => {
  fresh()
  const text = `${play(`- { name: a, copy: { content: a, dest: "${at('a')}" }, notify: h }
- { name: stop, fail: { msg: no } }`)}  handlers:
    - { name: h, lineinfile: { path: "${at('a')}", line: b } }
`
  const checked = await run('check', text, { forceHandlers: true })
  const applied = await run('apply', text, { forceHandlers: true })
  assert.equal(told(checked), ['a: changed', 'stop: failed', 'h: changed'])
  assert.equal(told(applied), told(checked))
})

test('a step that fails ends its task there: what it did not do is not told as changed, what stood behind is planned anew', async () => {
  fresh()
  writeFileSync(at('there'), 'x')
  const text =
    play(`- { name: a, copy: { content: new, dest: "${at('there')}", validate: "false %s" }, register: a, ignore_errors: true }
- { name: b, copy: { content: "<%= toJSON(a.changed) %>", dest: "${at('b')}" } }
- { name: c, lineinfile: { path: "${at('there')}", line: y } }`)
  const ran = await run('apply', text)
  assert.equal(told(ran), ['a: failed', 'b: changed', 'c: changed'])
  assert.is(readFileSync(at('b'), 'utf8'), 'false')
  assert.is(readFileSync(at('there'), 'utf8'), 'x\ny\n')
})

test('what a way goes up from has to be there', async () => {
  fresh()
  mkdirSync(at('b'))
  const text = play(`- { name: before, stat: { path: "${dir}/a/c/../../b" }, register: x, failed_when: x.stat.exists }
- { name: a, file: { path: "${at('a')}", state: directory } }
- { name: below, file: { path: "${at('a/c')}", src: .., state: link } }
- { name: beside, file: { path: "${at('a/d')}", src: ../b, state: link } }
- { name: through, copy: { content: x, dest: "${at('a/d/x')}" } }
- { name: barred, copy: { content: x, dest: "${dir}/a/no/../y" }, ignore_errors: true }`)
  const all = ['before: ok', 'a: changed', 'below: changed', 'beside: changed', 'through: changed', 'barred: failed']
  assert.equal(told(await run('apply', text)), all)
  assert.is(readFileSync(at('b/x'), 'utf8'), 'x')
  rmSync(at('a'), { recursive: true })
  rmSync(at('b/x'))
  assert.equal(told(await run('check', text)).slice(0, 4), all.slice(0, 4))
})

test('a backup comes under a name that nobody knows before: what lists its directory waits for it', async () => {
  fresh()
  mkdirSync(at('d'))
  writeFileSync(at('d/f'), 'old')
  const text = play(`- { name: f, copy: { content: new, dest: "${at('d/f')}", backup: true } }
- { name: all, file: { path: "${at('d')}", mode: 'u=rwX,g=,o=', recurse: true } }`)
  assert.equal(told(await run('check', text)), ['f: changed', 'all: unknown'])
  assert.equal(told(await run('apply', text)), ['f: changed', 'all: changed'])
  assert.equal(told(await run('apply', text)), ['f: ok', 'all: ok'])
})

test('check asks whether a new owner or group is there, or will be', async () => {
  fresh()
  const ignored = 'ignore_errors: true'
  const text = play(`- { name: owner, file: { path: "${at('a')}", state: directory, owner: no-such-user }, ${ignored} }
- { name: group, copy: { content: x, dest: "${at('b')}", group: no-such-group }, ${ignored} }
- { name: made, user: { name: runbook-new } }
- { name: its, copy: { content: x, dest: "${at('c')}", owner: runbook-new } }`)
  const checked = await run('check', text)
  assert.equal(told(checked), ['owner: failed', 'group: failed', 'made: changed', 'its: changed'])
  assert.is(checked.tasks[0]!.message, 'there is no user no-such-user on the host')
  // a directory that can't be given away does not stay
  const dirs = text.split('\n').slice(0, 3).join('\n')
  assert.equal(told(await run('apply', dirs)), ['owner: failed'])
  assert.is(existsSync(at('a')), false)
  const there = await run('check', play(`- { name: own, file: { path: "${dir}", owner: root } }`))
  assert.is(there.recap.hosts.here!.failed, 0)
})

test('a file of the controller that is named by a variable and is not there: where it was looked for', async () => {
  fresh()
  writeFileSync(at('done'), '')
  const tasks = [
    `{ copy: { src: "<%= name %>", dest: "${at('f')}" } }`,
    `{ template: { src: "<%= name %>", dest: "${at('f')}" } }`,
    // it would be asked as if none were given
    `{ vault_status: { address: 'https://127.0.0.1:1', ca_cert: "<%= name %>" } }`,
    `{ unarchive: { src: "<%= name %>", dest: "${dir}", creates: "${at('done')}" } }`,
    `{ copy: { src: "<%= '/no/' + name %>", dest: "${at('f')}", remote_src: true } }`,
  ]
  const text = play(
    tasks.map((t) => `- ${t.slice(0, -2)}, ignore_errors: true }`).join('\n'),
    '  vars: { name: none }\n',
  )
  const { tasks: ran } = await run('check', text)
  const [copied, rendered, trusted, unpacked, remote] = ran.map((t) => `${t.message} | ${t.hint}`)
  assert.match(copied!, /^there is no none on the controller \| looked for \S*\/files\/none and \S*\/none$/)
  assert.match(rendered!, /^there is no none on the controller \| looked for \S*\/templates\/none and \S*\/none$/)
  assert.match(trusted!, /^there is no none on the controller \| looked for/)
  assert.match(`${ran[3]!.status} ${unpacked}`, /^skipped .*done exists/)
  assert.match(remote!, /there is no \/no\/none on the host, or it may not be read \| undefined/)
})

test('a host is met also where nothing is asked of it; where nothing could change, only for facts', async () => {
  const gone = { connect: () => Promise.reject(new ConnectError('refused', 'nobody is there')) }
  for (const mode of ['check', 'apply'] as const) {
    const ran = await run(mode, play('- { name: a, command: "true" }'), gone)
    assert.is(ran.recap.hosts.here!.unreachable, 1, mode)
    const debug = await run(mode, play('- { name: a, debug: { msg: hello } }'), gone)
    assert.is(debug.recap.hosts.here!.unreachable, 1, mode)
    const bare = await run(mode, play('- { name: a, debug: { msg: hello } }', '  gather_facts: false\n'), gone)
    assert.equal(told(bare), ['a: ok'])
  }
})

test('a listing through a link is not known when the link is replaced', async () => {
  fresh()
  mkdirSync(at('one'))
  writeFileSync(at('one/file'), '')
  mkdirSync(at('two'))
  const text = play(`- { name: a, file: { path: "${at('l')}", src: one, state: link } }
- { name: b, file: { path: "${at('l')}", state: directory, recurse: true, mode: 'u=rwX,g=rX,o=' } }
- { name: c, file: { path: "${at('l')}", src: two, state: link } }`)
  assert.equal(told(await run('apply', text)), ['a: changed', 'b: changed', 'c: changed'])
})

test('what judges a task may look at facts, also where nothing was asked before', async () => {
  const conditions = "changed_when: facts.uid < 0, failed_when: 'x.rc !== 0 || facts.uid < 0'"
  const ran = await run('apply', play(`- { name: a, command: "true", register: x, ${conditions} }`))
  assert.equal(told(ran), ['a: ok'])
  const failing = await run('apply', play('- { name: a, command: "true", failed_when: facts.uid >= 0 }'))
  assert.equal(told(failing), ['a: failed'])
})

test('without gather_facts the slow facts are asked for where something names facts, or looks at them', async () => {
  fresh()
  const looks = defineModule({
    name: 'looks',
    summary: 'Looks at a fact.',
    params: { type: 'object', properties: {} },
  })({ plan: (_, __, { facts }) => ({ steps: [], result: { at: facts.addresses.join() || 'nowhere' } }) })
  const text = (tasks: string) => play(tasks, '  gather_facts: false\n')
  const ssl = spawnSync('openssl', ['version']).stdout.toString().split(' ')[1]
  const named = text(`- { name: a, command: "true", register: x, changed_when: "facts.openssl_version !== '${ssl}'" }`)
  const dynamic = text(`- { name: b, template: { src: "<%= 'facts' + '.ejs' %>", dest: "${at('b')}" } }`)
  for (const [what, trips, file] of [
    [named, 1],
    [dynamic, 3, at('b')],
    [
      text(
        '- { name: c, looks: {}, register: r }\n- { name: d, copy: { content: "<%= r.at %>", dest: DEST } }'.replace(
          'DEST',
          `"${at('d')}"`,
        ),
      ),
      3,
      at('d'),
    ],
  ] as const) {
    const ran = await run('apply', what, { modules: [looks] })
    assert.ok(!ran.tasks.some((t) => t.status === 'failed' || t.status === 'unknown'), what)
    assert.ok(ran.recap.hosts.here!.trips <= trips, `${ran.recap.hosts.here!.trips} trips: ${what}`)
    if (file === undefined) assert.equal(told(ran), ['a: ok'])
    else assert.ok(readFileSync(file, 'utf8').length > 0)
  }
})

test('what another user sees is looked at when the steps are done', async () => {
  const path = join(dir, 'seen-by-two')
  writeFileSync(path, '', { mode: 0o644 })
  // both are the user of this test: what sudo would start is started without it
  const connect = async () => ({
    ...localConnection,
    exec: (command: string) => localConnection.exec(command.replace(/^exec sudo .*? -- /, 'exec ')),
  })
  const { tasks } = await run(
    'apply',
    `- hosts: all
  gather_facts: false
  tasks:
    - { stat: { path: ${path} }, become: true, become_user: other }
    - { command: sleep 0.5, affects: nothing }
    - file: { path: ${path}, mode: '0600' }
`,
    { connect },
  )
  assert.equal(
    tasks.map((t) => [t.status, t.message]),
    [
      ['ok', undefined],
      ['changed', undefined],
      ['changed', undefined],
    ],
  )
})

test.run()
