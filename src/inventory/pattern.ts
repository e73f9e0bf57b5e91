import { hostsOf, type Inventory } from './inventory.ts'

export interface Matched {
  readonly hosts: string[]
  /** The parts that name nothing. */
  readonly unknown: string[]
  /** The parts that are no regular expression or glob. */
  readonly broken: string[]
}

/** The hosts a pattern means, as Ansible reads it: parts joined by `:` or `,`, `&` for "also in", `!` for "but not", each a
 * host, a group, a glob or `~regex`, a group also with `[0]`, `[1:3]`. An empty pattern means none. */
export function matchPattern(inventory: Inventory, pattern: string): Matched {
  const parts = splitPattern(pattern)
  const unknown: string[] = []
  const broken: string[] = []
  const match = (part: string): string[] => {
    try {
      const found = matchOne(inventory, part)
      if (found === undefined) unknown.push(part)
      return found ?? []
    } catch (e) {
      if (!(e instanceof SyntaxError)) throw e
      broken.push(part)
      return []
    }
  }
  const plain = parts.filter((p) => !/^[!&]/.test(p))
  const from = plain.length === 0 && parts.length > 0 ? ['all'] : plain
  let hosts = new Set(from.flatMap(match))
  for (const part of parts.filter((p) => p.startsWith('&'))) {
    const also = new Set(match(part.slice(1)))
    hosts = new Set([...hosts].filter((h) => also.has(h)))
  }
  for (const part of parts.filter((p) => p.startsWith('!'))) for (const h of match(part.slice(1))) hosts.delete(h)
  return { hosts: [...hosts], unknown, broken }
}

/** A `:` inside brackets, or of an IPv6 address, parts nothing. */
function splitPattern(pattern: string): string[] {
  if (pattern.includes(',')) return pattern.split(',').flatMap((p) => splitPattern(p.trim()))
  if (/^[0-9a-fA-F]*(:[0-9a-fA-F]*){2,}$/.test(pattern) && /[0-9a-fA-F]/.test(pattern)) return [pattern]
  return pattern.match(/(?:[^\s:[\]]|\[[^\]]*\])+/g) ?? []
}

function matchOne(inventory: Inventory, part: string): string[] | undefined {
  if (inventory.hosts.has(part)) return [part]
  if (part.startsWith('~')) return named(inventory, new RegExp(`^(?:${part.slice(1)})`))
  const range = /^(.+)\[(?:(-?\d+)|(\d+)([:-])(\d*))\]$/.exec(part)
  if (!range) return matchName(inventory, part)
  const [, base, single, from, , to] = range
  const hosts = matchName(inventory, base!)
  if (!hosts) return undefined
  if (single !== undefined) return hosts.slice(Number(single)).slice(0, 1)
  return hosts.slice(Number(from), to === '' ? undefined : Number(to) + 1)
}

function matchName(inventory: Inventory, name: string): string[] | undefined {
  if (/[*?[]/.test(name)) return named(inventory, globOf(name))
  if (inventory.groups.has(name)) return hostsOf(inventory, name)
  return inventory.hosts.has(name) ? [name] : undefined
}

/** As Python's fnmatch: `*`, `?`, `[a-c]`, `[!a]`. */
function globOf(glob: string): RegExp {
  const source = glob.replace(/\[(!?)([^\]]+)\]|[\s\S]/g, (one, not?: string, set?: string) => {
    if (set !== undefined) return `[${not ? '^' : ''}${set.replace(/[\\^[]/g, '\\$&')}]`
    if (one === '*') return '.*'
    if (one === '?') return '.'
    return one.replace(/[.+^${}()|[\]\\]/, '\\$&')
  })
  return new RegExp(`^${source}$`)
}

function named(inventory: Inventory, test: RegExp): string[] | undefined {
  const groups = [...inventory.groups.keys()].filter((g) => test.test(g)).flatMap((g) => hostsOf(inventory, g))
  const hosts = [...inventory.hosts.keys()].filter((h) => test.test(h))
  const found = [...new Set([...groups, ...hosts])]
  return found.length === 0 ? undefined : found
}
