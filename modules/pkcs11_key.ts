import {
  defineModule,
  fail,
  type HsmObject,
  type HsmParams,
  hsmExclusive,
  hsmLogin,
  hsmLoginQuestion,
  hsmLook,
  hsmParams,
  hsmPlace,
  isPair,
  keyProblem,
  lockoutProblem,
  loginProblem,
  lookProblem,
  makeHsmKey,
  type PinSource,
  pinSource,
  pinVariable,
} from '../src/module.ts'

export default defineModule({
  name: 'pkcs11_key',
  touches: 'kinds',
  summary: 'Makes a key, or a pair, of a label on a PKCS #11 token; never a second one.',
  params: {
    type: 'object',
    properties: {
      label: {
        type: 'string',
        pattern: '^[^\\s\\p{Cc}][^\\p{Cc}]*$',
        description: 'The key’s label, which a seal calls `key_label`.',
      },
      type: {
        type: 'string',
        pattern:
          '^([Aa][Ee][Ss]:(16|24|32)|[Rr][Ss][Aa]:[1-9]\\d{3,4}|[Ee][Cc]:\\w+|[Gg][Ee][Nn][Ee][Rr][Ii][Cc]:[1-9]\\d*)$',
        default: 'AES:32',
        description: 'Its type with its size in bytes (of RSA in bits, of EC the curve): a GENERIC one is for HMAC.',
        examples: ['AES:32', 'GENERIC:32', 'RSA:2048', 'EC:prime256v1'],
      },
      usage: {
        type: 'array',
        items: { type: 'string', enum: ['encrypt', 'sign', 'wrap', 'derive'] },
        description:
          'What it is for; `encrypt` includes decrypting, `sign` verifying. Without it: `sign` for GENERIC and EC, otherwise `encrypt`.',
      },
      id: { type: 'string', pattern: '^([0-9a-fA-F]{2})+$', description: 'CKA_ID in hex; without it one by chance.' },
      extractable: { type: 'boolean', default: false, description: 'It may leave the token, wrapped.' },
      make: {
        type: 'boolean',
        default: true,
        description:
          'A key that is missing is made. Without it that is a failure: where something is closed by a key that is gone, a new one would not open it.',
      },
      ...hsmParams,
    },
    required: ['label', 'library'],
    exclusive: hsmExclusive,
  },
  examples: `- pkcs11_key:
    library: /usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/libfxpkcs11.so
    token_label: vault
    pin_env: HSM_PIN
    label: hsm_demo
  become_user: vault`,
  differences: [
    'A key that is there stays as it is. One of another type, size or usage is a failure that names both, as far as the library tells them; `derive` and the curve are not compared.',
    'SoftHSM2 makes its files for the user alone who runs it: run the task as the user of the service.',
  ],
})({
  reads: (p, _, known) => {
    const [place, variable] = [hsmPlace(p), pinVariable(p)]
    const look = known(hsmLook(place))
    const pin = pinSource(p, variable && known(variable))
    return {
      look: hsmLook(place),
      variable,
      login: look && usable(p, pin, look) ? hsmLogin(hsmLoginQuestion(p, pin as PinSource, look)) : undefined,
    }
  },
  plan: (p, { look, variable, login }) => {
    const place = hsmPlace(p)
    const pin = pinSource(p, variable)
    if (pin === undefined)
      return fail('a key is made with a login: there is no PIN', { hint: '`pin_file`, `pin_env` or `pin`' })
    const before =
      'message' in pin ? pin : (lookProblem(look, place) ?? (p.risk_lockout ? undefined : lockoutProblem(look, place)))
    const problem = before ?? loginProblem(login!, p.pin_file)
    if (problem) return fail(problem.message, problem)
    const named = login!.objects.filter((o) => o.label === p.label && isKey(o))
    const warnings = login!.lineBreak
      ? [`${p.pin_file} ends in a line break: what reads it whole takes that for a part of the PIN`]
      : []
    if (named.length > 0) {
      const wrong = keyProblem(login!.objects, p.label) ?? otherKey(named, p)
      return wrong ? fail(wrong.message, wrong) : { steps: [], warnings, result: resultOf(p.label, named) }
    }
    if (!p.make)
      return fail(`the key ${p.label} is not on the token, and a new one would not open what it closed`, {
        hint: 'put it back, from a backup or another HSM of its cluster; where nothing is lost, remove what it closed',
      })
    const id = p.id?.toLowerCase()
    const other = login!.objects.find((o) => id !== undefined && o.id === id && isKey(o))
    if (other)
      return fail(`the CKA_ID ${id} is that of the key ${other.label}`, {
        hint: 'most tools find a key by it: take another `id`, or none',
      })
    const key = {
      label: p.label,
      type: p.type,
      usage: p.usage ?? usageOf(p.type),
      id,
      extractable: p.extractable,
    }
    const step = makeHsmKey(hsmLoginQuestion(p, pin as PinSource, look), key, login!)
    return { steps: [step], warnings, result: { label: p.label, type: typeOf(p.type), id: key.id } }
  },
})

