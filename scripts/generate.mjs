// Writes what is made of the modules: src/generated/ (the registry and the validators of their parameters, not committed)
// and, committed, schemas/ (what editors complete from and what ndjson output is) and docs/reference/ (a page a module). With
// --check it only says whether those are up to date.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = join(root, 'src/generated')

/** `package` is a name no variable may have. */
const id = (name) => `module_${name}`

export async function generate() {
  mkdirSync(out, { recursive: true })
  const names = readdirSync(join(root, 'modules'))
    .filter((f) => f.endsWith('.ts'))
    .map((f) => f.slice(0, -3))
    .sort()
  const registry = [
    '// Made by scripts/generate.mjs from modules/.',
    "import type { Module } from '../contract.ts'",
    ...names.map((n) => `import ${id(n)} from '../../modules/${n}.ts'`),
    "import * as validators from './validators.js'",
    '',
    '/** All modules of this package, by name, each with its validator. */',
    `export const registry: ReadonlyMap<string, Module> = new Map<string, Module>([`,
    ...names.map((n) => `  ['${n}', { ...${id(n)}, validate: validators.${id(n)} }],`),
    '])',
    '',
  ]
  const { modules, jsonSchema, editorSchemas, eventsSchema, referencePage, referenceIndex } = await load(names)
  await writeValidators(modules, jsonSchema)
  writeIfOther(join(out, 'registry.ts'), registry.join('\n'))
  const schemas = { ...editorSchemas(modules), 'events.schema.json': `${JSON.stringify(eventsSchema, null, 2)}\n` }
  const pages = [['README', referenceIndex(modules)], ...modules.map((m) => [m.name, referencePage(m)])]
  return Object.fromEntries([
    ...Object.entries(schemas).map(([name, text]) => [`schemas/${name}`, text]),
    ...pages.map(([name, text]) => [`docs/reference/${name}.md`, text]),
  ])
}

async function load(names) {
  const entry = [
    ...names.map((n) => `import ${id(n)} from './modules/${n}.ts'`),
    `export const modules = [${names.map(id).join(', ')}]`,
    "export { jsonSchema } from './src/language/json-schema.ts'",
    "export { editorSchemas } from './src/language/editor-schema.ts'",
    "export { eventsSchema } from './src/report/events-schema.ts'",
    "export { referenceIndex, referencePage } from './src/language/reference.ts'",
  ].join('\n')
  const file = join(root, `node_modules/.runbook-generate-${process.pid}.mjs`)
  await build({
    stdin: { contents: entry, resolveDir: root, loader: 'ts' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    outfile: file,
    logLevel: 'error',
  })
  try {
    return await import(pathToFileURL(file).href)
  } finally {
    rmSync(file, { force: true })
  }
}

async function writeValidators(modules, jsonSchema) {
  const { Ajv2020 } = await import('ajv/dist/2020.js')
  const standalone = (await import('ajv/dist/standalone/index.js')).default
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    verbose: true,
    code: { source: true, esm: true },
    schemas: modules.map((m) => ({ ...jsonSchema(m.params), $id: m.name })),
  })
  const code = (standalone.default ?? standalone)(ajv, Object.fromEntries(modules.map((m) => [id(m.name), m.name])))
  writeIfOther(join(out, 'validators.js'), code)
  const types = modules.map((m) => `export const ${id(m.name)}: Validate`)
  writeIfOther(
    join(out, 'validators.d.ts'),
    `import type { Validate } from '../language/module-set.ts'\n${types.join('\n')}\n`,
  )
}

function writeIfOther(path, text) {
  try {
    if (readFileSync(path, 'utf8') === text) return
  } catch {
    // there is none yet
  }
  writeFileSync(path, text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = await generate()
  const isStale = ([path, text]) => {
    try {
      return readFileSync(join(root, path), 'utf8') !== text
    } catch {
      return true
    }
  }
  const stale = Object.entries(made).filter(isStale)
  const reference = join(root, 'docs/reference')
  // of modules that are no more
  const left = (existsSync(reference) ? readdirSync(reference) : [])
    .map((name) => `docs/reference/${name}`)
    .filter((path) => !(path in made))
  if (process.argv.includes('--check')) {
    const wrong = [...stale.map(([path]) => path), ...left]
    if (wrong.length > 0) {
      console.error(`out of date, run \`npm run schemas\`: ${wrong.join(', ')}`)
      process.exit(1)
    }
  } else {
    for (const [path, text] of stale) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    for (const path of left) rmSync(join(root, path))
  }
}
