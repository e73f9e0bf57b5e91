import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const playbooks = readdirSync('playbooks').filter((f) => f.endsWith('.yml'))

test('an editor is told where the schemas are', () => {
  assert.ok(playbooks.length >= 2)
  for (const [kind, file] of [
    ...playbooks.map((f) => ['playbook', `playbooks/${f}`]),
    ['inventory', 'inventory/hosts.yml'],
  ])
    assert.ok(
      readFileSync(file!, 'utf8').startsWith(`# yaml-language-server: $schema=../schemas/${kind}.schema.json\n`),
      file,
    )
})

for (const playbook of playbooks)
  test(`${playbook} is valid with the example inventory, once its secrets are there`, () => {
    const secrets = ['-e', 'vault_hsm_pin=4711', '-e', 'vault_client_key_password=4711']
    const done = spawnSync(process.execPath, ['dist/main.js', 'validate', `playbooks/${playbook}`, ...secrets], {
      encoding: 'utf8',
    })
    assert.is(done.status, 0, done.stdout + done.stderr)
    assert.match(done.stdout, /3 hosts/)
  })

test.run()
