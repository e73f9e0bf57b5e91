import { dirname } from 'node:path'
import { factNames } from '../host/facts.ts'
import { type Target, type TargetDefaults, targetOf } from '../inventory/connection.ts'
import type { Inventory, Variable } from '../inventory/inventory.ts'
import { matchPattern } from '../inventory/pattern.ts'
import { magicOf, variablesOf } from '../inventory/variables.ts'
import { namesBrought, unknownNames } from '../language/check-names.ts'
import { findControllerFile } from '../language/controller-path.ts'
import { type Diagnostic, didYouMean } from '../language/diagnostic.ts'
import type { Scope } from '../language/expression.ts'
import { type Play, type Playbook, type Task, ValueError } from '../language/playbook.ts'
import { loadTemplate } from '../language/template.ts'
import type { Module } from '../module.ts'
import type { Queue } from './memory.ts'
import { HostScope } from './scope.ts'

export interface Selection {
  readonly limit?: string | undefined
  readonly tags: readonly string[]
  readonly skipTags: readonly string[]
  readonly extra: Readonly<Record<string, unknown>>
  readonly target: TargetDefaults
}

/** A play that is ready to run: its hosts, and the tasks that are selected. */
export interface ReadyPlay {
  readonly play: Play
  /** The folder of its playbook. */
  readonly dir: string
  readonly hosts: readonly ReadyHost[]
  readonly queue: Queue
}

export interface ReadyHost {
  readonly target: Target
  readonly variables: ReadonlyMap<string, Variable>
  readonly given: Readonly<Record<string, unknown>>
}

/** Settles all that can be settled before anything connects: hosts, names, files. Everything wrong is told at once. */
export function prepare(
  playbooks: readonly Playbook[],
  inventory: Inventory,
  modules: ReadonlyMap<string, Module>,
  selection: Selection,
): { readonly plays: readonly ReadyPlay[]; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const report = (d: Diagnostic) => void diagnostics.push(d)
  const brought = namesBrought(playbooks.flatMap((p) => p.plays))
  const hostCache = new Map<string, ReadyHost | undefined>()
  const limit = selection.limit === undefined ? undefined : limitOf(inventory, selection.limit, report)
  const groups = groupsOfAll(inventory)
  const plays = playbooks.flatMap((playbook) =>
    playbook.plays.map((play): ReadyPlay => {
      const names = hostsOfPlay(inventory, play, report).filter((h) => !limit || limit.has(h))
      const hosts = names.flatMap((name) => {
        if (!hostCache.has(name)) hostCache.set(name, readyHost(inventory, name, groups, selection, report))
        return hostCache.get(name) ?? []
      })
      const dir = dirname(playbook.source.path)
      checkPlay(play, hosts, brought, selection, report)
      for (const task of [...play.tasks, ...play.handlers]) checkFiles(task, modules.get(task.module)!, dir, report)
      return { play, dir, hosts, queue: queueOf(play, modules, selection) }
    }),
  )
  return { plays, diagnostics: unique(diagnostics) }
}

function unique(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>()
  return diagnostics.filter((d) => {
    const key = `${d.span?.source.path} ${d.span?.start} ${d.message}`
    return !seen.has(key) && seen.add(key)
  })
}

function groupsOfAll(inventory: Inventory): Record<string, string[]> {
  return Object.fromEntries([...inventory.groups.keys()].map((g) => [g, matchPattern(inventory, g).hosts]))
}

function limitOf(inventory: Inventory, pattern: string, report: (d: Diagnostic) => void): Set<string> {
  const { hosts, unknown } = matchPattern(inventory, pattern)
  for (const name of unknown.filter((u) => u !== 'localhost'))
    report({
      code: 'limit',
      severity: 'error',
      message: `--limit names no host or group: ${name}`,
      ...near(inventory, name),
    })
  return new Set([...hosts, ...unknown.filter((u) => u === 'localhost')])
}

function near(inventory: Inventory, name: string): { hint?: string } {
  const found = didYouMean(name, [...inventory.groups.keys(), ...inventory.hosts.keys()])
  return found === undefined ? {} : { hint: `did you mean \`${found}\`?` }
}

