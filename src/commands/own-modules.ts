import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Module } from '../contract.ts'
import { includeKeys, otherKey, taskKeys } from '../language/keys.ts'
import { prepareValidators } from '../language/validators.ts'
import { importFile } from './import-file.ts'
import { UsageError } from './usage-error.ts'

/** The modules in `modules/` beside the playbooks, which come before those of this package.
 * @throws UsageError for a file that is none. */
export async function ownModules(dirs: readonly string[]): Promise<Module[]> {
  const files = [...new Set(dirs.map((dir) => resolve(dir, 'modules')))].flatMap(filesIn)
  if (files.length === 0) return []
  await resolvePackage()
  const modules = await Promise.all(files.map(load))
  for (const [i, { name }] of modules.entries()) {
    const first = modules.findIndex((m) => m.name === name)
    if (first !== i) throw new UsageError(`${files[first]} and ${files[i]} both define the module ${name}`)
  }
  return modules
}

/** Of this package in its repository: they are built in. */
const builtIn = resolve(fileURLToPath(import.meta.url), '../../modules')
const takesTypes = 'typescript' in process.features && Boolean(process.features.typescript)

function filesIn(dir: string): string[] {
  if (dir === builtIn) return []
  try {
    return readdirSync(dir)
      .filter((n) => /\.(mjs|js|ts)$/.test(n) && !n.endsWith('.d.ts'))
      .sort()
      .map((n) => join(dir, n))
  } catch {
    return []
  }
}

async function load(file: string): Promise<Module> {
  if (file.endsWith('.ts') && !takesTypes)
    throw new UsageError(
      `${file} cannot be loaded: this Node (${process.version}) runs no TypeScript`,
      'use Node 22.18 or later, or compile it to .mjs',
    )
  let found: unknown
  try {
    found = (await importFile(pathToFileURL(file).href)).default
  } catch (e) {
    throw new UsageError(`${file} cannot be loaded: ${(e as Error).message}`)
  }
  const wrong = faultOf(found)
  if (wrong !== undefined) throw new UsageError(`${file} is no module: ${wrong}`, example)
  const module = found as Module
  try {
    await prepareValidators([module])
  } catch (e) {
    throw new UsageError(`${file}: the schema of its params is wrong: ${(e as Error).message}`)
  }
  return module
}

const example =
  "export default defineModule({ name: 'x', summary: '…', params: { type: 'object', properties: {} } })({ plan: () => ({ steps: [] }) })"

function faultOf(found: unknown): string | undefined {
  if (typeof found === 'function') return 'defineModule(…) has to be called once more, with reads and plan'
  if (found === null || typeof found !== 'object') return 'its default export is not what defineModule gives'
  const { name, summary, params, body } = found as Partial<Module>
  if (typeof name !== 'string' || !/^[a-z]\w*$/.test(name)) return '`name` is a word of small letters, digits and _'
  if (taskKeys.has(name) || includeKeys.has(name) || otherKey(name, 'task') !== undefined)
    return `\`${name}\` is a word of the language`
  if (typeof summary !== 'string') return '`summary` is one sentence'
  if (params?.type !== 'object' || params.properties === null || typeof params.properties !== 'object')
    return "`params` is a JSON Schema: { type: 'object', properties: { … } }"
  return typeof body?.plan === 'function' ? undefined : '`plan` is a function'
}

/** A module outside this package imports `runbook/module`, wherever runbook is installed. */
async function resolvePackage(): Promise<void> {
  const { register } = await import('node:module')
  const door = new URL('./module.js', import.meta.url).href
  const hook = `export const resolve = (name, context, next) => name === 'runbook/module' ? { url: ${JSON.stringify(door)}, shortCircuit: true } : next(name, context)`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}
