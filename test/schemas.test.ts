import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { Ajv } from 'ajv'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { registry } from '../src/generated/registry.ts'
import { loadPlaybook } from '../src/language/load-playbook.ts'
import { prepareValidators } from '../src/language/validators.ts'

// schemas/ is what editors complete from and underline by: what is right passes, what is wrong does not.

const ajv = new Ajv({ strict: false, allErrors: true })
const compiled = (name: string) => {
  const file = `${name}.schema.json`
  ajv.addSchema(JSON.parse(readFileSync(`schemas/${file}`, 'utf8')), file)
  return ajv.getSchema(file)!
}
const schemas = { playbook: compiled('playbook'), tasks: compiled('tasks'), inventory: compiled('inventory') }

function wrong(schema: keyof typeof schemas, data: unknown): string[] {
  const validate = schemas[schema]
  return validate(data) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`)
}

const play = (tasks: string) => [{ hosts: 'all', tasks: parse(tasks) }]

test('schemas/ is what the language and the modules make of it', () => {
  const done = spawnSync(process.execPath, ['scripts/generate.mjs', '--check'], { encoding: 'utf8' })
  assert.is(done.stderr, '')
  assert.is(done.status, 0)
})

const examples = [...registry.values()].filter((m) => m.examples !== undefined)
test('modules have examples', () => assert.ok(examples.length >= 15))
for (const { name, examples: text } of examples)
  test(`the examples of ${name} are valid, for an editor and for validate`, async () => {
    assert.equal(wrong('playbook', play(text!)), [])
    await prepareValidators(registry.values())
    const body = text!.replace(/^/gm, '    ')
    const set = { get: (n: string) => registry.get(n), names: () => [...registry.keys()] }
    const told = loadPlaybook({ path: 'example.yml', text: `- hosts: all\n  tasks:\n${body}\n` }, set).diagnostics
    // handlers that an example notifies stand elsewhere
    assert.equal(
      told.filter((d) => d.code !== 'notify').map((d) => d.message),
      [],
    )
  })

const files = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir, { recursive: true })
        .map((f) => join(dir, String(f)))
        .filter((f) => f.endsWith('.yml'))
    : []

test('playbooks/ and inventory/ are valid, and say which schema is theirs', () => {
  const ours = files('playbooks').filter((f) => !/group_vars|host_vars|files\//.test(f))
  const taskFiles = ours.filter((f) => /\/tasks\//.test(f))
  const playbooks = ours.filter((f) => !taskFiles.includes(f))
  const inventories = files('inventory').filter((f) => !/group_vars|host_vars/.test(f))
  assert.ok(playbooks.length >= 2)
  assert.ok(inventories.length >= 1)
  for (const [schema, list] of [
    ['playbook', playbooks],
    ['tasks', taskFiles],
    ['inventory', inventories],
  ] as const)
    for (const file of list) {
      const text = readFileSync(file, 'utf8')
      assert.equal(wrong(schema, parse(text)), [], file)
      assert.match(text, `# yaml-language-server: $schema=${relative(dirname(file), 'schemas')}/${schema}.schema.json`)
    }
})

test('the tasks that are compared with Ansible are valid', () => {
  const tasks = readFileSync('test/lab/differential/tasks.yml', 'utf8')
  assert.equal(wrong('playbook', play(tasks)), [])
})

const right: readonly string[] = [
  '- ping:',
  '- command: ls -l',
  "- copy: { content: '<%= x %>', dest: /a, mode: '0644', backup: '<%= y %>', owner: 0 }",
  '- ansible.builtin.copy: { content: x, dest: /a, owner: null }',
  '- user: { name: x, groups: a, uid: "1000" }',
  '- { file: { path: /a }, when: [a, true], tags: x, notify: [y], become: true, loop: [1], register: r }',
  '- { include: a.yml, params: { a: [1], b: <%= x %> }, when: a, tags: [x], become: true, vars: { c: 1 }, name: n }',
]
for (const tasks of right) test(`right: ${tasks}`, () => assert.equal(wrong('playbook', play(tasks)), []))

