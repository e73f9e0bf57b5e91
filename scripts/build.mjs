// dist/: the command line (one chunk a command, so that starting stays quick) and the door for modules.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
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
await build({
  entryPoints: [join(root, 'src/main.ts'), join(root, 'src/module.ts')],
  outdir: join(root, 'dist'),
  bundle: true,
  splitting: true,
  minifySyntax: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // native addons are found only where npm put them
  external: ['pkcs11js', 'cpu-features'],
  plugins: [ssh2Addon, ssh2Rest],
  define: { __dirname: 'import.meta.dirname' },
  chunkNames: 'chunks/[name]-[hash]',
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
})
