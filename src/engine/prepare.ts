import { dirname } from 'node:path'
import type { Module } from '../contract.ts'
import { factNames } from '../host/facts.ts'
import { ignoredVariables, type Target, type TargetDefaults, targetOf } from '../inventory/connection.ts'
import type { Inventory, Variable } from '../inventory/inventory.ts'
import { matchPattern } from '../inventory/pattern.ts'
import { magicOf, variablesOf } from '../inventory/variables.ts'
import { namesFacts, namesOfPlay, unknownNames } from '../language/check-names.ts'
import { findControllerFile } from '../language/controller-path.ts'
import { type Diagnostic, didYouMean } from '../language/diagnostic.ts'
import { type Play, type Playbook, type Task, type Value, ValueError } from '../language/playbook.ts'
import { loadTemplate, type Template } from '../language/template.ts'
import { ordered } from './batches.ts'
import { wrongParams } from './check-includes.ts'
import { FoundOnHosts } from './found-on-hosts.ts'
import { hostvarsOf } from './hostvars.ts'
import type { Queue } from './memory.ts'
import { HostScope } from './scope.ts'

export interface Selection {
  readonly limit?: string | undefined
  readonly tags: readonly string[]
  readonly skipTags: readonly string[]
  readonly extra: ReadonlyMap<string, Value>
  readonly target: TargetDefaults
}

