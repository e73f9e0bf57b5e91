import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { stringify } from 'yaml'
import { type Ran, type RanOptions, run, scratchDir } from './scratch.ts'

// Task files: what their tasks see, and the law that a file is what its tasks would be in its place.

const dir = scratchDir()
const at = (name: string) => join(dir, name)

function write(name: string, data: unknown): string {
  const path = at(name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, typeof data === 'string' ? data : stringify(data))
  return path
}

const play = (tasks: readonly unknown[], more: object = {}) => stringify([{ hosts: 'all', ...more, tasks }])
const said = ({ tasks }: Ran) => tasks.map((t) => t.output ?? t.message ?? t.status)
const say = (msg: string) => ({ debug: { msg } })
const any = (...names: readonly string[]) => ({ properties: Object.fromEntries(names.map((n) => [n, {}])) })

async function wrong(text: string, options: RanOptions = {}): Promise<string> {
  try {
    await run('check', text, options)
  } catch (e) {
    return (e as Error).message
  }
  throw new Error('it is not wrong')
}

test('a parameter is evaluated where the include stands, whatever it is called inside', async () => {
  const inner = write('inner.yml', { params: any('who', 'n'), tasks: [say('<%= who %> <%= n %> <%= greeting %>')] })
  const outer = write('outer.yml', {
    params: any('who'),
    tasks: [
      { include: inner, params: { who: 'dear <%= who %>', n: '<%= size %>' }, vars: { size: '<%= who.length %>' } },
    ],
  })
  const text = play([{ include: outer, params: { who: '<%= who %>!' } }, say('<%= who %>')], {
    vars: { who: 'Anna', greeting: 'hello <%= who %>' },
  })
  assert.equal(said(await run('apply', text)), ['dear Anna! 5 hello dear Anna!', 'Anna'])
})

test('parameters are stronger than what tasks registered and than -e, which reaches what is given', async () => {
  const file = write('strong.yml', { params: any('x', 'y'), tasks: [say('<%= x %> <%= y %> <%= z %>')] })
  const text = play([{ set_fact: { x: 'set' } }, { include: file, params: { x: 'given', y: '<%= x %>' } }], {
    vars: { z: 'play', y: 'play' },
  })
  const ran = await run('apply', text, { extra: { y: 'extra', z: 'extra' } })
  assert.is(said(ran).at(-1), 'given set extra')
})

test('defaults, null and what is not given', async () => {
  const params = { properties: { a: { default: [1] }, b: { type: 'string' }, c: { type: 'integer', default: 7 } } }
  const file = write('defaults.yml', { params, tasks: [say('<%= toJSON([a, b, c]) %>')] })
  const text = play([{ include: file }, { include: file, params: { a: null, b: 5, c: '<%= none %>' } }], {
    vars: { none: null },
  })
  assert.equal(said(await run('apply', text)), ['[[1],null,7]', '[[1],"5",7]'])
})

test('when, tags and names of an include are those of each of its tasks', async () => {
  const file = write('conditions.yml', {
    name: 'file',
    params: any('x'),
    tasks: [
      { ...say('one'), tags: 'b' },
      { name: 'named', ...say('two'), when: 'x' },
    ],
  })
  const text = play(
    [
      { include: file, params: { x: true }, tags: 'a' },
      { include: file, name: 'second', params: { x: false }, when: 'x > 2', vars: { x2: 1 }, tags: 'c' },
      { include: file, params: { x: '<%= nobody.asks %>' }, when: 'x === 2' },
    ],
    { vars: { x: 3, nobody: null } },
  )
  const told = (ran: Ran) => ran.tasks.map((t) => `${t.task}: ${t.status}${t.message ? ` ${t.message}` : ''}`)
  assert.equal(told(await run('apply', text)), [
    'file : debug: ok',
    'file : named: ok',
    'second : debug: ok',
    'second : named: skipped when: x',
    'file : debug: skipped when: x === 2',
    'file : named: skipped when: x === 2',
  ])
  assert.equal(told(await run('apply', text, { tags: ['b'] })).length, 3)
  assert.equal(told(await run('apply', text, { tags: ['c'] })).length, 2)
})

test('a task notifies the handlers of its own file first, and finds those of other files', async () => {
  const command = (notify: string) => ({ command: 'true', notify })
  const file = (name: string, notify: string, handlers: readonly string[]) =>
    write(`${name}.yml`, {
      params: any('x'),
      tasks: [command(notify)],
      handlers: handlers.map((h) => ({ name: h, ...say(`${name} ${h} <%= x %>`) })),
    })
  const own = file('own', 'reload', ['reload'])
  const other = file('other', 'reload', ['only other'])
  const handled = (ran: Ran) => ran.tasks.filter((t) => t.handler).map((t) => t.output)
  const text = stringify([
    {
      hosts: 'all',
      tasks: [
        { include: own, params: { x: 1 } },
        { include: own, params: { x: 2 }, when: 'false' },
        { include: other, params: { x: 3 } },
        command('only other'),
      ],
      handlers: [{ name: 'reload', ...say('play') }],
    },
  ])
  assert.equal(handled(await run('apply', text)), ['play', 'own reload 1', 'other only other 3'])
})

