import {
  defineModule,
  fail,
  type HsmLogin,
  type HsmLook,
  hsmExclusive,
  hsmLogin,
  hsmLoginQuestion,
  hsmLook,
  hsmParams,
  hsmPlace,
  type KeyTrial,
  keyProblem,
  lockoutProblem,
  loginProblem,
  lookProblem,
  mechanismName,
  missingMechanisms,
  type Params,
  type PinSource,
  pinSource,
  pinVariable,
  slotOf,
  troubleWords,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    ...hsmParams,
    mechanisms: {
      type: 'array',
      items: { type: 'string' },
      description: 'Mechanisms that the token has to have, as `CKM_AES_GCM`, `AES-GCM` or `0x1087`.',
    },
    keys: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          label: { type: 'string', pattern: '.', description: 'The key’s label.' },
          use: {
            type: 'string',
            enum: ['encrypt', 'sign', 'none'],
            default: 'encrypt',
            description: 'What is tried and undone again: encrypting, signing, or nothing.',
          },
          mechanism: {
            type: 'string',
            description: 'The one that the seal will use. Without it AES-GCM, to sign SHA256-HMAC.',
          },
        },
        required: ['label'],
        additionalProperties: false,
      },
      description: 'Keys that have to be there exactly once, and to work.',
    },
  },
  required: ['library'],
  exclusive: hsmExclusive,
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'hsm_probe',
  summary: 'Looks whether an HSM can be reached and used, and says why not; changes nothing.',
  harmless: true,
  params,
  examples: `- hsm_probe:
    library: /usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/libfxpkcs11.so
    token_label: vault
    pin_file: /etc/vault.d/hsm-pin
    mechanisms: [CKM_AES_GCM]
    keys: [{ label: hsm_demo }, { label: hsm_hmac_demo, use: sign }]
  become_user: vault`,
})({
  reads: (p, _, known) => {
    const variable = pinVariable(p)
    const look = known(hsmLook(hsmPlace(p)))
    const pin = pinSource(p, variable && known(variable))
    const usable = look && pin && !('message' in pin) && !before(p, look)
    return {
      look: hsmLook(hsmPlace(p)),
      variable,
      login: usable ? hsmLogin(hsmLoginQuestion(p, pin, look, { random: true, keys: trials(p) })) : undefined,
    }
  },
  plan: (p, { look, variable, login }) => {
    const pin = pinSource(p, variable)
    if (pin && 'message' in pin) return fail(pin.message, pin)
    if (look.configTest && pin === undefined && !p.mechanisms && !p.keys) return vendorSays(look.configTest)
    const problem = before(p, look) ?? wanting(p, look, pin) ?? (login && behind(p, login))
    const result = resultOf(p, look, login)
    if (problem) return fail(problem.message, { ...problem, result })
    return { steps: [], result, warnings: login ? warningsOf(p, login) : [], output: inWords(p, look, login) }
  },
})

/** Why there is no login to be tried. */
function before(p: P, look: HsmLook) {
  return (
    lookProblem(look, hsmPlace(p)) ?? (p.risk_lockout || !hasPin(p) ? undefined : lockoutProblem(look, hsmPlace(p)))
  )
}

const hasPin = (p: P) => [p.pin, p.pin_file, p.pin_env].some((source) => source !== undefined)

function trials(p: P): KeyTrial[] {
  return (p.keys ?? []).map(({ label, use = 'encrypt', mechanism }) => ({
    label,
    use,
    mechanism: mechanismName(mechanism ?? (use === 'sign' ? 'SHA256-HMAC' : 'AES-GCM')),
  }))
}

