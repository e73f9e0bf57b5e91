// Runs a TypeScript file of this repository: `node scripts/run.mjs FILE.ts [arguments]`.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
if (!existsSync(join(root, 'node_modules/esbuild/package.json'))) {
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit' })
  if (install.status !== 0) process.exit(install.status ?? 1)
}
const { build } = await import('esbuild')
const [file, ...rest] = process.argv.slice(2)
const out = join(root, `node_modules/.runbook-run-${process.pid}.mjs`)
await build({
  entryPoints: [resolve(file)],
  outfile: out,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  logLevel: 'error',
})
const child = spawn(process.execPath, ['--enable-source-maps', out, ...rest], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('close', (code) => {
  rmSync(out, { force: true })
  process.exit(code ?? 1)
})
