import { type Failure, fail } from '../contract.ts'
import type { VaultState } from './ready.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

/** The members that a server of Vault joins, as its configuration says: the addresses behind `leader_api_addr`. Undefined where
 * it joins none. */
export function joinsAt(hcl: string): string[] | undefined {
  const text = withoutComments(hcl)
  if (!/\bretry_join\b/.test(text)) return undefined
  return [...text.matchAll(/\bleader_api_addr"?\s*[=:]\s*"([^"]*)"/g)].map((m) => m[1]!.replace(/\/$/, ''))
}

/** Texts that look like comments are left. */
export function withoutComments(hcl: string): string {
  return hcl.replace(/"(?:[^"\\\n]|\\.)*"|\/\*[\s\S]*?\*\/|(?:#|\/\/)[^\n]*/g, (part) =>
    part.startsWith('"') ? part : ' ',
  )
}

/** The other members that a configuration names. */
export function peersOf(server: VaultServer, hcl: string): VaultServer[] {
  const others = (joinsAt(hcl) ?? []).filter((a) => a !== server.address && /^https?:\/\/[^/?#]+$/.test(a))
  return [...new Set(others)].map((address) => ({ ...server, address }))
}

/** By which addresses a server and the others of its cluster are known: two of one cluster share some. */
export function clusterAddresses(hcl: string): string[] {
  const own = /\bapi_addr"?\s*[=:]\s*"([^"]*)"/.exec(withoutComments(hcl))?.[1]
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