const isKey = ({ kind }: HsmObject) => kind !== 'certificate' && kind !== 'data'

type Answers = Parameters<typeof lookProblem>[0]

function usable(p: HsmParams, pin: ReturnType<typeof pinSource>, look: Answers): boolean {
  if (pin === undefined || 'message' in pin) return false
  const place = hsmPlace(p)
  return !lookProblem(look, place) && (p.risk_lockout || !lockoutProblem(look, place))
}

const typeOf = (type: string) => type.split(':')[0]!.toUpperCase()

function usageOf(type: string): ('encrypt' | 'sign')[] {
  return ['GENERIC', 'EC'].includes(typeOf(type)) ? ['sign'] : ['encrypt']
}

function otherKey(named: readonly HsmObject[], { label, type, usage, id }: Wanted) {
  const own = named.find((o) => o.kind !== 'public')!
  if (id !== undefined && own.id !== undefined && own.id !== id.toLowerCase())
    return {
      message: `the key ${label} is there, and has ${own.id === '' ? 'no CKA_ID' : `the CKA_ID ${own.id}`}, not ${id}`,
      hint: 'a key keeps it: leave out `id`, give the one that it has, or set it by `pkcs11-tool --set-id`',
    }
  const kind = isPair({ type }) ? 'private' : 'secret'
  const hint = 'what it encrypted needs it: take another label, or the type that is there'
  if (own.kind !== kind || (own.type !== undefined && own.type !== typeOf(type)))
    return {
      message: `the key ${label} is there, and is ${own.type ?? `a ${own.kind} key`}, not ${typeOf(type)}`,
      hint,
    }
  const size = named.find((o) => o.size !== undefined)?.size
  if (size !== undefined && /^(AES|GENERIC|RSA)$/.test(typeOf(type)) && size !== Number(type.split(':')[1]))
    return { message: `the key ${label} is there, and is ${typeOf(type)}:${size}, not ${type.toUpperCase()}`, hint }
  const lacking = (usage ?? usageOf(type)).filter(
    (u) => own.usage && !needed(own, u).every((n) => own.usage!.includes(n)),
  )
  if (lacking.length === 0) return undefined
  return {
    message: `the key ${label} is there, and is not for ${lacking.join(', ')}: it may ${own.usage!.join(', ') || 'nothing'}`,
    hint: 'a key keeps its usage: take another label, give the `usage` that it has, or force it by its label in the configuration of the library',
  }
}

interface Wanted {
  readonly label: string
  readonly id?: string | undefined
  readonly type: string
  readonly usage?: readonly string[] | undefined
}

/** As pkcs11-tool lists it: before 0.26 it tells of no secret key that it signs, and SoftHSM2 of none that it derives. */
function needed({ kind }: HsmObject, usage: string): string[] {
  const secret = kind === 'secret'
  if (usage === 'encrypt') return secret ? ['encrypt', 'decrypt'] : ['decrypt']
  if (usage === 'sign') return secret ? ['verify'] : ['sign']
  return usage === 'wrap' ? (secret ? ['wrap', 'unwrap'] : ['unwrap']) : []
}

function resultOf(label: string, named: readonly HsmObject[]) {
  const own = named.find((o) => o.kind !== 'public')!
  return { label, type: own.type, id: own.id }
}
