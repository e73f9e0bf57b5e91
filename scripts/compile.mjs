// dist/program.cjs.compiled: what V8 makes of the program, functions too as far as a usual run needs them. That run is a check of
// this machine through an SSH server that is there for it alone; it changes nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import ssh2 from 'ssh2'

const root = fileURLToPath(new URL('..', import.meta.url))
const { main, script, sealOf } = await import('../dist/load.js')
const dir = mkdtempSync(join(tmpdir(), 'runbook-build-'))
// beside node_modules, so that it finds ssh2
const built = join(root, `node_modules/.runbook-build-${process.pid}.mjs`)
try {
  await build({
    entryPoints: [join(root, 'test/embedded/server.ts')],
    outfile: built,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  })
  const { startHost } = await import(pathToFileURL(built).href)
  const [hostKey, userKey] = [0, 1].map(() => ssh2.utils.generateKeyPairSync('ed25519'))
  const home = join(dir, 'home')
  mkdirSync(home)
  const host = await startHost({ home, hostKey: hostKey.private, userKey: userKey.public })
  writeFileSync(join(dir, 'key'), userKey.private, { mode: 0o600 })
  const at = { ansible_host: '127.0.0.1', ansible_port: host.port, ansible_ssh_private_key_file: join(dir, 'key') }
  writeFileSync(join(dir, 'hosts.yml'), JSON.stringify({ all: { hosts: { here: at } } }))
  const reach = ['-i', join(dir, 'hosts.yml'), '--known-hosts', join(dir, 'known_hosts'), '--accept-new']
  const words = ['check', join(root, 'playbooks/quickstart.yml'), ...reach, '--output', 'ndjson']
  process.argv.splice(2, process.argv.length, ...words)
  await main()
  if (process.exitCode !== 2) throw new Error(`that run ended with ${process.exitCode}`)
  process.exitCode = 0
  const compiled = script.createCachedData()
  const kept = Buffer.concat([compiled, Buffer.from(`\n${sealOf(compiled)}`)])
  writeFileSync(join(root, 'dist/program.cjs.compiled'), kept)
} finally {
  rmSync(dir, { recursive: true, force: true })
  rmSync(built, { force: true })
}
// whatever still listens is of no use to anyone
process.exit()