const rightFiles: readonly string[] = [
  'tasks: []',
  '{ name: x, params: { type: object, properties: { a: { type: string, secret: true } }, required: [a] }, tasks: [ping: ] }',
  '{ params: { properties: { a: { type: [string, "null"], default: }, b: {} } }, tasks: [], handlers: [{ ping: , listen: x }] }',
  '{ params: { properties: { a: { items: { additionalProperties: false, anyOf: [{ enum: [1] }] } } } }, tasks: [include: x.yml] }',
]
for (const file of rightFiles) test(`right: ${file}`, () => assert.equal(wrong('tasks', parse(file)), []))

const flaggedFiles: readonly [file: string, at: RegExp][] = [
  ['params: {}', / must have required property 'tasks'/],
  ['{ tasks: [pnig: ] }', /\/tasks\/0 must NOT have additional properties/],
  ['{ tasks: [], vars: {} }', / must NOT have additional properties/],
  ['{ tasks: [], params: { a: { type: string } } }', /\/params must NOT have additional properties/],
  ['{ tasks: [], params: { properties: { a: { type: str } } } }', /\/params\/properties\/a\/type /],
  ['{ tasks: [], params: { properties: { a: { items: { typ: string } } } } }', /\/a\/items must NOT have additional/],
  ['{ tasks: [], params: { properties: { a-b: {} } } }', /\/params\/properties /],
  ['{ tasks: [], handlers: [{ include: x.yml }] }', /\/handlers\/0 must NOT have additional properties/],
]
for (const [file, at] of flaggedFiles)
  test(`flagged: ${file}`, () => assert.match(wrong('tasks', parse(file)).join('\n'), at))

const flagged: readonly [tasks: string, at: RegExp][] = [
  ['- copy: { contnet: x, dest: /a }', /\/tasks\/0\/copy must NOT have additional properties/],
  ['- copy: { content: x, dest: /a, backup: yes please }', /\/tasks\/0\/copy\/backup /],
  ['- copy: { content: x, dest: /a, mode: 644 }', /\/tasks\/0\/copy\/mode /],
  ['- copy: content=x dest=/a', /\/tasks\/0\/copy must be object,null/],
  ['- file: { path: /a, state: directroy }', /\/tasks\/0\/file\/state /],
  ['- wait_for: { port: many }', /\/tasks\/0\/wait_for\/port /],
  ['- user: { name: [a] }', /\/tasks\/0\/user\/name must be string/],
  ['- cpoy: { dest: /a }', /\/tasks\/0 must NOT have additional properties/],
  ['- { ping: , wen: true }', /\/tasks\/0 must NOT have additional properties/],
  ['- { include: a.yml, loop: [1] }', /\/tasks\/0 must NOT have additional properties/],
  ['- { include: a.yml, params: [1] }', /\/tasks\/0\/params must be object/],
  ['- { ping: , become: "yes" }', /\/tasks\/0\/become /],
  ['- { ping: , register: [a] }', /\/tasks\/0\/register /],
  ['- { ping: , when: 5 }', /\/tasks\/0\/when /],
  ['- { ping: , timeout: 0 }', /\/tasks\/0\/timeout /],
]
for (const [tasks, at] of flagged)
  test(`flagged: ${tasks}`, () => assert.match(wrong('playbook', play(tasks)).join('\n'), at))

test('plays and inventories that are wrong are flagged', () => {
  for (const bad of [
    { hosts: 'all' },
    [{ tasks: [] }],
    [{ hosts: 'all', task: [] }],
    [{ hosts: 'all', vars: { 'a-b': 1 } }],
  ])
    assert.ok(wrong('playbook', bad).length > 0, JSON.stringify(bad))
  for (const bad of [{ all: { host: {} } }, { all: { hosts: ['a'] } }, { all: { vars: [] } }, { web: 5 }, []])
    assert.ok(wrong('inventory', bad).length > 0, JSON.stringify(bad))
  assert.equal(
    wrong('inventory', parse('all: { hosts: { h1: , "h[1:3]": { a: 1 } }, children: { web: { vars: } } }')),
    [],
  )
})

test('every parameter is documented', () => {
  for (const { name, params } of registry.values())
    for (const [key, schema] of Object.entries(params.properties))
      assert.ok(schema.description, `${name}: ${key} has no description`)
})

test.run()
