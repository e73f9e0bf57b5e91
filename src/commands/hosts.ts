import { matchPattern } from '../inventory/pattern.ts'
import { graph, list } from '../inventory/show.ts'
import type { Diagnostic } from '../language/diagnostic.ts'
import { loadHosts } from './load.ts'
import type { HostOptions } from './options.ts'
import { reportDiagnostics, UsageError } from './usage-error.ts'

/** `runbook hosts` */
export async function hostsCommand(
  pattern: string,
  options: HostOptions & { graph?: true; json?: true },
): Promise<number> {
  const diagnostics: Diagnostic[] = []
  const { inventory } = loadHosts(options, ['.'], diagnostics)
  reportDiagnostics(diagnostics)
  const { hosts, unknown } = matchPattern(inventory, pattern)
  if (unknown.length > 0) throw new UsageError(`the inventory has no host or group ${unknown.join(', ')}`)
  const limited =
    options.limit === undefined ? hosts : hosts.filter((h) => matchPattern(inventory, options.limit!).hosts.includes(h))
  if (options.graph) console.log(graph(inventory, pattern).join('\n'))
  else if (options.json) console.log(JSON.stringify(list(inventory, limited), null, 4))
  else if (limited.length > 0) console.log(limited.join('\n'))
  return 0
}
