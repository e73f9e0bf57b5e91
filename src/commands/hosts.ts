import type { Inventory } from '../inventory/inventory.ts'
import { matchPattern } from '../inventory/pattern.ts'
import { graph, list } from '../inventory/show.ts'
import { type Diagnostic, didYouMean } from '../language/diagnostic.ts'
import { withoutSecrets } from '../secrets/secret-name.ts'
import { limitPattern } from './limit.ts'
import { loadHosts } from './load.ts'
import type { HostOptions } from './options.ts'
import { reportDiagnostics, UsageError } from './usage-error.ts'

/** `runbook hosts` */
export async function hostsCommand(
  pattern: string,
  options: HostOptions & { graph?: true; json?: true },
): Promise<number> {
  const diagnostics: Diagnostic[] = []
  const { inventory } = loadHosts(options, ['.'], (d) => void diagnostics.push(d))
  const only = limitPattern(options.limit, (d) => void diagnostics.push(d))
  reportDiagnostics(diagnostics)
  const hosts = named(inventory, pattern)
  const limit = only === undefined ? undefined : new Set(named(inventory, only))
  const limited = limit ? hosts.filter((h) => limit.has(h)) : hosts
  if (options.graph) console.log(graph(inventory, pattern, limited).join('\n'))
  else if (options.json) console.log(JSON.stringify(list(inventory, limited, withoutSecrets), null, 4))
  else if (limited.length > 0) console.log(limited.join('\n'))
  return 0
}

/** @throws UsageError for a part that names nothing. */
function named(inventory: Inventory, pattern: string): string[] {
  if (pattern.trim() === '') throw new UsageError('the pattern is empty', 'leave it out for all hosts')
  const found = matchPattern(inventory, pattern)
  const { broken } = found
  // it needs no inventory
  const implicit = found.unknown.filter((u) => u === 'localhost')
  const [hosts, unknown] = [[...found.hosts, ...implicit], found.unknown.filter((u) => u !== 'localhost')]
  if (broken.length > 0) throw new UsageError(`no regular expression or glob: ${broken.join(', ')}`)
  if (unknown.length > 0) {
    const near = didYouMean(unknown[0]!, [...inventory.groups.keys(), ...inventory.hosts.keys()])
    const hint = near === undefined ? '`runbook hosts --graph` shows what there is' : `did you mean ${near}?`
    throw new UsageError(`the inventory has no host or group ${unknown.join(', ')}`, hint)
  }
  return hosts
}
