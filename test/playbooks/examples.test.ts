import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'

// What ships as an example is right: for editors by the schemas, and by `runbook validate`.

const playbooks = readdirSync('playbooks').filter((f) => f.endsWith('.yml'))

function validator(kind: string) {
  return new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync(`schemas/${kind}.schema.json`, 'utf8')))
}

test('an editor finds nothing wrong in the playbooks and the inventory, and is told where the schemas are', () => {
  const files: [string, string][] = [...playbooks.map((f): [string, string] => ['playbook', `playbooks/${f}`])]
  files.push(['inventory', 'inventory/hosts.yml'])
  assert.ok(files.length >= 3)
  for (const [kind, file] of files) {
    const text = readFileSync(file, 'utf8')
    assert.ok(text.startsWith(`# yaml-language-server: $schema=../schemas/${kind}.schema.json\n`), file)
    const validate = validator(kind)
    assert.ok(validate(parse(text)), `${file}: ${JSON.stringify(validate.errors)}`)
  }
})

test('an editor is told of a parameter that is not there, and of one of the wrong type', () => {
  const validate = validator('playbook')
  const play = (task: object) => [{ hosts: 'all', tasks: [task] }]
  assert.ok(validate(play({ copy: { dest: '/etc/motd', content: 'x' } })))
  assert.not.ok(validate(play({ copy: { destination: '/etc/motd', content: 'x' } })))
  assert.not.ok(validate(play({ vault_hcl: { ui: 5 } })))
})

for (const playbook of playbooks)
  test(`${playbook} is valid with the example inventory`, () => {
    const done = spawnSync(process.execPath, ['dist/main.js', 'validate', `playbooks/${playbook}`], {
      encoding: 'utf8',
    })
    assert.is(done.status, 0, done.stdout + done.stderr)
    assert.match(done.stdout, /3 hosts/)
  })

test.run()
