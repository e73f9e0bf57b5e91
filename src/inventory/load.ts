import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { compileVariable, dataValue } from '../language/compile.ts'
import { type Diagnostic, didYouMean, type Span } from '../language/diagnostic.ts'
import { loadDocument } from '../language/document.ts'
import { hideUnread } from '../language/hidden.ts'
import type { Item, MapItem } from '../language/item.ts'
import { readSource } from '../language/source.ts'
import {
  addChild,
  complete,
  emptyInventory,
  type Group,
  groupOf,
  hostOf,
  type Inventory,
  type Variable,
} from './inventory.ts'
import { expandRange } from './ranges.ts'
import { loadVarsDir } from './vars-dir.ts'

type Report = (d: Diagnostic) => void

/** Reads inventories (files or folders) and the group_vars/ and host_vars/ beside them and beside the playbooks. All that
 * is wrong is reported at once.
 * @param playbookDirs the folders of the playbooks. */
export function loadInventory(
  paths: readonly string[],
  playbookDirs: readonly string[] = [],
): { readonly inventory: Inventory; readonly diagnostics: readonly Diagnostic[] } {
  const inventory = emptyInventory()
  const diagnostics: Diagnostic[] = []
  const report: Report = (d) => void diagnostics.push(d)
  const dirs = new Set<string>()
  for (const path of paths) {
    for (const file of filesOf(path, report)) loadFile(inventory, file, report)
    if (existsSync(path)) dirs.add(statSync(path).isDirectory() ? path : dirname(path))
  }
  complete(inventory)
  // a play may name this machine without the inventory's knowing it
  const hosts = new Set([...inventory.hosts.keys(), 'localhost'])
  const varsOf = (dir: string) => loadVarsDir(dir, inventory.groups.keys(), hosts, report)
  for (const dir of dirs) inventory.beside.inventory.push(varsOf(dir))
  for (const dir of new Set(playbookDirs)) if (!dirs.has(dir)) inventory.beside.playbook.push(varsOf(dir))
  return { inventory, diagnostics }
}

const passedOver = /(~|\.(orig|bak|cfg|retry|pyc|pyo|swp|j2|md))$/

function filesOf(path: string, report: Report): string[] {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) {
    report({
      code: 'inventory',
      severity: 'error',
      message: `there is no inventory at ${path}`,
      hint: path.includes(',') ? 'hosts are named in a file: `all: { hosts: { NAME: } }`' : 'name it with -i',
    })
    return []
  }
  return stat.isDirectory() ? entriesOf(path).flatMap((entry) => filesOf(entry, report)) : [path]
}

const entriesOf = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => !name.startsWith('.') && !passedOver.test(name) && name !== 'group_vars' && name !== 'host_vars')
    .sort()
    .map((name) => join(dir, name))

/** The inventories in a folder that is none itself: two folders or more, and no file. */
export function inventoriesIn(path: string): string[] {
  const entries = statSync(path).isDirectory() ? entriesOf(path) : []
  const folders = entries.every((entry) => statSync(entry, { throwIfNoEntry: false })?.isDirectory())
  return folders && entries.length > 1 ? entries : []
}

function loadFile(inventory: Inventory, path: string, report: Report): void {
  const source = readSource(path, report)
  if (!source) return
  const whole: Span = { source, start: 0, end: Math.min(source.text.indexOf('\n') + 1 || 1, source.text.length) }
  const other = otherKind(path, source.text)
  if (other !== undefined) {
    report({ code: 'inventory', severity: 'error', span: whole, ...other })
    return
  }
  const { root, diagnostics } = loadDocument(source)
  for (const d of diagnostics) report(d)
  if (!root) {
    hideUnread(source)
    return
  }
  if (root.kind !== 'map') {
    report({
      code: 'inventory',
      severity: 'error',
      message: 'an inventory is a mapping of groups',
      span: root.span,
      hint: 'start with `all:` and `hosts:` below it',
    })
    return
  }
  for (const { key, value } of root.entries) loadGroup(inventory, key, value, report)
}

