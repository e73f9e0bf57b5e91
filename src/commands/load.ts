import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Module } from '../contract.ts'
import { prepare, type ReadyPlay } from '../engine/prepare.ts'
import { registry } from '../generated/registry.ts'
import { allVariables, type Inventory } from '../inventory/inventory.ts'
import { inventoriesIn, loadInventory } from '../inventory/load.ts'
import { loadVarsFile } from '../inventory/vars-dir.ts'
import { compileVariable, dataValue } from '../language/compile.ts'
import type { Diagnostic, Source } from '../language/diagnostic.ts'
import { loadDocument } from '../language/document.ts'
import { hideUnread, withoutSecretText } from '../language/hidden.ts'
import { hideVariables } from '../language/hide-variables.ts'
import { loadPlaybook } from '../language/load-playbook.ts'
import type { ModuleSet } from '../language/module-set.ts'
import type { Playbook, Value } from '../language/playbook.ts'
import { readSource } from '../language/source.ts'
import { prepareValidators } from '../language/validators.ts'
import { limitPattern } from './limit.ts'
import type { HostOptions, RunningOptions } from './options.ts'
import { ownModules } from './own-modules.ts'
import { reportDiagnostics } from './usage-error.ts'

type Report = (d: Diagnostic) => void

export interface LoadedRun {
  readonly plays: readonly ReadyPlay[]
  readonly extra: ReadonlyMap<string, Value>
}

/** Reads everything that a run needs, and settles what can be settled without a host.
 * @param playbooks paths, or what was put together.
 * @throws UsageError after all that is wrong was printed. */
export async function loadRun(playbooks: readonly (string | Source)[], options: RunningOptions): Promise<LoadedRun> {
  const diagnostics: Diagnostic[] = []
  const report: Report = (d) => void diagnostics.push(d)
  const sources = playbooks.flatMap((p) => (typeof p === 'string' ? (readSource(p, report) ?? []) : p))
  const dirs = playbooks.map((p) => dirname(typeof p === 'string' ? p : p.path))
  const modules = await modulesFor(dirs)
  const set: ModuleSet = { get: (name) => modules.get(name), names: () => [...modules.keys()] }
  const loaded = loadAll(sources, set, report)
  const before = diagnostics.length
  const { inventory, extra } = loadHosts(options, dirs, report)
  const whole = !diagnostics.slice(before).some((d) => d.severity === 'error')
  const ready = prepare(loaded, inventory, modules, {
    limit: limitPattern(options.limit, report),
    tags: options.tags,
    skipTags: options.skipTags,
    extra,
    target: { user: options.user, keyFile: options.privateKey },
  })
  for (const d of unknownTags(loaded, [...options.tags, ...options.skipTags])) report(d)
  // what was not read of the inventory would be told again as what is missing
  for (const d of ready.diagnostics) if (whole || !ofInventory.has(d.code)) report(d)
  if (diagnostics.length > 0) {
    const plays = loaded.flatMap((p) => p.plays)
    hideVariables(plays, set, [...allVariables(inventory), ...extra])
  }
  reportDiagnostics(diagnostics)
  return { plays: ready.plays, extra }
}

/** A tag that nobody has chooses nothing, and leaves nothing out: it may be misspelt. */
function unknownTags(playbooks: readonly Playbook[], named: readonly string[]): Diagnostic[] {
  const plays = playbooks.flatMap((p) => p.plays)
  const tags = new Set(plays.flatMap((p) => [...p.tags, ...[...p.tasks, ...p.handlers].flatMap((t) => t.tags)]))
  const words = ['all', 'tagged', 'untagged', 'always', 'never']
  return [...new Set(named)]
    .filter((tag) => !tags.has(tag) && !words.includes(tag))
    .map((tag) => ({
      code: 'tags',
      severity: 'warning',
      message: `no task has the tag \`${tag}\``,
      hint: tags.size === 0 ? 'none has any' : `there are: ${[...tags].sort().join(', ')}`,
    }))
}

const ofInventory = new Set(['hosts', 'no-hosts', 'limit', 'undefined-variable'])

export async function modulesFor(dirs: readonly string[]): Promise<ReadonlyMap<string, Module>> {
  const own = await ownModules(dirs)
  const modules = own.length === 0 ? registry : new Map([...registry, ...own.map((m) => [m.name, m] as const)])
  await prepareValidators(modules.values())
  return modules
}

function loadAll(sources: readonly Source[], modules: ModuleSet, report: Report): Playbook[] {
  return sources.flatMap((source) => {
    const loaded = loadPlaybook(source, modules)
    for (const d of loaded.diagnostics) report(d)
    return loaded.playbook ?? []
  })
}

/** The inventory and the command line's variables. Without -i: `inventory/`, or `hosts.yml`, beside the playbook or here. */
export function loadHosts(
  options: HostOptions,
  dirs: readonly string[],
  report: Report,
): { inventory: Inventory; extra: ReadonlyMap<string, Value> } {
  const standard = [...dirs, '.'].flatMap((d) => [join(d, 'inventory'), join(d, 'hosts.yml'), join(d, 'inventory.yml')])
  const found = standard.find((p) => existsSync(p))
  const paths = options.inventory.length > 0 ? options.inventory : found === undefined ? [] : oneOf(found, report)
  const { inventory, diagnostics } = loadInventory(paths, dirs)
  for (const d of diagnostics) report(d)
  return { inventory, extra: new Map(options.extraVars.flatMap((text) => [...extraVars(text, report)])) }
}

/** An inventory that nobody named is not put together of several: production's hosts and those of a test are in two. */
function oneOf(found: string, report: Report): readonly string[] {
  const several = inventoriesIn(found)
  if (several.length === 0) return [found]
  report({
    code: 'inventory',
    severity: 'warning',
    message: `${found}/ holds several inventories, and none is taken`,
    hint: several.map((path) => `-i ${path}`).join(', or '),
  })
  return []
}

/** `key=value …`, a JSON or YAML mapping, or `@FILE`. What is in a file may hold templates. A value is text, but for `true` and
 * `false`: as text both would count as true. */
function extraVars(text: string, report: Report): ReadonlyMap<string, Value> {
  if (text.startsWith('@'))
    return new Map([...loadVarsFile(text.slice(1), report)].map(([name, { value }]) => [name, value]))
  if (text.trimStart().startsWith('{')) {
    const source = { path: '--extra-vars', text }
    const { root, diagnostics } = loadDocument(source)
    for (const d of diagnostics) report(d)
    if (root?.kind !== 'map') hideUnread(source)
    return new Map(
      root?.kind === 'map' ? root.entries.map((e) => [e.key, compileVariable(e.key, e.value, report)]) : [],
    )
  }
  const pairs = text.match(/[A-Za-z_]\w*=(?:"[^"]*"|'[^']*'|\S*)/g) ?? []
  const left = pairs.reduce((rest, pair) => rest.replace(pair, ''), text).trim()
  if (pairs.length === 0 || left !== '')
    report({
      code: 'extra-vars',
      severity: 'error',
      message: `--extra-vars is key=value, a JSON mapping or @FILE, not \`${withoutSecretText(left || text)}\``,
      hint: 'quote a value with spaces: -e \'greeting="hello there"\'',
    })
  return new Map(
    pairs.map((p) => {
      const at = p.indexOf('=')
      const value = p.slice(at + 1)
      const plain = /^(true|false)$/.test(value) ? value === 'true' : value.replace(/^(["'])([\s\S]*)\1$/, '$2')
      return [p.slice(0, at), dataValue(plain)]
    }),
  )
}
