// dist/program.cjs.compiled: what V8 makes of the program, functions too as far as a usual run needs them. That run is a check of
// this machine through an SSH server that is there for it alone; it changes nothing.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { main, script, sealOf } = await import('../dist/load.js')
// beside node_modules, so that it finds ssh2
const built = join(root, `node_modules/.runbook-build-${process.pid}.mjs`)
try {
  await build({
    entryPoints: [join(root, 'test/embedded/hosts.ts')],
    outfile: built,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  })
  const { startHosts } = await import(pathToFileURL(built).href)
  const { dir } = await startHosts(1)
  const reach = ['-i', join(dir, 'hosts.yml'), '--known-hosts', join(dir, 'known_hosts')]
  const words = ['check', join(root, 'playbooks/quickstart.yml'), ...reach, '--output', 'ndjson']
  process.argv.splice(2, process.argv.length, ...words)
  await main()
  if (process.exitCode !== 2) throw new Error(`that run ended with ${process.exitCode}`)
  process.exitCode = 0
  const compiled = script.createCachedData()
  const kept = Buffer.concat([compiled, Buffer.from(`\n${sealOf(compiled)}`)])
  writeFileSync(join(root, 'dist/program.cjs.compiled'), kept)
} finally {
  rmSync(built, { force: true })
}
// the host still listens, and its directory goes when this ends
process.exit()
