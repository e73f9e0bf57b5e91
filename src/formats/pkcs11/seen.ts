import { explained } from './codes.ts'

// What can be seen of a PKCS #11 library and its tokens, the same whichever way it was looked at.

export interface Slot {
  readonly id: number
  readonly description: string
  /** Undefined where no token is in it. */
  readonly token: Token | undefined
}

export interface Token {
  readonly label: string
  readonly manufacturer: string
  readonly model: string
  readonly serial: string
  readonly flags: readonly TokenFlag[]
}

export type TokenFlag =
  | 'initialized'
  | 'pin set'
  | 'login required'
  | 'random numbers'
  | 'write protected'
  | 'PIN count low'
  | 'final PIN try'
  | 'PIN locked'
  | 'PIN to be changed'

export interface Library {
  /** Of the standard: `2.40`. */
  readonly cryptoki: string
  readonly manufacturer: string
  readonly description: string
  readonly version: string
}

/** An object on a token. */
export interface HsmObject {
  readonly kind: 'secret' | 'private' | 'public' | 'certificate' | 'data'
  /** `AES`, `RSA`, `EC`, `GENERIC`; as the library calls it where it is another one; undefined: not to be known before. */
  readonly type: string | undefined
  readonly label: string
  /** Hex, empty where it has none; undefined: not to be known before. */
  readonly id: string | undefined
  /** Bytes, of an asymmetric key bits; where the library tells it. */
  readonly size?: number
  /** `encrypt`, `verify`, …, as pkcs11-tool lists them: an older one leaves out some. */
  readonly usage?: readonly string[]
}

/** Why something did not go well. */
export interface Trouble {
  /** What failed, as `login` or `C_Login`. */
  readonly at: string
  /** The return value, where the library gave one. */
  readonly rv?: string
  /** What was said, where it gave none: one line. */
  readonly said?: string
  /** The signal that ended the program: the library brought it down. */
  readonly signal?: number
  /** It took longer than it may. */
  readonly late?: true
}

/** Which token is meant: by its label, its slot, or the first there is. */
export interface TokenName {
  readonly label?: string | undefined
  readonly slot?: number | undefined
}

/** What a key is to be tried with. */
export interface KeyTrial {
  readonly label: string
  /** As `mechanismName` gives it. */
  readonly mechanism: string
  readonly use: 'encrypt' | 'sign' | 'none'
  /** Of RSA-PKCS-OAEP: `sha256`. */
  readonly hash?: string | undefined
}

/** What came of it. `mechanism` undefined: it was not tried. */
export interface Tried {
  readonly label: string
  readonly mechanism: string | undefined
  /** Why it was not; without it the mechanism is not known here, or the key is not there exactly once. */
  readonly untried?: Untried
  /** openssl encrypted with the public key, which only decrypting tries the token with. */
  readonly byOpenssl?: true
  readonly trouble?: Trouble
}

export type Untried = 'no-id' | 'shared-id' | 'no-public' | 'no-openssl' | 'no-gcm'

/** The slot of the token that is meant. */
export function slotOf(slots: readonly Slot[], { label, slot }: TokenName): Slot | undefined {
  if (slot !== undefined) return slots.find((s) => s.id === slot)
  if (label !== undefined) return slots.find((s) => s.token?.label === label)
  return slots.find((s) => s.token?.flags.includes('initialized'))
}

/** A mechanism's name as pkcs11-tool writes it: `CKM_AES_GCM` and `AES-GCM` are the same, a number is looked up. */
export function mechanismName(name: string): string {
  const text = name.trim().toUpperCase()
  const number = /^(?:MECHTYPE-)?(0X[0-9A-F]+|\d+)$/.exec(text)?.[1]
  if (number !== undefined) {
    const value = Number(number)
    return mechanisms.get(value) ?? `0x${value.toString(16)}`
  }
  const plain = text.replace(/^CKM_/, '').replaceAll('_', '-')
  return plain === 'SHA-1-HMAC' || plain === 'SHA1-HMAC' ? 'SHA-1-HMAC' : plain
}

/** What seals use, by number. */
const mechanisms = new Map([
  [0x1, 'RSA-PKCS'],
  [0x9, 'RSA-PKCS-OAEP'],
  [0x40, 'SHA256-RSA-PKCS'],
  [0x221, 'SHA-1-HMAC'],
  [0x251, 'SHA256-HMAC'],
  [0x261, 'SHA384-HMAC'],
  [0x271, 'SHA512-HMAC'],
  [0x1041, 'ECDSA'],
  [0x1081, 'AES-ECB'],
  [0x1082, 'AES-CBC'],
  [0x1085, 'AES-CBC-PAD'],
  [0x1087, 'AES-GCM'],
])

/** Trouble as a sentence without a full stop, with the likely cause. */
export function troubleWords(trouble: Trouble): { sentence: string; hint: string } {
  const { at, rv, said, signal, late } = trouble
  if (rv !== undefined) {
    const { sentence, cause, name } = explained(rv)
    return { sentence: `${sentence} (${name} from ${at})`, hint: cause }
  }
  if (signal !== undefined)
    return {
      sentence: `the library ended the program that used it, by signal ${signal} (${at})`,
      hint: 'the library crashes: look at its log and configuration, and for another build of it; a server would crash too',
    }
  if (late)
    return {
      sentence: `the library did not answer in time (${at})`,
      hint: 'it may be waiting for an HSM that cannot be reached: look at the address in its configuration, and at the network',
    }
  return {
    sentence: `${at} failed: ${said || 'it says nothing'}`,
    hint: loaderHints.find(([pattern]) => pattern.test(said ?? ''))?.[1] ?? 'look at the log of the library',
  }
}

/** What the loader of programs says, and why. */
const loaderHints: readonly (readonly [RegExp, string])[] = [
  [
    /invalid ELF header|wrong ELF class|file too short/,
    'the file is no library of this architecture: take another build',
  ],
  [
    /cannot open shared object file/,
    'it needs a library that the host does not have: install the package that brings it',
  ],
  [/undefined symbol|version .* not found/, 'it was built for other versions of what it needs: take another build'],
  [/Permission denied|Operation not permitted/, 'it may not be read or run: look at its mode and at how it is mounted'],
]
