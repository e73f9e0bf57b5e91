import { type Group, groupsOf, type Inventory, type Variable, type VarsDir } from './inventory.ts'

/** A host's variables with Ansible's precedence, weakest first: the inventory's `all` and groups (by depth, then
 * ansible_group_priority, then name), group_vars/all, group_vars/ of the groups, the inventory's host, host_vars/; what
 * stands beside a playbook wins over what stands beside the inventory. */
export function variablesOf(inventory: Inventory, hostName: string): Map<string, Variable> {
  const host = inventory.hosts.get(hostName)
  const found = new Map<string, Variable>()
  const add = (vars: ReadonlyMap<string, Variable> | undefined) => {
    for (const [name, variable] of vars ?? []) found.set(name, variable)
  }
  const groups = host ? sorted(inventory, groupsOf(inventory, host)) : []
  const { beside } = inventory
  const besides = (pick: (dir: VarsDir) => ReadonlyMap<string, Variable> | undefined, dirs: readonly VarsDir[]) => {
    for (const dir of dirs) add(pick(dir))
  }
  add(inventory.groups.get('all')?.vars)
  for (const group of groups) add(group.vars)
  besides((d) => d.groups.get('all'), beside.inventory)
  besides((d) => d.groups.get('all'), beside.playbook)
  for (const group of groups) besides((d) => d.groups.get(group.name), beside.inventory)
  for (const group of groups) besides((d) => d.groups.get(group.name), beside.playbook)
  add(host?.vars)
  besides((d) => d.hosts.get(hostName), beside.inventory)
  besides((d) => d.hosts.get(hostName), beside.playbook)
  return found
}

function sorted(inventory: Inventory, names: readonly string[]): Group[] {
  return names
    .map((name) => inventory.groups.get(name)!)
    .map((group) => ({ group, depth: depthOf(inventory, group) }))
    .sort((a, b) => a.depth - b.depth || a.group.priority - b.group.priority || (a.group.name < b.group.name ? -1 : 1))
    .map(({ group }) => group)
}

const depths = new WeakMap<Group, number>()

function depthOf(inventory: Inventory, group: Group): number {
  if (group.name === 'all') return 0
  const known = depths.get(group)
  if (known !== undefined) return known
  const depth = 1 + Math.max(0, ...[...group.parents].map((p) => depthOf(inventory, inventory.groups.get(p)!)))
  depths.set(group, depth)
  return depth
}

/** What Ansible gives every host besides its variables. */
export function magicOf(inventory: Inventory, hostName: string): Record<string, unknown> {
  const host = inventory.hosts.get(hostName)
  return {
    inventory_hostname: hostName,
    inventory_hostname_short: hostName.split('.')[0]!,
    group_names: host ? groupsOf(inventory, host).sort() : [],
  }
}
