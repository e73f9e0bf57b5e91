import { toData } from '../language/item.ts'
import { hostsOf, type Inventory } from './inventory.ts'
import { variablesOf } from './variables.ts'

/** The groups as a tree, as `ansible-inventory --graph` draws it: from the group that is named, with the hosts that are
 * meant and the groups that have any of them. */
export function graph(inventory: Inventory, from: string, hosts: readonly string[]): string[] {
  const start = inventory.groups.has(from) ? from : 'all'
  const lines: string[] = []
  const shown = new Set(hosts)
  const whole = hostsOf(inventory, start).every((h) => shown.has(h))
  const has = (name: string) => whole || hostsOf(inventory, name).some((h) => shown.has(h))
  const walk = (name: string, depth: number) => {
    const group = inventory.groups.get(name)!
    lines.push(`${'  |'.repeat(depth)}${depth === 0 ? '' : '--'}@${name}:`)
    for (const child of [...group.children].filter(has)) walk(child, depth + 1)
    const own = name === 'all' ? [] : [...group.hosts].filter((h) => shown.has(h))
    for (const host of own) lines.push(`${'  |'.repeat(depth + 1)}--${host}`)
  }
  walk(start, 0)
  return lines
}

/** Hosts, groups and variables as `ansible-inventory --list` gives them; a value with a template stands as it is written.
 * @param shownAs what is told of a host's variables. */
export function list(
  inventory: Inventory,
  hosts: readonly string[],
  shownAs: (variables: object) => unknown,
): Record<string, unknown> {
  const shown = new Set(hosts)
  const variables = (host: string) =>
    shownAs(
      Object.fromEntries(
        [...variablesOf(inventory, host)].map(([k, { value }]) => [
          k,
          value.item ? toData(value.item) : value.evaluate({}),
        ]),
      ),
    )
  const hostvars = Object.fromEntries(
    hosts.map((h) => [h, variables(h)]).filter(([, v]) => Object.keys(v as object).length > 0),
  )
  const groups = [...inventory.groups.values()].map((group) => {
    const own = group.name === 'all' ? [] : [...group.hosts].filter((h) => shown.has(h))
    const children = [...group.children]
    return [
      group.name,
      { ...(children.length > 0 ? { children } : {}), ...(own.length > 0 ? { hosts: own } : {}) },
    ] as const
  })
  const kept = groups.filter(
    ([name, g]) => name === 'all' || Object.keys(g).length > 0 || hostsOf(inventory, name).length > 0,
  )
  return { _meta: { hostvars }, ...Object.fromEntries(kept) }
}
