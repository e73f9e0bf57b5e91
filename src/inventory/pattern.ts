import { hostsOf, type Inventory } from './inventory.ts'

/** The hosts a pattern means, as Ansible reads it: parts joined by `:` or `,`, `&` for "also in", `!` for "but not", each a
 * host, a group, a glob or `~regex`, a group also with `[0]`, `[1:3]`.
 * @returns also the parts that name nothing. */
export function matchPattern(inventory: Inventory, pattern: string): { hosts: string[]; unknown: string[] } {
  const parts = splitPattern(pattern)
  const unknown: string[] = []
  const match = (part: string): string[] => {
    const found = matchOne(inventory, part)
    if (found === undefined) unknown.push(part)
    return found ?? []
  }
  const plain = parts.filter((p) => !/^[!&]/.test(p))
  let hosts = new Set((plain.length === 0 ? ['all'] : plain).flatMap(match))
  for (const part of parts.filter((p) => p.startsWith('&'))) {
    const also = new Set(match(part.slice(1)))
    hosts = new Set([...hosts].filter((h) => also.has(h)))
  }
  for (const part of parts.filter((p) => p.startsWith('!'))) for (const h of match(part.slice(1))) hosts.delete(h)
  return { hosts: [...hosts], unknown }
}

/** A `:` inside brackets, or of an IPv6 address, parts nothing. */
function splitPattern(pattern: string): string[] {
  if (pattern.includes(',')) return pattern.split(',').flatMap((p) => splitPattern(p.trim()))
  if (/^[0-9a-fA-F]*(:[0-9a-fA-F]*){2,}$/.test(pattern)) return [pattern]
  return (pattern.match(/(?:[^:[\]]|\[[^\]]*\])+/g) ?? []).map((p) => p.trim()).filter((p) => p !== '')
}

function matchOne(inventory: Inventory, part: string): string[] | undefined {
  if (part.startsWith('~')) return named(inventory, new RegExp(`^(?:${part.slice(1)})`))
  const range = /^(.+)\[(-?\d+)(?:([:-])(-?\d*))?\]$/.exec(part)
  const base = range ? range[1]! : part
  const hosts = matchName(inventory, base)
  if (!hosts || !range) return hosts
  const at = (text: string) => (Number(text) < 0 ? hosts.length + Number(text) : Number(text))
  if (range[3] === undefined) return hosts.slice(at(range[2]!), at(range[2]!) + 1)
  return hosts.slice(at(range[2]!), range[4] === '' ? undefined : at(range[4]!) + 1)
}

function matchName(inventory: Inventory, name: string): string[] | undefined {
  if (name === 'all' || name === '*') return [...inventory.hosts.keys()]
  if (inventory.groups.has(name)) return hostsOf(inventory, name)
  if (inventory.hosts.has(name)) return [name]
  if (!/[*?[]/.test(name)) return undefined
  const glob = name
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return named(inventory, new RegExp(`^${glob}$`))
}

function named(inventory: Inventory, test: RegExp): string[] | undefined {
  const groups = [...inventory.groups.keys()].filter((g) => test.test(g)).flatMap((g) => hostsOf(inventory, g))
  const hosts = [...inventory.hosts.keys()].filter((h) => test.test(h))
  const found = [...new Set([...groups, ...hosts])]
  return found.length === 0 ? undefined : found
}