function otherKind(path: string, text: string): { message: string; hint: string } | undefined {
  if (text.startsWith('$ANSIBLE_VAULT'))
    return {
      message: 'the file is encrypted by ansible-vault, which is not read yet',
      hint: 'decrypt it, or keep secrets elsewhere',
    }
  if (text.startsWith('#!') && (statSync(path).mode & 0o111) !== 0)
    return { message: 'an inventory that is a program is not run yet', hint: 'save what it prints as a YAML inventory' }
  if (/^\s*\[[\w:.-]+\]\s*$/m.test(text))
    return {
      message: 'this is an INI inventory; inventories are YAML here',
      hint: `convert it: \`ansible-inventory -i ${path} --list --yaml > hosts.yml\``,
    }
  return undefined
}

const groupKeys = ['hosts', 'children', 'vars']

function loadGroup(inventory: Inventory, name: string, item: Item, report: Report): Group {
  const group = groupOf(inventory, name)
  if (item.kind === 'scalar' && item.value === null) return group
  if (item.kind !== 'map') {
    report({
      code: 'inventory',
      severity: 'error',
      message: `the group \`${name}\` is a mapping of hosts, children, vars`,
      span: item.span,
    })
    return group
  }
  for (const { key, keySpan, value } of item.entries) {
    const none = value.kind === 'scalar' && value.value === null
    if (!groupKeys.includes(key)) unknownKey(name, key, keySpan, report)
    else if (none) continue
    else if (value.kind !== 'map') notMapping(key, value, report)
    else if (key === 'hosts') loadHosts(inventory, group, value, report)
    else if (key === 'vars') loadVars(group, value, report)
    else loadChildren(inventory, group, value, report)
  }
  return group
}

function loadVars(group: Group, item: MapItem, report: Report): void {
  for (const { key, value } of item.entries) {
    if (key !== 'ansible_group_priority') group.vars.set(key, variable(key, value, report))
    else if (value.kind === 'scalar' && Number.isInteger(Number(value.value ?? '')))
      group.priority = Number(value.value)
    else
      report({
        code: 'inventory',
        severity: 'error',
        message: '`ansible_group_priority` is a whole number',
        span: value.span,
      })
  }
}

function unknownKey(group: string, key: string, span: Span, report: Report): void {
  const near = didYouMean(key, groupKeys)
  report({
    code: 'inventory',
    severity: 'error',
    message: `the group \`${group}\` has a key \`${key}\`, which is none of hosts, children, vars`,
    span,
    hint: near ? `did you mean \`${near}\`?` : 'a variable stands below `vars:`, a group below `children:`',
  })
}

function notMapping(key: string, value: Item, report: Report): void {
  report({
    code: 'inventory',
    severity: 'error',
    message: `\`${key}\` is a mapping: every name is followed by a colon`,
    span: value.span,
  })
}

function loadChildren(inventory: Inventory, group: Group, item: MapItem, report: Report): void {
  for (const { key, keySpan, value } of item.entries) {
    const child = loadGroup(inventory, key, value, report)
    if (!addChild(inventory, group, child))
      report({
        code: 'inventory',
        severity: 'error',
        message: `the groups \`${group.name}\` and \`${key}\` are parts of each other`,
        span: keySpan,
      })
  }
}

function loadHosts(inventory: Inventory, group: Group, item: MapItem, report: Report): void {
  for (const { key, keySpan, value } of item.entries) {
    const [, name = key, port] = /^((?:[^:[\]]|\[[^\]]*\])+):(\d{1,5})$/.exec(key) ?? []
    const names = expandRange(name)
    if (!names) {
      report({
        code: 'inventory',
        severity: 'error',
        message: `\`${key}\` is no range of hosts`,
        span: keySpan,
        hint: 'write `h[1:20]`, `h[01:20:2]` or `h[a:f]`',
      })
      continue
    }
    if (value.kind !== 'map' && !(value.kind === 'scalar' && value.value === null)) {
      notMapping(key, value, report)
      continue
    }
    const vars =
      value.kind === 'map' ? value.entries.map((e) => [e.key, variable(e.key, e.value, report)] as const) : []
    for (const name of names) {
      const host = hostOf(inventory, name)
      host.groups.add(group.name)
      group.hosts.add(name)
      if (port !== undefined)
        host.vars.set('ansible_port', { value: dataValue(Number(port)), from: keySpan.source.path })
      for (const [k, v] of vars) host.vars.set(k, v)
    }
  }
}

function variable(name: string, item: Item, report: Report): Variable {
  return { value: compileVariable(name, item, report), from: item.span.source.path }
}
