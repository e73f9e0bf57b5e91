import type { HclBlock, HclValue } from '../formats/hcl.ts'

// What stands in a server's configuration that nobody is to see, and what nobody should mean.

const named = String.raw`\b(?:\w*_)?(?:pin|password|passphrase|token|secret|secret_key|access_key|account_?key|current_key|previous_key|client_key|auth_info|connection_url)"?[ \t]*[=:][ \t]*`
const isSecretName = new RegExp(`^${named}$`, 'i')
/** It says where the secret is. */
const isReference = /^"?(file|env):\/\//

/** Values that nobody is to see, however deep. */
export function secretsInHcl(value: HclValue, name = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((v) => secretsInHcl(v, name))
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, v]) => secretsInHcl(v as HclValue, key))
  const isSecret = isSecretName.test(`${name} =`) && value !== undefined && value !== null
  return isSecret && !isReference.test(String(value)) ? [String(value)] : []
}

/** A configuration as it may be shown, whoever wrote it: of a line that holds a secret nothing is left behind its name.
 * Undefined where a secret goes on in the next line. */
export function shownHcl(content: Buffer): Buffer | undefined {
  let goesOn = false
  const shown = content
    .toString('utf8')
    .replace(new RegExp(`(${named})(.*)`, 'gi'), (line, name: string, rest: string) => {
      if (isReference.test(rest) && !new RegExp(named, 'i').test(rest)) return line
      goesOn ||= /^(<<|[[{]|$)/.test(rest)
      return `${name}********`
    })
  return goesOn ? undefined : Buffer.from(shown)
}

const isYes = (value: unknown) => /^(1|t|true)$/i.test(String(value))

/** What the vendor's guide does for a test and nobody should for real, and what does not fit together.
 * @param settings outside of all stanzas */
export function hclTraps(stanzas: readonly HclBlock[], settings: Readonly<Record<string, unknown>>): string[] {
  const { api_addr: apiAddr, cluster_addr: clusterAddr } = settings
  const found: string[] = []
  const bodies = (...types: string[]) => stanzas.filter((s) => types.includes(s.type)).map((s) => s.body.attributes)
  for (const { path } of bodies('storage', 'ha_storage', 'backend'))
    if (/^\/(var\/)?tmp(\/|$)/.test(String(path ?? '')))
      found.push(
        `storage at ${path}: with PrivateTmp in the unit systemd removes it when the service stops, and every secret is lost`,
      )
  for (const { address, tls_disable } of bodies('listener')) {
    const open = /^(0\.0\.0\.0|\[?::\]?|\*)?(:\d+)?$/.test(String(address ?? '-'))
    if (open && isYes(tls_disable))
      found.push(
        `the listener at ${address} takes plain HTTP from everywhere: tokens and secrets cross the network in clear`,
      )
  }
  const schemes = new Set<string>(
    stanzas
      .filter((s) => s.type === 'listener' && s.labels[0] === 'tcp')
      .map((s) => (isYes(s.body.attributes.tls_disable) ? 'http' : 'https')),
  )
  const [scheme] = /^https?(?=:)/.exec(String(apiAddr ?? '')) ?? []
  if (scheme !== undefined && schemes.size > 0 && !schemes.has(scheme))
    found.push(
      `api_addr is ${apiAddr}, and every listener takes ${scheme === 'http' ? 'TLS' : 'plain HTTP'} only: who is sent there gets no answer`,
    )
  const isOnRaft = stanzas.some((s) => ['storage', 'backend'].includes(s.type) && s.labels[0] === 'raft')
  if (isOnRaft && !clusterAddr)
    found.push(
      'raft without `cluster_addr`: the server does not start, unless its environment has VAULT_CLUSTER_ADDR or BAO_CLUSTER_ADDR',
    )
  if (secretsInHcl(bodies('seal').map(({ pin }) => ({ pin })) as HclValue).length > 0)
    found.push('the PIN stands in the file: give it as VAULT_HSM_PIN in an environment file that only root may read')
  return found
}
