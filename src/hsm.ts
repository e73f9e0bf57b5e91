import {
  type HsmObject,
  type KeyTrial,
  mechanismName,
  type Slot,
  slotOf,
  type TokenFlag,
  type Tried,
  troubleWords,
  type Untried,
} from './formats/pkcs11/seen.ts'
import type { HsmLogin, HsmLoginQuestion, HsmLook, HsmPlace, PinSource } from './host/reads/hsm.ts'
import { environmentSecret, type LocalRead } from './local-read.ts'

// What modules that use a PKCS #11 token share: parameters, and what an answer means.

/** The parameters that say which library and token, and how to log in. */
export const hsmParams = {
  library: { type: 'string', hostPath: true, description: 'The PKCS #11 library.' },
  token_label: { type: 'string', description: 'The label of the token: slots are renumbered when tokens are made.' },
  slot: {
    type: 'integer',
    minimum: 0,
    description: 'The number of the slot, where the token has no label of its own.',
  },
  pin: {
    type: 'string',
    secret: true,
    description:
      'The PIN. On a host it goes to pkcs11-tool by `script` of util-linux, unseen by other processes: 126 bytes at most.',
  },
  pin_file: { type: 'string', hostPath: true, description: 'A file on the host that holds the PIN; it stays there.' },
  pin_env: { type: 'string', description: 'A variable of the controller’s environment that holds the PIN.' },
  risk_lockout: {
    type: 'boolean',
    default: false,
    description:
      'Logs in also where the token says that few tries are left, and once more where it refused a PIN before in this run.',
  },
  cfg: { type: 'string', hostPath: true, description: 'The library’s configuration: sets FXPKCS11_CFG.' },
  environment: {
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'What else the library wants in its environment, as SOFTHSM2_CONF. No place for secrets.',
  },
  timeout: { type: 'integer', minimum: 1, default: 20, description: 'Seconds for each thing that it is asked.' },
} as const

/** Lists of those that exclude each other. */
export const hsmExclusive = [
  ['token_label', 'slot'],
  ['pin', 'pin_file', 'pin_env'],
] as const

export interface HsmParams {
  readonly library?: string | undefined
  readonly token_label?: string | undefined
  readonly slot?: number | undefined
  readonly pin?: string | undefined
  readonly pin_file?: string | undefined
  readonly pin_env?: string | undefined
  readonly risk_lockout: boolean
  readonly cfg?: string | undefined
  readonly environment?: Readonly<Record<string, unknown>> | undefined
  readonly timeout: number
}

/** Why something cannot be, as a sentence, and what to do about it. */
export interface HsmProblem {
  readonly message: string
  readonly hint: string
}

/** @param p with a `library` */
export function hsmPlace(p: HsmParams): HsmPlace {
  const env = {
    ...(p.environment as Readonly<Record<string, string>> | undefined),
    ...(p.cfg === undefined ? {} : { FXPKCS11_CFG: p.cfg }),
  }
  const about = [p.cfg, ...Object.values(env)].filter((path) => path?.startsWith('/'))
  return {
    library: p.library!,
    token: { label: p.token_label, slot: p.slot },
    env,
    about: [...new Set(about as string[])],
    timeout: p.timeout,
  }
}

/** What a login asks. The token's serial comes from what was seen of it. */
export function hsmLoginQuestion(p: HsmParams, pin: PinSource, look: HsmLook, more: Partial<HsmLoginQuestion> = {}) {
  const place = hsmPlace(p)
  const serial = serialOf(look, place)
  return {
    ...place,
    pin,
    ...(serial === undefined ? {} : { serial }),
    ...(p.risk_lockout ? { again: true } : {}),
    ...more,
  }
}

/** Which token of all is meant, wherever it is seen from; undefined for one that does not say. */
export function serialOf(look: HsmLook, { token: name }: HsmPlace): string | undefined {
  const token = slotOf(look.seen?.slots ?? [], name)?.token
  return token?.serial ? `${token.manufacturer} ${token.model} ${token.serial}` : undefined
}

/** The variable of the controller that may hold the PIN. */
export function pinVariable(p: HsmParams): LocalRead<string | undefined> | undefined {
  return p.pin_env === undefined ? undefined : environmentSecret(p.pin_env)
}

/** Where the PIN is; undefined where none is given.
 * @param variable the answer to `pinVariable`. */
