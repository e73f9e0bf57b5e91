import { fail } from '../contract.ts'
import type { Stored } from '../secrets/stored.ts'

/** What a server hands out once, when it is initialised, as a store keeps it. All of it is secret. */
export interface KeptKeys {
  /** `http://127.0.0.1:8200`, as the host sees it. */
  readonly address: string
  readonly host: string
  readonly product: string
  readonly version: string
  readonly at: string
  /** What the keys are for: to unseal, or to recover where a seal of its own unseals the server. */
  readonly kind: 'unseal' | 'recovery'
  readonly shares: number
  readonly threshold: number
  /** As the server gives them: base64; each encrypted to its holder where there are PGP keys. */
  readonly keys: readonly string[]
  readonly keys_pgp: boolean
  readonly root_token: string
  /** Base64 of what the holder of `root_token_pgp_key` decrypts. */
  readonly root_token_pgp: boolean
}

export const printKeys = (keys: KeptKeys) => Buffer.from(`${JSON.stringify(keys, null, 2)}\n`)

/** Undefined for what is none of ours. */
export function parseKeys(bytes: Buffer): KeptKeys | undefined {
  try {
    const found = JSON.parse(bytes.toString('utf8')) as KeptKeys
    return typeof found.root_token === 'string' && Array.isArray(found.keys) ? found : undefined
  } catch {
    return undefined
  }
}

/** What a store holds of them, its secrets marked as such. */
export function keptKeys({ content }: Stored, secret: (value: string) => void): KeptKeys | undefined {
  const keys = content && parseKeys(content)
  for (const value of keys ? [keys.root_token, ...keys.keys] : []) secret(value)
  return keys
}

/** A PGP public key as the API takes it: base64 of the key, without armour.
 * @throws RangeError for what is no key. */
export function pgpKey(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  if (!text.includes('-----BEGIN PGP')) {
    // old and new packets of a public key
    if (![0x98, 0x99, 0xc6].includes(bytes[0] ?? 0)) throw new RangeError('it is no PGP public key')
    return bytes.toString('base64')
  }
  const found =
    /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+: [^\r\n]*\r?\n)*\r?\n([A-Za-z0-9+/=\r\n]+?)-----END PGP/.exec(
      text,
    )
  if (!found) throw new RangeError('it is no PGP public key')
  return found[1]!.replace(/\r?\n=[A-Za-z0-9+/]{4}\r?\n$/, '').replace(/\s/g, '')
}

/** The PGP keys that are named, as the API takes them.
 * @param files by name: `pgp0`, …, and `tokenKey`. */
export function pgpKeysOf(
  p: { readonly pgp_keys?: readonly string[] | undefined; readonly root_token_pgp_key?: string | undefined },
  files: Readonly<Record<string, { readonly bytes: Buffer } | undefined>>,
) {
  const read = (path: string, file: { readonly bytes: Buffer } | undefined): string => {
    if (!file) throw new RangeError(`there is no ${path} on the controller`)
    return pgpKey(file.bytes)
  }
  try {
    return {
      pgpKeys: p.pgp_keys?.map((path, i) => read(path, files[`pgp${i}`])),
      rootTokenPgpKey: p.root_token_pgp_key === undefined ? undefined : read(p.root_token_pgp_key, files.tokenKey),
    }
  } catch (e) {
    if (e instanceof RangeError) return fail(`the PGP keys can’t be used: ${e.message}`)
    throw e
  }
}
