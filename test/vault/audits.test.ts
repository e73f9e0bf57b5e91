import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Bao, baoSuite } from './bao.ts'
import { apply, converges, lines } from './tasks.ts'

const dir = mkdtempSync(join(tmpdir(), 'audit-test-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

const declared = { type: 'file', options: { file_path: join(dir, 'declared') }, description: 'by "hand"' }
const audit = (params: object) => ({ vault_audit: { options: { file_path: join(dir, 'api') }, ...params } })

async function devices(bao: Bao): Promise<void> {
  assert.equal(lines(await apply(bao, [audit({ path: 'declared', ...declared })])), ['ok'])
  const no = (await apply(bao, [audit({ path: 'more' })])).tasks[0]!
  assert.is(no.message, `OpenBao ${bao.version} takes audit devices from its configuration only`)
  assert.match(
    no.hint!,
    /have this in it, then restart the server:\naudit "file" "more" \{\n {2}options \{\n {4}file_path = /,
  )
  const api = { path: 'more', unsafe_api: true }
  assert.equal(await converges(bao, [audit(api)]), ['changed enable the audit device more/ (file)'])
  const other = { ...api, options: { file_path: join(dir, 'other') } }
  const kept = (await apply(bao, [audit(other)])).tasks[0]!
  assert.match(kept.message!, /can't be changed so: `options\.file_path` is .*api, not .*other/)
  assert.equal(await converges(bao, [audit({ ...other, recreate: true })]), [
    'changed disable the audit device more/; enable the audit device more/ (file)',
  ])
  assert.equal(await converges(bao, [audit({ ...api, state: 'absent' })]), ['changed disable the audit device more/'])
  const own = (await apply(bao, [audit({ path: 'declared', state: 'absent', unsafe_api: true })])).tasks[0]!
  assert.match(own.message!, /answers 400: cannot disable configuration-managed audit device/)
}

baoSuite(['2.7.2', '2.6.2'], [['audit devices, by configuration and by API', devices]], {
  more: `unsafe_allow_api_audit_creation = true
audit "file" "declared" {
  description = ${JSON.stringify(declared.description)}
  options {
    file_path = ${JSON.stringify(declared.options.file_path)}
  }
}
`,
})
