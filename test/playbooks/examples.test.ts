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

const filled = {
  vault_hsm_pin: '4711',
  vault_client_key_password: '4711',
  vault_store_recipients: ['age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq'],
}

test('what an example leaves to be filled in is told before anything connects', () => {
  const done = spawnSync(
    process.execPath,
    ['dist/main.js', 'validate', 'playbooks/site.yml', '-i', 'inventory/single'],
    {
      encoding: 'utf8',
    },
  )
  assert.is(done.status, 4)
  for (const name of ['client_key_password', 'hsm_pin', 'recipients'])
    assert.match(done.stderr, new RegExp(`error\\[param\\]: \`${name}\``))
})

test('what would fail on a host is told before anything connects', () => {
  for (const [vars, wrong] of [
    [{ vault_storage: { raft: {} } }, '`storage.raft` needs `path`'],
    [{ vault_storage: { file: { path: 'vault' } } }, '`storage.file.path` does not match'],
    [{ vault_store_recipients: ['age1foo'] }, '`recipients.0` does not match'],
  ] as const) {
    const argv = ['dist/main.js', 'validate', 'playbooks/site.yml', '-i', 'inventory/single']
    const done = spawnSync(process.execPath, [...argv, '-e', JSON.stringify({ ...filled, ...vars })], {
      encoding: 'utf8',
    })
    assert.is(done.status, 4)
    assert.match(done.stderr, wrong)
  }
})

for (const playbook of playbooks)
  for (const [inventory, hosts] of inventories)
    test(`${playbook} is valid with the inventory ${inventory}/, once its secrets are there`, () => {
      const secrets = ['-e', JSON.stringify(filled)]
      const argv = ['validate', `playbooks/${playbook}`, '-i', `inventory/${inventory}`, ...secrets]
      const done = spawnSync(process.execPath, ['dist/main.js', ...argv], { encoding: 'utf8' })
      assert.is(done.status, 0, done.stdout + done.stderr)
      assert.match(done.stdout, new RegExp(`\\b${hosts} host`))
    })

test.run()
