/** Whether a PKCS #12 file has another password than that. What can't be opened for any other reason has not been found to. */
export function hasOtherPassword(bytes: Buffer, password: string): boolean {
  try {
    // loaded where it is needed: most runs have none
    process.getBuiltinModule('node:tls').createSecureContext({ pfx: bytes, passphrase: password })
    return false
  } catch (e) {
    return /mac verify failure/i.test((e as Error).message)
  }
}

/** It is DER, which begins with a sequence. */
export const mayBeP12 = (bytes: Buffer): boolean => bytes[0] === 0x30