export function pinSource(p: HsmParams, variable: string | undefined): PinSource | HsmProblem | undefined {
  if (p.pin_file !== undefined) return { file: p.pin_file }
  if (p.pin_env !== undefined && variable === undefined)
    return { message: `the controller's environment has no ${p.pin_env}`, hint: 'set it where runbook is started' }
  const text = p.pin ?? variable
  if (text === undefined) return undefined
  if (text === '') return { message: 'the PIN is empty', hint: 'an empty one would count as a wrong one: give it' }
  if (/[\n\0]/.test(text))
    return {
      message: 'the PIN holds a line break',
      hint: 'it is no part of a PIN: cut it off where the PIN comes from',
    }
  return { text }
}

/** Why a library or its token cannot be used, before any login. */
export function lookProblem(
  look: HsmLook,
  place: HsmPlace,
  where: 'host' | 'controller' = 'host',
): HsmProblem | undefined {
  const { library } = place
  if (look.file === 'missing')
    return {
      message: `there is no ${library} on the ${where}`,
      hint: 'install the library first, or correct `library`',
    }
  if (look.file === 'unreadable')
    return { message: `${library} may not be read`, hint: '`become: true`, or another owner or mode' }
  if (look.lacks && look.lacks.length > 0)
    return {
      message: `${library} needs what the ${where} does not have: ${look.lacks.join(', ')}`,
      hint: 'install the packages that bring them, or take the build for this version of OpenSSL',
    }
  if (!look.seen)
    return { message: 'the host has no pkcs11-tool', hint: 'install opensc: the library is asked through it' }
  if (look.seen.trouble) {
    const { sentence, hint } = troubleWords(look.seen.trouble)
    return { message: `${library} does not work: ${sentence}`, hint }
  }
  return tokenProblem(look.seen.slots, place)
}

function tokenProblem(slots: readonly Slot[], { token: name }: HsmPlace): HsmProblem | undefined {
  const there = slots.filter((s) => s.token?.flags.includes('initialized'))
  const tokens = there.map((s) => `${s.token!.label} (slot ${s.id})`).join(', ')
  const found =
    tokens === ''
      ? 'the library shows no token that is initialised: is the HSM reached, with the right identity in the library’s configuration?'
      : `there are: ${tokens}`
  if (name.label !== undefined) {
    const named = there.filter((s) => s.token!.label === name.label)
    if (named.length > 1)
      return { message: `there are ${named.length} tokens labelled ${name.label}`, hint: 'name one by its `slot`' }
    return named.length === 1 ? undefined : { message: `there is no token labelled ${name.label}`, hint: found }
  }
  const slot = slotOf(slots, name)
  if (!slot)
    return { message: name.slot === undefined ? 'there is no token' : `there is no slot ${name.slot}`, hint: found }
  if (!slot.token) return { message: `there is no token in slot ${slot.id}`, hint: `is the HSM away? ${found}` }
  if (!slot.token.flags.includes('initialized'))
    return { message: `the token in slot ${slot.id} is not initialised`, hint: found }
  return undefined
}

const risky: readonly (readonly [TokenFlag, string])[] = [
  ['PIN locked', 'says that its PIN is locked'],
  ['final PIN try', 'has one last try of the PIN left'],
  ['PIN count low', 'counts wrong PINs since the last login'],
]

/** Why nobody should try to log in now. */
export function lockoutProblem(look: HsmLook, place: HsmPlace): HsmProblem | undefined {
  const token = slotOf(look.seen?.slots ?? [], place.token)?.token
  const flag = risky.find(([f]) => token?.flags.includes(f))
  if (!token || !flag) return undefined
  const hint =
    flag[0] === 'PIN locked'
      ? 'the security officer has to unlock it; find first what tried wrong ones'
      : 'find what tries a wrong one; log in with the right one by hand, or `risk_lockout: true` where this PIN is surely right'
  return { message: `the token ${token.label} ${flag[1]}: it was not tried`, hint }
}