/** A play that is ready to run: its hosts, and the tasks that are selected. */
export interface ReadyPlay {
  readonly play: Play
  /** The folder of its playbook. */
  readonly dir: string
  readonly hosts: readonly ReadyHost[]
  /** Of all its hosts, in order. */
  readonly names: readonly string[]
  readonly queue: Queue
  /** Whether the facts that take programs of their own are asked for before something looks at them. */
  readonly facts: boolean
  /** What `register` and `set_fact` gave in the plays before, by host: one map for all plays, which the run fills. */
  readonly remembered: Map<string, ReadonlyMap<string, unknown>>
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
  const limit = selection.limit === undefined ? undefined : limitOf(inventory, selection.limit, report)
  const groups = groupsOfAll(inventory)
  const remembered: ReadyPlay['remembered'] = new Map()
  const shared = { groups, hostvars: hostvarsOf(inventory, groups, selection.extra, remembered) }
  const hostCache = new Map<string, ReadyHost | undefined>()
  const brought = new Set<string>()
  const plays = playbooks.flatMap((playbook) =>
    playbook.plays.map((play): ReadyPlay => {
      const { hosts: matched, isUnknown } = hostsOfPlay(inventory, play, report)
      const named = matched.filter((name) => !limit || limit.has(name))
      const names = ordered(named, play.order)
      const hosts = names.flatMap((name) => {
        if (!hostCache.has(name)) hostCache.set(name, readyHost(inventory, name, shared, selection, report))
        return hostCache.get(name) ?? []
      })
      const dir = dirname(playbook.source.path)
      const tasks = [...play.tasks, ...play.handlers]
      const templates = new Map(tasks.map((t) => [t, templatesOf(t, modules.get(t.module)!, dir, report)]))
      const files = (task: Task) => templates.get(task) ?? []
      checkPlay(play, names, inventory, { brought, extra: selection.extra, files }, (d) => {
        // of hosts that there are not nobody knows the variables
        if (d.code !== 'undefined-variable' || matched.length > 0 || !isUnknown) report(d)
      })
      for (const name of namesOfPlay(play)) brought.add(name)
      for (const d of wrongParams(play, { hosts, names, extra: selection.extra, brought })) report(d)
      const given = () => [
        ...selection.extra.values(),
        ...hosts.flatMap((h) => [...h.variables.values()].map((v) => v.value)),
        ...[...templates.values()].flat(),
      ]
      const facts = play.gatherFacts || namesFacts(play) || given().some((v) => v.names.has('facts'))
      return { play, dir, hosts, names, queue: queueOf(play, modules, selection), facts, remembered }
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
  if (pattern.trim() === '')
    report({
      code: 'limit',
      severity: 'error',
      message: '--limit is empty',
      hint: 'leave it out for all hosts of the plays',
    })
  const { hosts, unknown, broken } = matchPattern(inventory, pattern)
  for (const part of broken)
    report({ code: 'limit', severity: 'error', message: `--limit: \`${part}\` is no regular expression or glob` })
  for (const name of unknown.filter((u) => u !== 'localhost'))
    report({
      code: 'limit',
      severity: 'error',
      message: `--limit names no host or group: ${name}`,
      ...near(inventory, name),
    })
  const limited = new Set([...hosts, ...unknown.filter((u) => u === 'localhost')])
  if (limited.size + unknown.length + broken.length === 0 && pattern.trim() !== '' && inventory.hosts.size > 0)
    report({ code: 'limit', severity: 'error', message: `--limit leaves no host: ${pattern}` })
  return limited
}

const namesNone = 'name an inventory with -i, or put one beside the playbook as inventory/ or hosts.yml'

function near(inventory: Inventory, name: string): { hint?: string } {
  if (inventory.hosts.size === 0) return { hint: namesNone }
  const found = didYouMean(name, [...inventory.groups.keys(), ...inventory.hosts.keys()])
  return found === undefined ? {} : { hint: `did you mean \`${found}\`?` }
}

function hostsOfPlay(inventory: Inventory, play: Play, report: (d: Diagnostic) => void) {
  const { hosts, unknown, broken } = matchPattern(inventory, String(play.hosts.evaluate({})))
  for (const part of broken)
    report({
      code: 'hosts',
      severity: 'error',
      message: `\`${part}\` is no regular expression or glob`,
      span: play.hosts.span,
    })
  const implicit = unknown.filter((u) => u === 'localhost')
  const others = unknown.filter((u) => u !== 'localhost')
  if (hosts.length + unknown.length + broken.length === 0) noHosts(inventory, play, report)
  for (const name of others)
    report({
      code: 'hosts',
      severity: 'error',
      message: `the inventory has no host or group \`${name}\``,
      span: play.hosts.span,
      ...near(inventory, name),
    })
  return { hosts: [...hosts, ...implicit], isUnknown: others.length + broken.length > 0 }
}

function noHosts(inventory: Inventory, play: Play, report: (d: Diagnostic) => void): void {
  const none = inventory.hosts.size === 0
  report({
    code: 'no-hosts',
    severity: none ? 'error' : 'warning',
    message: none ? 'the inventory has no hosts' : `no host is \`${String(play.hosts.evaluate({}))}\``,
    span: play.hosts.span,
    ...(none ? { hint: namesNone } : {}),
  })
}

function readyHost(
  inventory: Inventory,
  name: string,
  shared: { readonly groups: object; readonly hostvars: object },
  selection: Selection,
  report: (d: Diagnostic) => void,
): ReadyHost | undefined {
  const variables = variablesOf(inventory, name)
  const given = { ...magicOf(inventory, name), ...shared }
  // made only for a host whose connection has templates: most have none, and there may be thousands
  const evaluated = (value: Value) => {
    const values = new Map([...variables].map(([k, v]) => [k, v.value]))
    const scope = new HostScope({ given, inventory: values, play: new Map(), extra: selection.extra }, () => ({}))
    return scope.evaluate(value, scope.forTask(new Map(), new Map()))
  }
  try {
    const extra = [...selection.extra].map(([k, value]) => [k, { value, from: '--extra-vars' }] as const)
    const all = extra.length === 0 ? variables : new Map([...variables, ...extra])
    const evaluate = ({ value }: Variable) => (value.constant ? value.evaluate({}) : evaluated(value))
    for (const d of ignoredVariables(all)) report(d)
    return { target: targetOf(name, all, evaluate, selection.target), variables, given }
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    report(e.diagnostic)
    return undefined
  }
}

interface Names {
  readonly brought: ReadonlySet<string>
  readonly extra: ReadonlyMap<string, Value>
  readonly files: (task: Task) => readonly Template[]
}

/** Names are checked for every different set of variables that the hosts have. */
function checkPlay(
  play: Play,
  hosts: readonly string[],
  inventory: Inventory,
  { brought, extra, files }: Names,
  report: (d: Diagnostic) => void,
): void {
  const sets = new Map<string, { names: Set<string>; values: Map<Value, string>; hosts: string[] }>()
  const add = (host: string, variables: Iterable<readonly [string, Variable]>) => {
    const all = [...variables]
    const key = all
      .map(([name]) => name)
      .sort()
      .join(' ')
    const set = sets.get(key) ?? {
      names: new Set([...all.map(([name]) => name), ...extra.keys()]),
      values: new Map([...extra].map(([name, value]) => [value, name])),
      hosts: [],
    }
    for (const [name, { value }] of all) if (!value.constant) set.values.set(value, name)
    set.hosts.push(host)
    sets.set(key, set)
  }
  for (const name of hosts) add(name, variablesOf(inventory, name))
  // a play without hosts is checked against all that there is
  if (sets.size === 0)
    add(
      '',
      [...inventory.hosts.keys()].flatMap((h) => [...variablesOf(inventory, h)]),
    )
  const found = new FoundOnHosts()
  for (const set of sets.values()) {
    const around = {
      defined: set.names,
      brought,
      inventory: [...set.values].map(([value, name]) => [name, value] as const),
      facts: factNames,
      files,
    }
    for (const d of unknownNames(play, around)) found.add(d, set.hosts)
  }
  const total = [...sets.values()].reduce((sum, set) => sum + set.hosts.length, 0)
  for (const d of found.diagnostics(total)) report(d)
}

/** Where a task's files of the controller are looked for, the nearest first.
 * @param dir the playbook's folder. */
export function foldersOf(task: Task, dir: string): string[] {
  return [...task.includes.map((i) => i.dir).reverse(), dir]
}

/** Files of the controller that are named plainly have to be there, and templates have to be templates.
 * @returns the templates. */
function templatesOf(task: Task, module: Module, dir: string, report: (d: Diagnostic) => void): Template[] {
  const remote = task.params.get('remote_src')
  if (remote && !(remote.constant && remote.evaluate({}) === false)) return []
  return Object.entries(module.params.properties).flatMap(([name, schema]) => {
    const value = task.params.get(name)
    if (!schema.controllerPath || !value?.constant) return []
    const { path, tried } = findControllerFile(foldersOf(task, dir), schema.controllerPath, String(value.evaluate({})))
    if (path !== undefined) return schema.controllerPath === 'templates' ? templateAt(path, report) : []
    report({
      code: 'missing-file',
      severity: 'error',
      message: `there is no file \`${String(value.evaluate({}))}\` on the controller`,
      span: value.span,
      hint: `looked for ${tried.join(' and ')}`,
    })
    return []
  })
}

function templateAt(path: string, report: (d: Diagnostic) => void): Template[] {
  try {
    return [loadTemplate(path)]
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    report(e.diagnostic)
    return []
  }
}

function queueOf(play: Play, modules: ReadonlyMap<string, Module>, selection: Selection): Queue {
  const tasks = play.tasks.filter((t) => isSelected([...play.tags, ...t.tags], selection))
  const entries = [...tasks, ...play.handlers].map((task) => ({ task, module: modules.get(task.module)! }))
  return { entries, handlersFrom: tasks.length }
}

/** As Ansible selects: `always` and `never`, and the words all, tagged, untagged. */
function isSelected(own: readonly string[], { tags, skipTags }: Selection): boolean {
  const only = tags.length === 0 ? ['all'] : tags
  const has = (wanted: readonly string[]) => wanted.some((t) => (own.length === 0 ? t === 'untagged' : own.includes(t)))
  const always = own.includes('always')
  const never = own.includes('never')
  const chosen = only.includes('all') || (only.includes('tagged') && own.length > 0)
  if (!always && !has(only) && (never || !chosen)) return false
  if (skipTags.includes('all')) return always && !skipTags.includes('always')
  return !has(skipTags) && !(skipTags.includes('tagged') && own.length > 0)
}
