import { type Explained, explained } from '../formats/pkcs11/codes.ts'

/** What a server's error says of PKCS #11, explained: `pkcs11: 0xE0: CKR_TOKEN_NOT_PRESENT`. */
export function hsmWords(text: string): Explained | undefined {
  const name = /CKR_[A-Z0-9_]+/.exec(text)?.[0]
  return name === undefined || name === 'CKR_OK' ? undefined : explained(name)
}
