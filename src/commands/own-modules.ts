import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Module } from '../module.ts'
import { UsageError } from './usage-error.ts'

/** The modules in `modules/` beside the playbooks, which come before those of this package.
 * @throws UsageError for a file that is none. */
export async function ownModules(dirs: readonly string[]): Promise<Module[]> {
  const files = [...new Set(dirs)].flatMap((dir) => filesIn(resolve(dir, 'modules')))
  if (files.length === 0) return []
  await resolvePackage()
  return Promise.all(files.map(load))
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter(
        (n) =>
          /\.(mjs|js)$/.test(n) ||
          (n.endsWith('.ts') && 'typescript' in process.features && Boolean(process.features.typescript)),
      )
      .map((n) => join(dir, n))
  } catch {
    return []
  }
}

async function load(file: string): Promise<Module> {
  let found: unknown
  try {
    found = ((await import(pathToFileURL(file).href)) as { default?: unknown }).default
  } catch (e) {
    throw new UsageError(`${file} cannot be loaded: ${(e as Error).message}`)
  }
  const module = found as Partial<Module> | undefined
  if (typeof module?.name === 'string' && module.params && module.body) return module as Module
  throw new UsageError(`${file} is no module: its default export is not what defineModule gives`)
}

/** A module outside this package imports `runbook/module`, wherever runbook is installed. */
async function resolvePackage(): Promise<void> {
  const { register } = await import('node:module')
  // the build puts this file into dist/chunks/ or, as all that starts, into dist/
  const door = new URL(import.meta.url.includes('/chunks/') ? '../module.js' : './module.js', import.meta.url).href
  const hook = `export const resolve = (name, context, next) => name === 'runbook/module' ? { url: ${JSON.stringify(door)}, shortCircuit: true } : next(name, context)`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
}