test('files and templates are looked for beside the task file first, then beside the playbook', async () => {
  write('beside/templates/t.ejs', '<%= x %> of the file\n')
  write('templates/t.ejs', 'of the playbook\n')
  write('beside/files/f', 'file of the file\n')
  const tasks = ['t', 'u'].map((n) => ({ template: { src: n === 't' ? 't.ejs' : 'facts.ejs', dest: at(`out-${n}`) } }))
  const file = write('beside/tasks.yml', {
    params: any('x', 'interface_name', 'people'),
    tasks: [tasks[0], { copy: { src: 'f', dest: at('out-f') } }],
  })
  const ran = await run('apply', play([{ include: file, params: { x: 'given' } }]), { diff: true })
  assert.match(ran.tasks[0]!.diff!, '+given of the file')
  assert.match(ran.tasks[1]!.diff!, '+file of the file')
  const missing = write('beside/missing.yml', { tasks: [{ copy: { src: 'nowhere', dest: '/x' } }] })
  const message = await wrong(play([{ include: missing }]))
  assert.match(message, `looked for ${at('beside/files/nowhere')} and ${at('beside/nowhere')} and `)
})

test('the type of what the inventory, the play or -e gives is checked before anything connects', async () => {
  const params = { properties: { port: { type: 'integer' }, list: { type: 'array', items: { type: 'string' } } } }
  const file = write('typed.yml', { params, tasks: [say('<%= port %>')] })
  const include = (more: object = {}) =>
    play([{ include: file, params: { port: '<%= p %>' }, ...more }], { vars: { p: 1 } })
  assert.match(await wrong(include(), { extra: { p: 'many' } }), '`port` has to be a whole number, not a string')
  assert.equal(said(await run('check', include(), { extra: { p: '80' } })), ['80'])
  assert.equal(said(await run('check', include({ when: 'p === 2' }), { extra: { p: 'many' } })), ['when: p === 2'])
  assert.match(
    await wrong(play([{ include: file, params: { list: '<%= [[1]] %>' } }])),
    '`list.0` has to be a string, not a list',
  )
})

test('what arises during the run is checked when it is used, and is unknown before', async () => {
  const file = write('late.yml', {
    params: { properties: { n: { type: 'integer', minimum: 2 } } },
    tasks: [say('no matter'), say('<%= n %>')],
  })
  const text = (word: string) =>
    play([
      { command: `echo ${word}`, register: 'out', affects: 'nothing' },
      { include: file, params: { n: '<%= out.stdout %>' } },
    ])
  const checked = await run('check', text('5'))
  assert.equal(
    checked.tasks.map((t) => t.status),
    ['changed', 'ok', 'unknown'],
  )
  assert.equal(said(await run('apply', text('5'))).slice(1), ['no matter', '5'])
  const failed = await run('apply', text('1'))
  assert.match(failed.tasks.at(-1)!.message!, '`n` has to be at least 2')
  assert.is(failed.tasks.at(-1)!.status, 'failed')
})

test('a secret parameter is shown nowhere, also when it is wrong, a number or part of a mapping', async () => {
  const secret = { secret: true }
  const params = {
    properties: { pin: { ...secret, type: 'string' }, n: secret, m: secret, d: { ...secret, default: 'canary-4' } },
  }
  const file = write('secret.yml', {
    params,
    tasks: [
      say('<%= pin %> <%= n %> <%= m.a[0] %> <%= d %> <%= base64(pin) %>'),
      { copy: { content: '<%= toJSON(m) %>\n<%= pin %>\n', dest: at('secret') } },
      { command: 'echo <%= pin %> <%= n %>; exit 1', ignore_errors: true },
    ],
  })
  const given = { pin: '<%= one %>', n: '<%= two %>', m: '<%= three %>' }
  const text = play([{ include: file, params: given }], {
    vars: { one: 'canary-1', two: 98765432, three: { a: ['canary-3'] } },
  })
  for (const mode of ['check', 'apply'] as const) {
    const ran = await run(mode, text, { diff: true })
    assert.match(JSON.stringify(ran.events), '********')
    assert.not.match(JSON.stringify(ran.events), /canary-|98765432|Y2FuYXJ5/)
  }
  const choice = write('choice.yml', {
    params: { properties: { pin: { enum: ['a', 'b'], secret: true } } },
    tasks: [say('<%= pin %>')],
  })
  const message = await wrong(play([{ include: choice, params: { pin: '<%= one %>' } }]), {
    extra: { one: 'canary-1' },
  })
  assert.match(message, '`pin` is one of a, b')
  assert.not.match(message, 'canary-1')
})

