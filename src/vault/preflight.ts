import type { Known } from '../contract.ts'
import { type KeyTrial, mechanismName, troubleWords } from '../formats/pkcs11/seen.ts'
import type { Read } from '../host/read.ts'
import { type HsmLogin, type HsmLook, hsmLogin, hsmLook } from '../host/reads/hsm.ts'
import {
  type HsmParams,
  type HsmProblem,
  hsmLoginQuestion,
  hsmPlace,
  keyProblem,
  lockoutProblem,
  loginProblem,
  lookProblem,
  missingMechanisms,
  pinSource,
  pinVariable,
  untriedProblem,
} from '../hsm.ts'
import type { ParamSchema } from '../language/schema.ts'
import type { LocalRead } from '../local-read.ts'

// A server that can't use its seal's key may still be initialised, and is lost then: so the key is looked at before.

const { library, token_label, slot, pin, pin_file, pin_env, cfg, environment } = {
  library: { type: 'string', description: 'The PKCS #11 library, absolute: the seal’s `lib`.' },
  token_label: { type: 'string', description: 'The token, by its label …' },
  slot: { type: 'integer', minimum: 0, description: '… or by its slot.' },
  pin: { type: 'string', secret: true, description: 'The PIN …' },
  pin_file: {
    type: 'string',
    description: '… or the file of the host that holds it, as service_credential keeps a credential …',
  },
  pin_env: { type: 'string', description: '… or a variable of the controller’s environment.' },
  cfg: { type: 'string', description: 'The library’s configuration: sets FXPKCS11_CFG.' },
  environment: {
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'What else it wants in its environment.',
  },
} as const

export const preflightParam = {
  type: 'object',
  properties: {
    ...{ library, token_label, slot, pin, pin_file, pin_env, cfg, environment },
    key_label: { type: 'string', description: 'The key that the seal encrypts with.' },
    hmac_key_label: { type: 'string', description: 'The key that it signs with, where it has one (Vault Enterprise).' },
    mechanism: { type: 'string', description: 'The seal’s; AES-GCM without it.' },
    rsa_oaep_hash: {
      type: 'string',
      enum: ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'],
      description: 'The seal’s, where its mechanism is RSA-PKCS-OAEP; sha256 without it.',
    },
    hmac_mechanism: { type: 'string', description: 'How it signs; SHA256-HMAC without it.' },
    risk_lockout: {
      type: 'boolean',
      description: 'Logs in also where the token says that few tries of the PIN are left.',
    },
    generate_key: {
      type: 'boolean',
      description:
        'The server makes keys that are not there (`generate_key` of Vault Enterprise): then none is as good as one.',
    },
  },
  required: ['library', 'key_label'],
  additionalProperties: false,
  description:
    'The HSM of a seal that is unsealed by one. Before the server is initialised it is logged in there once, and the keys have to be there exactly once and to work: otherwise the server would be initialised, and lost.',
} as const satisfies ParamSchema

export interface Preflight extends Omit<HsmParams, 'risk_lockout' | 'timeout'> {
  readonly key_label: string
  readonly hmac_key_label?: string | undefined
  readonly mechanism?: string | undefined
  readonly rsa_oaep_hash?: string | undefined
  readonly hmac_mechanism?: string | undefined
  readonly generate_key?: boolean | undefined
  readonly risk_lockout?: boolean | undefined
}

const placed = (p: Preflight): HsmParams => ({ ...p, risk_lockout: p.risk_lockout ?? false, timeout: 20 })

const trials = (p: Preflight): readonly KeyTrial[] => [
  {
    label: p.key_label,
    use: 'encrypt',
    mechanism: mechanismName(p.mechanism ?? 'AES-GCM'),
    ...(p.rsa_oaep_hash === undefined ? {} : { hash: p.rsa_oaep_hash }),
  },
  ...(p.hmac_key_label === undefined
    ? []
    : [{ label: p.hmac_key_label, use: 'sign' as const, mechanism: mechanismName(p.hmac_mechanism ?? 'SHA256-HMAC') }]),
]

/** What is asked of the HSM, as far as that is known. */
export function preflightReads(p: Preflight, known: Known) {
  const place = placed(p)
  const variable: LocalRead<string | undefined> | undefined = pinVariable(place)
  const look = hsmLook(hsmPlace(place))
  const seen = known(look)
  const source = pinSource(place, variable && known(variable))
  const usable = seen && source && !('message' in source) && !before(p, seen)
  const login: Read<HsmLogin> | undefined = usable
    ? hsmLogin(hsmLoginQuestion(place, source, seen, { keys: trials(p) }))
    : undefined
  return { hsmVariable: variable, hsmSeen: look, hsmBehind: login }
}

export interface PreflightProblem extends HsmProblem {
  /** It may work: nobody could try it. */
  readonly untried?: true
}

/** Why the server would be lost. */
export function preflightProblem(
  p: Preflight,
  seen: HsmLook,
  login: HsmLogin | undefined,
  variable: string | undefined,
): PreflightProblem | undefined {
  const source = pinSource(placed(p), variable)
  if (source === undefined)
    return { message: 'without a PIN the seal’s key can’t be looked at', hint: '`pin_file` in `hsm`' }
  if ('message' in source) return source
  return before(p, seen) ?? wanting(p, seen) ?? (login && behind(p, login))
}

const before = (p: Preflight, seen: HsmLook) =>
  lookProblem(seen, hsmPlace(placed(p))) ?? (p.risk_lockout ? undefined : lockoutProblem(seen, hsmPlace(placed(p))))

function wanting(p: Preflight, seen: HsmLook): HsmProblem | undefined {
  const missing = missingMechanisms([trials(p)[0]!.mechanism], seen.seen!.mechanisms)
  if (missing.length === 0) return undefined
  return { message: `the token does not have ${missing.join(', ')}`, hint: 'another `mechanism`, in the seal too' }
}

function behind(p: Preflight, login: HsmLogin): PreflightProblem | undefined {
  const problem = loginProblem(login, p.pin_file)
  if (problem) return problem
  for (const [i, trial] of trials(p).entries()) {
    const { label } = trial
    if (p.generate_key && !login.objects.some((o) => o.label === label)) continue
    const wrong = keyProblem(login.objects, label)
    if (wrong) return wrong
    const untried = untriedProblem(login.tried[i], trial)
    if (untried) return { ...untried, untried: true }
    const trouble = login.tried[i]?.trouble
    if (!trouble) continue
    const { sentence, hint } = troubleWords(trouble)
    return { message: `the key ${label} does not work: ${sentence}`, hint }
  }
  return undefined
}