/** Why a login did not come to be. */
export function loginProblem(login: HsmLogin, pinFile: string | undefined): HsmProblem | undefined {
  const hint = 'the PIN is read from there, where the library is'
  if (login.pin === 'missing') return { message: `there is no ${pinFile}`, hint }
  if (login.pin === 'unreadable') return { message: `${pinFile} may not be read`, hint: '`become: true`' }
  if (login.pin === 'empty')
    return { message: `${pinFile} is empty`, hint: 'an empty PIN would count as a wrong one: it was not tried' }
  if (login.pin === 'unfit')
    return {
      message:
        'what logs in cannot take this PIN: it has several lines, a control character, or, for pkcs11-tool, more than 126 bytes',
      hint: 'it would try another one: this was not tried. A file that systemd-creds encrypted is no `pin_file`',
    }
  if (login.pin === 'no way')
    return {
      message: 'the host has no `script`, through which alone pkcs11-tool takes a PIN that no other process sees',
      hint: 'install util-linux (bsdutils, util-linux-script)',
    }
  if (login.pin === 'refused before')
    return {
      message: `the token refused a PIN before in this run, and this one was not tried${login.trouble ? `: ${troubleWords(login.trouble).sentence}` : ''}`,
      hint: 'a few wrong ones lock the token: correct it, or `risk_lockout: true`',
    }
  if (!login.trouble) return undefined
  const { sentence, hint: cause } = troubleWords(login.trouble)
  return { message: `the login failed: ${sentence}`, hint: cause }
}

/** Why a label does not name exactly one key, or one pair. */
export function keyProblem(objects: readonly HsmObject[], label: string): HsmProblem | undefined {
  const named = objects.filter((o) => o.label === label)
  const count = (kind: HsmObject['kind']) => named.filter((o) => o.kind === kind).length
  const [secret, own, open] = [count('secret'), count('private'), count('public')]
  const others = [...new Set(objects.filter((o) => isKey(o)).map((o) => o.label || '(none)'))].join(', ')
  if (secret + own + open === 0)
    return {
      message: `there is no key ${label} on the token`,
      hint:
        others === ''
          ? 'this login sees no key at all: is it the right token, and may its user see what is on it?'
          : `the labels there are: ${others}`,
    }
  if (secret + own > 1 || open > 1)
    return {
      message: `there are ${secret + own > 1 ? secret + own : open} keys ${label} on the token`,
      hint: 'which of them a seal takes is chance: keep the one that encrypted what is there, rename the others',
    }
  if (secret === 1 && open > 0)
    return { message: `${label} names a secret key and a public one`, hint: 'rename one of them' }
  if (secret === 0 && own === 0)
    return { message: `of the pair ${label} only the public key is there`, hint: 'the private one is gone or hidden' }
  return undefined
}

const untriedReasons: Readonly<Record<Untried, readonly [because: string, hint: string]>> = {
  'no-id': [
    'it has no CKA_ID, by which alone pkcs11-tool finds a key',
    'give it one (`pkcs11-tool --set-id`), or try it from the controller',
  ],
  'shared-id': [
    'another key has its CKA_ID, by which alone pkcs11-tool finds a key',
    'give them different ones (`pkcs11-tool --set-id`), or try it from the controller',
  ],
  'no-public': [
    'its public key, which encrypts, is not on the token',
    'a seal that encrypts in the library needs it: import it under the same label',
  ],
  'no-openssl': [
    'pkcs11-tool before OpenSC 0.26 encrypts with no public key, and the host has no openssl to do it',
    'install openssl on the host, or a newer opensc',
  ],
  'no-gcm': [
    'pkcs11-tool before OpenSC 0.26 has no AES-GCM, and the key takes no AES-CBC-PAD in its place',
    'install a newer opensc on the host, or try it from the controller',
  ],
}

/** Why a key that is there was not tried; undefined where it was, or was not to be. */
export function untriedProblem(tried: Tried | undefined, { label, use, mechanism }: KeyTrial): HsmProblem | undefined {
  if (use === 'none' || tried?.mechanism !== undefined) return undefined
  const [because, hint] = tried?.untried
    ? untriedReasons[tried.untried]
    : [`${mechanism} is not known here`, 'name the mechanism that the seal uses']
  return { message: `the key ${label} was not tried by ${mechanism}: ${because}`, hint }
}

const isKey = ({ kind }: HsmObject) => kind === 'secret' || kind === 'private' || kind === 'public'

/** Mechanisms that are wanted and not listed, by the names that were given. */
export function missingMechanisms(wanted: readonly string[], listed: readonly string[]): string[] {
  const there = new Set(listed.map(mechanismName))
  return wanted.filter((name) => !there.has(mechanismName(name)))
}
