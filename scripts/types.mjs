// dist/types/: what a TypeScript author of a module sees of `runbook/module`.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = join(root, 'dist/types')
rmSync(out, { recursive: true, force: true })
const options =
  'src/module.ts --ignoreConfig --declaration --emitDeclarationOnly --rootDir src --outDir dist/types --target ES2022 --lib ES2023 --module NodeNext --types node --strict --exactOptionalPropertyTypes --allowImportingTsExtensions --skipLibCheck --stripInternal'
const done = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options.split(' ')], {
  cwd: root,
  stdio: 'inherit',
})
if (done.status !== 0) process.exit(done.status ?? 1)
for (const file of readdirSync(out, { recursive: true }).map((f) => join(out, String(f))))
  if (file.endsWith('.d.ts')) {
    // a declaration names what will run: there is no .ts in the package
    const text = readFileSync(file, 'utf8').replace(/(from |import\()(['"])(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2')
    writeFileSync(file, text)
  }
