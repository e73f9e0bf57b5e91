import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { prepare, type ReadyPlay } from '../engine/prepare.ts'
import { registry } from '../generated/registry.ts'
import type { Inventory } from '../inventory/inventory.ts'
import { loadInventory } from '../inventory/load.ts'
import { loadVarsFile } from '../inventory/vars-dir.ts'
import type { Diagnostic, Source } from '../language/diagnostic.ts'
import { loadDocument, toData } from '../language/document.ts'
import { loadPlaybook } from '../language/load-playbook.ts'
import type { ModuleSet } from '../language/module-set.ts'
import type { Playbook } from '../language/playbook.ts'
import { prepareValidators } from '../language/validators.ts'
import type { Module } from '../module.ts'
import type { HostOptions, RunningOptions } from './options.ts'
import { ownModules } from './own-modules.ts'
import { reportDiagnostics, UsageError } from './usage-error.ts'

/** Reads everything that a run needs, and settles what can be settled without a host.
 * @throws UsageError after all that is wrong was printed. */
export async function loadRun(
  sources: readonly Source[],
  options: RunningOptions,
): Promise<{ plays: readonly ReadyPlay[]; inventory: Inventory; extra: Record<string, unknown> }> {
  const diagnostics: Diagnostic[] = []
  const dirs = sources.map((s) => dirname(s.path))
  const modules = await modulesFor(dirs)
  const playbooks = loadAll(sources, modules, diagnostics)
  const { inventory, extra } = loadHosts(options, dirs, diagnostics)
  // names and hosts are judged in what could be read: an error in a file would only make others up
  if (diagnostics.some((d) => d.severity === 'error')) reportDiagnostics(diagnostics)
  const ready = prepare(playbooks, inventory, modules, {
    limit: options.limit,
    tags: options.tags,
    skipTags: options.skipTags,
    extra,
    target: { user: options.user, keyFile: options.privateKey },
  })
  reportDiagnostics([...diagnostics, ...ready.diagnostics])
  return { plays: ready.plays, inventory, extra }
}

export async function modulesFor(dirs: readonly string[]): Promise<ReadonlyMap<string, Module>> {
  const own = await ownModules(dirs)
  const modules = own.length === 0 ? registry : new Map([...registry, ...own.map((m) => [m.name, m] as const)])
  await prepareValidators(modules.values())
  return modules
}

function loadAll(
  sources: readonly Source[],
  modules: ReadonlyMap<string, Module>,
  diagnostics: Diagnostic[],
): Playbook[] {
  const set: ModuleSet = { get: (name) => modules.get(name), names: () => [...modules.keys()] }
  return sources.flatMap((source) => {
    const loaded = loadPlaybook(source, set)
    diagnostics.push(...loaded.diagnostics)
    return loaded.playbook ?? []
  })
}

/** @throws UsageError */
export function readSource(path: string): Source {
  try {
    return { path, text: readFileSync(path, 'utf8') }
  } catch (e) {
    throw new UsageError(
      `${path} cannot be read: ${(e as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (e as Error).message}`,
    )
  }
}

/** The inventory and the command line's variables. Without -i: `inventory/`, or `hosts.yml`, beside the playbook or here. */
export function loadHosts(
  options: HostOptions,
  dirs: readonly string[],
  diagnostics: Diagnostic[],
): { inventory: Inventory; extra: Record<string, unknown> } {
  const standard = [...dirs, '.'].flatMap((d) => [join(d, 'inventory'), join(d, 'hosts.yml'), join(d, 'inventory.yml')])
  const found = standard.find((p) => existsSync(p))
  const paths = options.inventory.length > 0 ? options.inventory : found === undefined ? [] : [found]
  const loaded = loadInventory(paths, dirs)
  diagnostics.push(...loaded.diagnostics)
  const extra: Record<string, unknown> = {}
  for (const text of options.extraVars) Object.assign(extra, extraVars(text, diagnostics))
  return { inventory: loaded.inventory, extra }
}

/** `key=value …` (values are text), a JSON or YAML mapping, or `@FILE`.
 * @throws UsageError */
function extraVars(text: string, diagnostics: Diagnostic[]): Record<string, unknown> {
  if (text.startsWith('@')) {
    const { path } = readSource(text.slice(1))
    const vars = loadVarsFile(path, (d) => void diagnostics.push(d))
    return Object.fromEntries([...vars].map(([k, v]) => [k, v.value.evaluate({})]))
  }
  if (text.trimStart().startsWith('{')) {
    const { root, diagnostics: wrong } = loadDocument({ path: '--extra-vars', text })
    diagnostics.push(...wrong)
    return root ? (toData(root) as Record<string, unknown>) : {}
  }
  const pairs = text.match(/[A-Za-z_]\w*=(?:"[^"]*"|'[^']*'|\S*)/g)
  if (!pairs || pairs.join(' ').length < text.trim().replace(/\s+/g, ' ').length)
    throw new UsageError(`--extra-vars is key=value, a JSON mapping or @FILE, not \`${text}\``)
  return Object.fromEntries(
    pairs.map((p) => {
      const at = p.indexOf('=')
      return [p.slice(0, at), p.slice(at + 1).replace(/^(["'])(.*)\1$/, '$2')]
    }),
  )
}
