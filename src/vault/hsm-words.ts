import { type Explained, explained } from '../formats/pkcs11/codes.ts'

/** What a server's error says of PKCS #11, explained: `pkcs11: 0xE0: CKR_TOKEN_NOT_PRESENT`. */
export function hsmWords(text: string): Explained | undefined {
  // a vendor's own code comes without a name
  const name = /CKR_[A-Z0-9_]+/.exec(text)?.[0] ?? /\bpkcs11: (0x[0-9A-Fa-f]+)/.exec(text)?.[1]?.toLowerCase()
  return name === undefined || name === 'CKR_OK' ? undefined : explained(name)
}
