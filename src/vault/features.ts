import { type Read, read } from '../host/read.ts'
import { vaultKind } from './kind.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'
import type { VaultStatus } from './status.ts'
import { productText } from './status.ts'

/** What only Vault Enterprise does. Others take the words for it, repeat them, and do nothing. */
export interface VaultFeatures {
  /** Seal wrap; undefined where this token may not ask. */
  readonly sealWrap: boolean | undefined
  /** Randomness out of the HSM, for the server or for the engine that was asked. */
  readonly entropy: boolean | undefined
  /** Why the seal gave none just now, in the server's words. */
  readonly trouble: string | undefined
}

interface Question {
  readonly server: VaultServer
  /** A transit engine to ask for randomness; without one the server is asked. */
  readonly transit: string | undefined
}

/** Asked by what it does: the way to wrap anew is there, and random bytes from the seal come without a warning. */
export const featuresKind = vaultKind<Question, VaultFeatures>({
  name: 'vault-features',
  about: ({ server }) => `seal wrap and external entropy of ${server.address}`,
  answer: async ({ transit }, ask) => {
    const [wrap, random] = await Promise.all([
      ask('GET', 'sys/sealwrap/rewrap'),
      ask('POST', `${transit ?? 'sys/tools'}/random/seal`, { bytes: 8 }),
    ])
    if (isRefused(wrap) && !wrap.denied) return wrap
    if (isRefused(random) && !random.denied) return random
    return {
      sealWrap: isRefused(wrap) ? undefined : wrap.status === 200 ? true : wrap.status === 404 ? false : undefined,
      entropy:
        isRefused(random) || random.status !== 200
          ? undefined
          : !random.warnings.some((w) => /no seal\/entropy augmentation/i.test(w)),
      trouble: !isRefused(random) && random.status >= 500 ? random.errors : undefined,
    }
  },
  difference: () => undefined,
})

export function vaultFeatures(server: VaultServer, transit?: string): Read<VaultFeatures | Refused> {
  return read(featuresKind, { server, transit })
}

/** Why what a server says of seal wrap would not be so; undefined where it is. */
export function noSealWrap(status: VaultStatus, { sealWrap }: VaultFeatures): string | undefined {
  const who = productText(status)
  if (sealWrap === false || (sealWrap === undefined && !status.edition.startsWith('ent')))
    return `the server is ${who}, not Vault Enterprise: it says \`seal_wrap: true\` and wraps nothing`
  if (!status.autoUnseal)
    return `the server (${who}) has no seal of its own, so it says \`seal_wrap: true\` and wraps nothing`
  return undefined
}

/** Likewise of external entropy. */
export function noEntropy(status: VaultStatus, { entropy, sealWrap }: VaultFeatures): string | undefined {
  const who = productText(status)
  if (entropy === false)
    return `the server (${who}) gives no entropy of its seal: it says \`external_entropy_access: true\` and takes the system's own${status.edition.startsWith('ent') || sealWrap ? '' : ', as all but Vault Enterprise do'}`
  if (entropy === undefined && sealWrap !== true && !status.edition.startsWith('ent'))
    return `the server is ${who}, not Vault Enterprise: it says \`external_entropy_access: true\` and does nothing of it`
  return undefined
}
