import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const inventories = [
  ['single', 1],
  ['cluster', 3],
] as const
const playbooks = readdirSync('playbooks').filter((f) => f.endsWith('.yml'))

test('an editor is told where the schemas are', () => {
  assert.ok(playbooks.length >= 2)
  for (const [kind, file] of [
    ...playbooks.map((f) => ['playbook', `playbooks/${f}`]),
    ...inventories.map(([dir]) => ['inventory', `inventory/${dir}/hosts.yml`]),
  ]) {
    const schema = `${relative(dirname(file!), 'schemas')}/${kind}.schema.json`
    assert.ok(readFileSync(file!, 'utf8').startsWith(`# yaml-language-server: $schema=${schema}\n`), file)
  }
})

for (const playbook of playbooks)
  for (const [inventory, hosts] of inventories)
    test(`${playbook} is valid with the inventory ${inventory}/, once its secrets are there`, () => {
      const secrets = ['-e', 'vault_hsm_pin=4711', '-e', 'vault_client_key_password=4711']
      const argv = ['validate', `playbooks/${playbook}`, '-i', `inventory/${inventory}`, ...secrets]
      const done = spawnSync(process.execPath, ['dist/main.js', ...argv], { encoding: 'utf8' })
      assert.is(done.status, 0, done.stdout + done.stderr)
      assert.match(done.stdout, new RegExp(`\\b${hosts} host`))
    })

test.run()
