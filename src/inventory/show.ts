import { toData } from '../language/document.ts'
import { hostsOf, type Inventory } from './inventory.ts'
import { variablesOf } from './variables.ts'

/** The groups as a tree, as `ansible-inventory --graph` draws it. */
export function graph(inventory: Inventory, from: string): string[] {
  const start = inventory.groups.has(from) ? from : 'all'
  const lines: string[] = []
  const walk = (name: string, depth: number) => {
    const group = inventory.groups.get(name)!
    lines.push(`${'  |'.repeat(depth)}${depth === 0 ? '' : '--'}@${name}:`)
    for (const child of group.children) walk(child, depth + 1)
    const own = name === 'all' ? [] : group.hosts
    for (const host of own) lines.push(`${'  |'.repeat(depth + 1)}--${host}`)
  }
  walk(start, 0)
  return lines
}

/** Hosts, groups and variables as `ansible-inventory --list` gives them; a value with a template stands as it is written. */
export function list(inventory: Inventory, hosts: readonly string[]): Record<string, unknown> {
  const shown = new Set(hosts)
  const variables = (host: string) =>
    Object.fromEntries(
      [...variablesOf(inventory, host)].map(([k, { value }]) => [
        k,
        value.item ? toData(value.item) : value.evaluate({}),
      ]),
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
