import type { Value } from '../language/playbook.ts'

/** A variable, and where it was given: `inventory/hosts.yml`, `inventory/group_vars/web.yml`, … */
export interface Variable {
  readonly value: Value
  readonly from: string
}

export interface Group {
  readonly name: string
  readonly children: Set<string>
  readonly parents: Set<string>
  readonly hosts: Set<string>
  readonly vars: Map<string, Variable>
  /** ansible_group_priority: of groups of one depth the greater wins. */
  priority: number
}

export interface Host {
  readonly name: string
  readonly groups: Set<string>
  readonly vars: Map<string, Variable>
}

/** Hosts and groups, in the order they were first named; always with the groups `all` and `ungrouped`. */
export interface Inventory {
  readonly groups: Map<string, Group>
  readonly hosts: Map<string, Host>
  /** From group_vars/ and host_vars/ beside the inventory and beside the playbooks, weakest first. */
  readonly beside: { readonly inventory: VarsDir[]; readonly playbook: VarsDir[] }
}

/** What is in one pair of group_vars/ and host_vars/. */
export interface VarsDir {
  readonly groups: ReadonlyMap<string, ReadonlyMap<string, Variable>>
  readonly hosts: ReadonlyMap<string, ReadonlyMap<string, Variable>>
}

export function emptyInventory(): Inventory {
  const inventory: Inventory = { groups: new Map(), hosts: new Map(), beside: { inventory: [], playbook: [] } }
  addChild(inventory, groupOf(inventory, 'all'), groupOf(inventory, 'ungrouped'))
  return inventory
}

/** The group of that name, made where there is none. */
export function groupOf(inventory: Inventory, name: string): Group {
  let group = inventory.groups.get(name)
  if (!group) {
    group = { name, children: new Set(), parents: new Set(), hosts: new Set(), vars: new Map(), priority: 1 }
    inventory.groups.set(name, group)
  }
  return group
}

export function hostOf(inventory: Inventory, name: string): Host {
  let host = inventory.hosts.get(name)
  if (!host) {
    host = { name, groups: new Set(), vars: new Map() }
    inventory.hosts.set(name, host)
  }
  return host
}

/** Makes `child` a part of `parent`. False where that would be a circle. */
export function addChild(inventory: Inventory, parent: Group, child: Group): boolean {
  if (parent === child || reaches(inventory, child, parent)) return false
  parent.children.add(child.name)
  child.parents.add(parent.name)
  return true
}

function reaches(inventory: Inventory, from: Group, to: Group): boolean {
  return [...from.children].some((c) => c === to.name || reaches(inventory, inventory.groups.get(c)!, to))
}

/** Every variable wherever it is given: the same name several times. */
export function allVariables({ groups, hosts, beside }: Inventory): [string, Value][] {
  const dirs = [...beside.inventory, ...beside.playbook].flatMap((d) => [...d.groups.values(), ...d.hosts.values()])
  const all = [...groups.values(), ...hosts.values()].map((of) => of.vars)
  return [...all, ...dirs].flatMap((vars) => [...vars].map(([name, { value }]): [string, Value] => [name, value]))
}

/** Every group without a parent belongs to `all`, every host without another group to `ungrouped`. */
export function complete(inventory: Inventory): void {
  const all = groupOf(inventory, 'all')
  const ungrouped = groupOf(inventory, 'ungrouped')
  for (const group of inventory.groups.values())
    if (group !== all && group.parents.size === 0) addChild(inventory, all, group)
  for (const host of inventory.hosts.values()) {
    const others = [...host.groups].filter((g) => g !== 'all' && g !== 'ungrouped')
    if (others.length > 0) ungrouped.hosts.delete(host.name)
    else ungrouped.hosts.add(host.name)
    host.groups.delete('all')
    if (others.length > 0) host.groups.delete('ungrouped')
    else host.groups.add('ungrouped')
  }
}

/** All hosts of a group and of those below it, level by level, each in the order they were named: Ansible's. */
export function hostsOf(inventory: Inventory, name: string): string[] {
  const found = new Set<string>()
  const groups = new Set([name])
  for (const at of groups) {
    const group = inventory.groups.get(at)
    for (const host of group?.hosts ?? []) found.add(host)
    for (const child of group?.children ?? []) groups.add(child)
  }
  return [...found]
}

/** The groups a host is in, also through others, without `all`. */
export function groupsOf(inventory: Inventory, host: Host): string[] {
  const found = new Set<string>()
  const walk = (name: string) => {
    if (found.has(name)) return
    found.add(name)
    for (const parent of inventory.groups.get(name)?.parents ?? []) walk(parent)
  }
  for (const group of host.groups) walk(group)
  found.delete('all')
  return [...found]
}
