import type { Failure } from '../contract.ts'
import { type Read, read } from '../host/read.ts'
import { vaultKind } from './kind.ts'
import { answered, type VaultSaid } from './said.ts'
import { anonymous, isRefused, type Refused, type VaultServer } from './server.ts'

/** What a server says of itself, without a token. */
export interface VaultStatus {
  readonly product: 'OpenBao' | 'Vault'
  /** Empty where it does not say. */
  readonly version: string
  /** What stands behind the plus of its version: `ent`, `ent.hsm`; empty for a community build. */
  readonly edition: string
  readonly initialized: boolean
  readonly sealed: boolean
  /** What its health answered: 200 active, 429 standby, 472 and 530 of no use, 473 standby that answers, 474 standby that does not reach the active one, 501, 503. */
  readonly health: number
  /** The seal's name. Vault says that of its recovery keys here once it is unsealed: ask `autoUnseal`. */
  readonly sealType: string
  /** It is unsealed by a seal of its own, not by people's keys. */
  readonly autoUnseal: boolean
  /** `raft`, `file`, `inmem`, …; empty where it does not say. */
  readonly storage: string
  readonly clusterName: string
}

const statusKind = vaultKind<{ readonly server: VaultServer }, VaultStatus>({
  name: 'vault-status',
  about: ({ server }) => `the status of ${server.address}`,
  answer: async ({ server }, ask) => {
    const [seal, health] = await Promise.all([
      ask('GET', 'sys/seal-status'),
      ask('GET', 'sys/health', undefined, allAnswer),
    ])
    if (isRefused(seal)) return seal
    if (isRefused(health)) return health
    const { data } = seal
    if (typeof data.sealed !== 'boolean' || typeof data.initialized !== 'boolean') return noServer(seal, server)
    const [version = '', edition = ''] = String(data.version ?? health.data.version ?? '').split('+')
    const code = Object.entries(codes).find(([, as]) => as === health.status)
    return {
      product: isOpenBao(data) ? 'OpenBao' : 'Vault',
      version,
      edition,
      initialized: data.initialized,
      sealed: data.sealed,
      health: Number(code?.[0] ?? health.status),
      sealType: String(data.type ?? ''),
      autoUnseal: data.recovery_seal === true,
      storage: String(data.storage_type ?? ''),
      clusterName: String(data.cluster_name ?? ''),
    }
  },
  difference: () => undefined,
})

/** What answers, and does not say whether it is sealed. */
export function noServer(said: VaultSaid, { address }: VaultServer): Refused {
  // so do both where they run to have their storage mended
  if (said.status === 404 && said.errors === '404 page not found')
    return {
      refused: `what answers at ${address} is neither Vault nor OpenBao, or runs in recovery mode (\`server -recovery\`): it answers 404`,
      hint: 'check `address`; one that runs in recovery mode is started without it when its storage is mended',
    }
  return {
    refused: `what answers at ${address} is neither Vault nor OpenBao: it ${answered(said)}`,
    hint: 'check `address`, and whether it needs https',
  }
}

/** Its health is asked so that no code means refused. */
const codes: Readonly<Record<number, number>> = { 503: 299 }
const allAnswer = '?sealedcode=299'

/** Only Vault tells when it was built, only OpenBao when its source was committed and what seals its recovery keys. */
function isOpenBao(seal: Readonly<Record<string, unknown>>): boolean {
  return ('commit_date' in seal || 'recovery_seal_type' in seal) && !('build_date' in seal)
}

/** Who answers, and in what state. It is asked without a token and outside of any namespace. */
export function vaultStatus(server: VaultServer): Read<VaultStatus | Refused> {
  return read(statusKind, { server: anonymous(server) })
}

export function refusal({ refused, hint }: Refused): Failure {
  return { failed: refused, ...(hint === undefined ? {} : { hint }) }
}

/** Why nothing can be asked of a server, whoever asks; undefined where it can. */
export function unusable(status: VaultStatus | Refused, server: VaultServer): Failure | undefined {
  if (isRefused(status)) return refusal(status)
  const { address } = server
  if (!status.initialized) return { failed: `${address} is not initialised`, hint: 'vault_init does it' }
  if (status.sealed)
    return {
      failed: `${address} is sealed`,
      hint: status.autoUnseal
        ? 'it unseals itself once it reaches its seal: hsm_probe says whether the HSM answers; then restart the server'
        : 'it needs its unseal keys',
    }
  if (status.health === 472)
    return { failed: `${address} is a standby for disasters and answers nothing else`, hint: 'use its primary' }
  if (status.health === 474)
    return { failed: `${address} is a standby that does not reach the active server`, hint: 'its log says why not' }
  if (status.health === 530) return { failed: `${address} was removed from its cluster` }
  return undefined
}

export const productText = ({ product, version, edition }: VaultStatus) =>
  `${product}${version === '' ? '' : ` ${version}`}${edition === '' ? '' : `+${edition}`}`
