import { type Failure, fail } from '../contract.ts'
import { mappingsAt, readHcl, textAt } from '../formats/hcl-read.ts'
import type { VaultState } from './ready.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

/** The members that a server of Vault joins, as its configuration says: the addresses behind `leader_api_addr`. Undefined where
 * it joins none. */
export function joinsAt(hcl: string): string[] | undefined {
  const all = readHcl(hcl)
  const joins = ['storage', 'ha_storage'].flatMap((kind) => mappingsAt(all, kind, 'raft', 'retry_join'))
  if (joins.length === 0) return undefined
  return joins.flatMap((join) => textAt(join, 'leader_api_addr')?.replace(/\/$/, '') ?? [])
}

/** The other members that a configuration names. */
export function peersOf(server: VaultServer, hcl: string): VaultServer[] {
  const others = (joinsAt(hcl) ?? []).filter((a) => a !== server.address && /^https?:\/\/[^/?#]+$/.test(a))
  return [...new Set(others)].map((address) => ({ ...server, address }))
}

/** By which addresses a server and the others of its cluster are known: two of one cluster share some. */
export function clusterAddresses(hcl: string): string[] {
  const own = textAt(readHcl(hcl), 'api_addr')
  return [...(joinsAt(hcl) ?? []), ...(own === undefined ? [] : [own.replace(/\/$/, '')])]
}

/** Whether a server begins a cluster or joins one. */
export function roleOf(
  wish: { readonly role: 'auto' | 'first' | 'join'; readonly config: string },
  server: VaultServer,
  hcl: string,
  peers: readonly (VaultState | Refused)[],
): 'first' | 'join' | Failure {
  if (wish.role === 'join') return 'join'
  if (joinsAt(hcl) === undefined) return 'first'
  const at = peers.findIndex((s) => !isRefused(s) && s.initialized)
  if (at !== -1 && wish.role === 'auto') return 'join'
  if (at !== -1)
    return fail(
      `${peersOf(server, hcl)[at]!.address}, which ${server.address} joins, is initialised: this would begin a second cluster`,
      { hint: '`role: join`; where it does not join, its log says why' },
    )
  if (wish.role === 'first') return 'first'
  return fail(`${server.address} joins others (\`retry_join\` in ${wish.config}): one of them has to be the first`, {
    hint: 'on exactly one `role: first`, on the others `role: join`',
  })
}
