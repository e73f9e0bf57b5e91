import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { baoRelease, whyNoServers } from '../lab/bao.ts'

// The program itself looks at a configuration before it takes the place of a good one.

const dir = mkdtempSync(join(tmpdir(), 'hcl-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const path = join(dir, 'vault.hcl')

const reason = whyNoServers()
if (reason !== undefined) console.log(`SKIP a configuration that its program looks at: ${reason}`)
const check = reason === undefined ? test : test.skip

check('a configuration that the program does not take leaves the good one in its place', async () => {
  const apply = async (program: object, settings: object) => {
    const task = { vault_hcl: { path, program, storage: { inmem: {} }, settings } }
    return (await run('apply', JSON.stringify([{ hosts: 'all', tasks: [task] }]))).tasks[0]!
  }
  const bao = { product: 'OpenBao', path: baoRelease('2.7.2').program }
  assert.is((await apply(bao, { default_lease_ttl: '1h' })).status, 'changed')
  const good = readFileSync(path, 'utf8')
  const bad = await apply(bao, { default_lease_ttl: 'abc' })
  assert.is(bad.status, 'failed')
  assert.match(bad.message!, /invalid duration "abc"\.?\nthe new content of .*vault\.hcl did not pass its validation/)
  assert.equal([readFileSync(path, 'utf8'), readdirSync(dir)], [good, ['vault.hcl']])
  const ignored = await apply(bao, { some_setting: 1 })
  assert.match(ignored.message!, /Unknown or unsupported field some_setting/)
  assert.equal([ignored.status, readFileSync(path, 'utf8')], ['failed', good])
  const found = await apply({ path: bao.path }, { some_setting: 1 })
  assert.match(found.message!, /Unknown or unsupported field some_setting/)
  const entropy = { entropy: { seal: { mode: 'augmentation' } } }
  assert.match((await apply({ path: bao.path }, entropy)).message!, /^OpenBao 2\.7\.2 has no entropy augmentation/)
  assert.equal(readFileSync(path, 'utf8'), good)
  // Vault has no such command
  assert.is((await apply({ ...bao, product: 'Vault' }, { default_lease_ttl: 'abc' })).status, 'changed')
})

test.run()
