// dist/: the program in one file, compiled ahead so that starting is quick, the command line and the door for modules.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { generate } from './generate.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
await generate()
rmSync(join(root, 'dist'), { recursive: true, force: true })
/** ssh2 itself comes along, which halves the time it takes to load; without its addon it would encrypt slowly. */
const ssh2Addon = {
  name: 'ssh2-addon',
  setup(build) {
    const path = 'ssh2/lib/protocol/crypto/build/Release/sshcrypto.node'
    build.onResolve({ filter: /\/sshcrypto\.node$/ }, () => ({ path, external: true }))
  },
}
/** What of ssh2 nobody here uses would load HTTP and TLS of Node first. */
const ssh2Rest = {
  name: 'ssh2-rest',
  setup(build) {
    build.onLoad({ filter: /\/ssh2\/lib\/(http-agents|server|keygen)\.js$/ }, () => ({
      contents: 'module.exports = {}',
    }))
  },
}
/** What src/load.ts gives: a script that was compiled ahead imports nothing by itself. */
const importing = {
  name: 'importing',
  setup(build) {
    build.onLoad({ filter: /\/src\/commands\/import-file\.ts$/ }, () => ({
      contents: 'export const importFile = __import',
    }))
  },
}
const common = { platform: 'node', target: 'node20', logLevel: 'warning', minifySyntax: true }
await build({
  ...common,
  entryPoints: [join(root, 'src/program.ts')],
  outfile: join(root, 'dist/program.cjs'),
  bundle: true,
  format: 'cjs',
  // native addons are found only where npm put them
  external: ['pkcs11js', 'cpu-features'],
  plugins: [ssh2Addon, ssh2Rest, importing],
  supported: { 'dynamic-import': false },
  // src/load.ts gives it
  define: { 'import.meta.url': '__url' },
})
await build({
  ...common,
  entryPoints: [{ in: join(root, 'src/host/hsm-child.ts'), out: 'hsm-child' }],
  outdir: join(root, 'dist'),
  bundle: true,
  format: 'esm',
  external: ['pkcs11js'],
})
await build({ ...common, entryPoints: [join(root, 'src/load.ts')], outdir: join(root, 'dist'), format: 'esm' })
const { door } = await import(pathToFileURL(join(root, 'dist/load.js')).href)
const names = Object.keys(door).join(', ')
writeFileSync(join(root, 'dist/module.js'), `import { door } from './load.js'\n\nexport const { ${names} } = door\n`)
writeFileSync(join(root, 'dist/main.js'), "#!/usr/bin/env node\nimport { main } from './load.js'\n\nawait main()\n", {
  mode: 0o755,
})
const kept = spawnSync(process.execPath, [join(root, 'scripts/compile.mjs')], { encoding: 'utf8', timeout: 60_000 })
// it only starts quicker with it
if (kept.status !== 0)
  console.error(
    `nothing was compiled ahead: ${kept.error?.message ?? ''}${`${kept.stderr}${kept.stdout}`.slice(-1000)}`,
  )