function hostsOfPlay(inventory: Inventory, play: Play, report: (d: Diagnostic) => void): string[] {
  const { hosts, unknown } = matchPattern(inventory, String(play.hosts.evaluate({})))
  const implicit = unknown.filter((u) => u === 'localhost')
  for (const name of unknown.filter((u) => u !== 'localhost'))
    report({
      code: 'hosts',
      severity: 'error',
      message: `the inventory has no host or group \`${name}\``,
      span: play.hosts.span,
      ...near(inventory, name),
    })
  return [...hosts, ...implicit]
}

function readyHost(
  inventory: Inventory,
  name: string,
  groups: Record<string, string[]>,
  selection: Selection,
  report: (d: Diagnostic) => void,
): ReadyHost | undefined {
  const variables = variablesOf(inventory, name)
  const given = { ...magicOf(inventory, name), groups }
  const inventoryValues = new Map([...variables].map(([k, v]) => [k, v.value]))
  const scope = new HostScope(
    { given, inventory: inventoryValues, play: new Map(), extra: selection.extra },
    () => ({}),
  )
  try {
    const at: Scope = scope.forTask(new Map(), new Map())
    const target = targetOf(name, variables, (v) => scope.evaluate(v.value, at), selection.target, selection.extra)
    return { target, variables, given }
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    report(e.diagnostic)
    return undefined
  }
}

/** Names are checked for every different set of variables that the hosts have. */
function checkPlay(
  play: Play,
  hosts: readonly ReadyHost[],
  brought: ReadonlySet<string>,
  selection: Selection,
  report: (d: Diagnostic) => void,
): void {
  const sets = new Map<string, { names: Set<string>; hosts: string[] }>()
  for (const { target, variables } of hosts) {
    const names = [...variables.keys()].sort()
    const key = names.join(' ')
    const set = sets.get(key) ?? { names: new Set([...names, ...brought, ...Object.keys(selection.extra)]), hosts: [] }
    set.hosts.push(target.name)
    sets.set(key, set)
  }
  for (const set of sets.values())
    for (const d of unknownNames(play, set.names, factNames)) {
      const only = sets.size > 1 && d.code === 'undefined-variable' ? ` on ${listed(set.hosts)}` : ''
      report({ ...d, message: `${d.message}${only}` })
    }
}

function listed(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more hosts` : names.join(', ')
}

/** Files of the controller that are named plainly have to be there, and templates have to be templates. */
function checkFiles(task: Task, module: Module, dir: string, report: (d: Diagnostic) => void): void {
  const remote = task.params.get('remote_src')
  if (remote && !(remote.constant && remote.evaluate({}) === false)) return
  for (const [name, schema] of Object.entries(module.params.properties)) {
    const value = task.params.get(name)
    if (!schema.controllerPath || !value?.constant) continue
    const { path, tried } = findControllerFile(dir, schema.controllerPath, String(value.evaluate({})))
    if (path === undefined)
      report({
        code: 'missing-file',
        severity: 'error',
        message: `there is no file \`${String(value.evaluate({}))}\` on the controller`,
        span: value.span,
        hint: `looked for ${tried.join(' and ')}`,
      })
    else if (schema.controllerPath === 'templates') checkTemplate(path, report)
  }
}

function checkTemplate(path: string, report: (d: Diagnostic) => void): void {
  try {
    loadTemplate(path)
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    report(e.diagnostic)
  }
}

function queueOf(play: Play, modules: ReadonlyMap<string, Module>, selection: Selection): Queue {
  const tasks = play.tasks.filter((t) => isSelected([...play.tags, ...t.tags], selection))
  const entries = [...tasks, ...play.handlers].map((task) => ({ task, module: modules.get(task.module)! }))
  return { entries, handlersFrom: tasks.length }
}

/** As Ansible selects: `always` and `never`, and the words all, tagged, untagged. */
function isSelected(own: readonly string[], { tags, skipTags }: Selection): boolean {
  const has = (wanted: readonly string[]) =>
    wanted.some(
      (t) =>
        own.includes(t) ||
        (t === 'all' && !own.includes('never')) ||
        (t === 'tagged' && own.length > 0 && !own.includes('never')) ||
        (t === 'untagged' && own.length === 0),
    )
  const wanted = has(tags.length === 0 ? ['all'] : tags) || (own.includes('always') && !skipTags.includes('always'))
  return wanted && !(skipTags.length > 0 && has(skipTags.filter((t) => t !== 'always' || own.includes('always'))))
}
