import type { Diagnostic } from '../language/diagnostic.ts'

/** What is wrong for some hosts or all: each thing is told once. */
export class FoundOnHosts {
  readonly #found = new Map<string, { d: Diagnostic; hosts: string[] }>()

  add(d: Diagnostic, hosts: readonly string[]): void {
    const key = `${d.span?.source.path} ${d.span?.start} ${d.message}`
    const same = this.#found.get(key) ?? { d, hosts: [] }
    same.hosts.push(...hosts)
    this.#found.set(key, same)
  }

  /** @param total of how many hosts: what is wrong for every host is said without naming them. */
  diagnostics(total: number): Diagnostic[] {
    return [...this.#found.values()].map(({ d, hosts }) => (hosts.length === total ? d : { ...d, ...onSome(d, hosts) }))
  }
}

/** A variable that other hosts have is rarely mistyped. */
function onSome({ message, hint }: Diagnostic, hosts: readonly string[]): Partial<Diagnostic> {
  const own = hint?.startsWith('define it')
    ? "give it to them too, or ask `typeof NAME !== 'undefined'` in `when`"
    : hint
  return { message: `${message} on ${listed(hosts)}`, ...(own === undefined ? {} : { hint: own }) }
}

/** Names of hosts, not all of very many. */
export function listed(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more hosts` : names.join(', ')
}
