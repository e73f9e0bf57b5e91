// dist/program.cjs.compiled: what V8 makes of the program, functions too as far as a usual run needs them. That run is a check of
// this machine, which changes nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { main, script, sealOf } = await import('../dist/load.js')
const dir = mkdtempSync(join(tmpdir(), 'runbook-build-'))
try {
  const inventory = join(dir, 'hosts.yml')
  writeFileSync(inventory, 'all: { hosts: { here: { ansible_connection: local } } }\n')
  process.argv.splice(
    2,
    Infinity,
    'check',
    join(root, 'playbooks/quickstart.yml'),
    '-i',
    inventory,
    '--output',
    'ndjson',
  )
  await main()
  if (process.exitCode !== 2) throw new Error(`that run ended with ${process.exitCode}`)
  process.exitCode = 0
  const compiled = script.createCachedData()
  writeFileSync(
    join(root, 'dist/program.cjs.compiled'),
    Buffer.concat([compiled, Buffer.from(`\n${sealOf(compiled)}`)]),
  )
} finally {
  rmSync(dir, { recursive: true, force: true })
}