/** What the token lacks, and what cannot be asked without a PIN. */
function wanting(p: P, look: HsmLook, pin: PinSource | undefined) {
  const wanted = [...(p.mechanisms ?? []), ...trials(p).flatMap((k) => (k.use === 'none' ? [] : [k.mechanism]))]
  const missing = [...new Set(missingMechanisms(wanted, look.seen!.mechanisms))]
  if (missing.length > 0)
    return {
      message: `the token does not have ${missing.join(', ')}`,
      hint: 'firmware, licence, FIPS mode or the permissions of the role may hide a mechanism; choose one that it lists',
    }
  if (pin === undefined && p.keys && p.keys.length > 0)
    return { message: 'keys are seen after a login: there is no PIN', hint: '`pin_file`, `pin_env` or `pin`' }
  return undefined
}

/** What is wrong behind the login. */
function behind(p: P, login: HsmLogin) {
  const problem = loginProblem(login, p.pin_file)
  if (problem) return problem
  for (const { label } of p.keys ?? []) {
    const wrong = keyProblem(login.objects, label)
    if (wrong) return wrong
  }
  for (const { label, mechanism, trouble } of login.tried) {
    if (!trouble) continue
    const { sentence, hint } = troubleWords(trouble)
    return { message: `the key ${label} does not work by ${mechanism}: ${sentence}`, hint }
  }
  if (login.randomTrouble || login.random !== 32) {
    const { sentence, hint } = troubleWords(login.randomTrouble ?? { at: 'random numbers', said: 'too few came' })
    return { message: `the token gives no random numbers: ${sentence}`, hint }
  }
  return undefined
}

function warningsOf(p: P, login: HsmLogin): string[] {
  const instead = trials(p).flatMap(({ label, use, mechanism }, i) => {
    const tried = login.tried[i]?.mechanism
    if (use === 'none' || tried === mechanism) return []
    if (tried === undefined) return [`the key ${label} was not tried: pkcs11-tool does not know ${mechanism}`]
    return [`the key ${label} was tried by ${tried}: pkcs11-tool does not know ${mechanism}`]
  })
  const lineBreak = `${p.pin_file} ends in a line break: what reads it whole takes that for a part of the PIN`
  return login.lineBreak ? [lineBreak, ...instead] : instead
}

const tool = 'pkcs11-tool on the host'

function resultOf(p: P, look: HsmLook, login: HsmLogin | undefined): Record<string, unknown> {
  const slot = slotOf(look.seen?.slots ?? [], hsmPlace(p).token)
  return {
    way: tool,
    library: { path: p.library, ...look.seen?.library },
    ...(slot?.token ? { slot: slot.id, token: slot.token } : {}),
    mechanisms: look.seen?.mechanisms.map(mechanismName) ?? [],
    login: login !== undefined && !login.pin && !login.trouble,
    keys: trials(p).map(({ label }, i) => {
      const own = login?.objects.find((o) => o.label === label && o.kind !== 'public')
      return { label, type: own?.type, id: own?.id, tried: login?.tried[i]?.mechanism }
    }),
  }
}

function inWords(p: P, look: HsmLook, login: HsmLogin | undefined): string {
  const { library, slots } = look.seen!
  const slot = slotOf(slots, hsmPlace(p).token)!
  const keys = (login?.tried ?? []).map((k) => `${k.label}${k.mechanism === undefined ? '' : ` (${k.mechanism})`}`)
  return [
    `${library?.manufacturer} ${library?.version}, token ${slot.token!.label} in slot ${slot.id}, by ${tool}`,
    login ? 'the login and random numbers work' : 'nobody logged in',
    ...(keys.length > 0 ? [`keys that work: ${keys.join(', ')}`] : []),
  ].join('; ')
}

/** The vendor's own test is all there is. */
function vendorSays({ path, status, said }: NonNullable<HsmLook['configTest']>) {
  const words = said.split('\n').filter((l) => l.trim() !== '')
  const result = { way: 'configTest on the host', said }
  if (status !== 0)
    return fail(`${path} says that the library does not work: ${words.at(-1) ?? `status ${status}`}`, {
      hint: 'look at its configuration and at its log',
      result,
    })
  return {
    steps: [],
    result,
    output: words.join('\n'),
    warnings: ['the host has no pkcs11-tool: only the vendor’s configTest was asked, and nobody logged in'],
  }
}