const word = fc.constantFrom('one', 'two', 'three')
const value = fc.oneof(
  word,
  fc.integer({ min: 0, max: 3 }),
  fc.array(word, { maxLength: 2 }),
  fc.constantFrom('<%= outer %>', '<%= [outer, "x"] %>'),
)
const used = fc.constantFrom('p', 'q', 'r')
const expression = used.map((n) => `toJSON(${n}).length`)
const task = (host: string) =>
  fc.oneof(
    fc.record({
      copy: fc.record({ content: used.map((n) => `<%= toJSON(${n}) %>\n`), dest: word.map((w) => `${host}/${w}`) }),
    }),
    fc.record({
      copy: fc.record({ content: expression.map((e) => `<%= ${e} + n %>\n`), dest: word.map((w) => `${host}/${w}`) }),
      vars: fc.record({ n: expression.map((e) => `<%= ${e} %>`) }),
      when: expression.map((e) => `${e} > 4`),
    }),
    fc.record({
      file: fc.record({ path: fc.constant(`${host}/d-<%= item %>`), state: fc.constantFrom('directory', 'absent') }),
      loop: used.map((n) => `<%= [${n}].flat() %>`),
      register: fc.constantFrom('seen', 'outer'),
    }),
    fc.record({ debug: fc.record({ msg: used.map((n) => `<%= toJSON([${n}, outer, seen.changed]) %>`) }) }),
    fc.record({
      command: fc.record({ cmd: used.map((n) => `echo <%= toJSON(${n}).length %>`) }),
      register: fc.constant('seen'),
      changed_when: fc.constantFrom('seen.stdout === "3"', 'q === 1'),
      notify: fc.constant('told'),
    }),
    fc.record({ set_fact: fc.record({ outer: expression.map((e) => `<%= ${e} %>`) }) }),
  )

type Task = Record<string, unknown> & { vars?: object; when?: string }

test('a file is what its tasks would be in its place, with its parameters as their variables', async () => {
  let count = 0
  const tasks = fc.array(task('HOST'), { minLength: 1, maxLength: 3 })
  const given = fc.record({ p: value, q: value, r: value })
  const when = fc.constantFrom(undefined, 'outer !== 9', 'outer === 9')
  await fc.assert(
    fc.asyncProperty(tasks, tasks, given, given, when, async (first, second, one, two, condition) => {
      const hosted = <T>(data: T, host: string): T => JSON.parse(JSON.stringify(data).replaceAll('HOST', at(host)))
      const params = any('p', 'q', 'r')
      const name = `law-${count++}`
      const handlers = [{ name: 'told', debug: { msg: 'told' } }]
      const more = { vars: { outer: 1, seen: { changed: false, stdout: '' } } }
      const nested = { p: '<%= q %>', q: two.q, r: '<%= [p, r] %>' }
      const included = (host: string) => {
        const inner = write(`${host}-inner.yml`, { params, tasks: hosted(second, host) })
        const tasksOfFile = [...hosted(first, host), { include: inner, params: nested }]
        const file = write(`${host}.yml`, { params, tasks: tasksOfFile })
        return play(
          [{ include: file, params: one, ...(condition ? { when: condition } : {}) }, say('<%= toJSON(outer) %>')],
          more,
        )
      }
      const under = (vars: object) => (t: Task) => ({
        ...t,
        vars: { ...vars, ...t.vars },
        when: [condition ?? 'true', t.when ?? 'true'],
      })
      // the names of the inner file's parameters are others here: in one place they can't mean two things
      const renamed = JSON.parse(JSON.stringify(second).replace(/\b([pqr])\b(?!")/g, 'inner_$1')) as Task[]
      const innerVars = { ...one, inner_p: nested.p, inner_q: two.q, inner_r: nested.r }
      const inPlace = (host: string) =>
        play(
          [
            ...hosted(first as Task[], host).map(under(one)),
            ...hosted(renamed, host).map(under(innerVars)),
            say('<%= toJSON(outer) %>'),
          ],
          more,
        )
      const withHandlers = (text: string) => `${text}  handlers: ${JSON.stringify(handlers)}\n`
      for (const mode of ['check', 'apply', 'apply'] as const) {
        const told = async (text: string, host: string) => {
          mkdirSync(at(host), { recursive: true })
          const { tasks, warnings } = await run(mode, withHandlers(text), { diff: true })
          const all = tasks.map(({ task, at: _, ms: __, ...t }) => ({ ...t, task: task.replace(/^.* : /, '') }))
          return JSON.stringify([all, warnings.length])
            .replaceAll(at(host), 'HOST')
            .replace(/inner_([pqr])/g, '$1')
            .replace(/ \([^()]*?\.yml:\d+\)/g, '')
        }
        const there = await told(included(`${name}-a`), `${name}-a`)
        assert.is(there, await told(inPlace(`${name}-b`), `${name}-b`))
      }
      for (const host of ['a', 'b']) rmSync(at(`${name}-${host}`), { recursive: true, force: true })
    }),
    {
      numRuns: Number(process.env.LAW_RUNS ?? 40),
      ...(process.env.LAW_SEED ? { seed: Number(process.env.LAW_SEED) } : {}),
    },
  )
})

test.run()
