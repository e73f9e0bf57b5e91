import {
  addressOf,
  type Content,
  content,
  defineModule,
  type Failure,
  fail,
  type HsmLogin,
  type HsmLook,
  hsmExclusive,
  hsmLog,
  hsmLogin,
  hsmLoginHere,
  hsmLoginQuestion,
  hsmLook,
  hsmLookHere,
  hsmParams,
  hsmPlace,
  type KeyTrial,
  type Known,
  keyProblem,
  type LocalRead,
  lockoutProblem,
  loginProblem,
  logWords,
  lookProblem,
  type ModuleContext,
  mechanismName,
  missingFile,
  missingMechanisms,
  type Params,
  type PinSource,
  pinSource,
  pinVariable,
  placeText,
  portExclusive,
  portFiles,
  portLook,
  portParams,
  portProblem,
  portQuestion,
  portResult,
  portWanted,
  portWarnings,
  probeOf,
  type Read,
  type Said,
  sealIn,
  serialOf,
  slotOf,
  troubleWords,
  untriedProblem,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    ...hsmParams,
    seal_config: {
      type: 'string',
      hostPath: true,
      description:
        'The configuration of a server on the host, instead of `library`, the token and `keys`: those of its pkcs11 seal are looked at.',
    },
    from: {
      type: 'string',
      enum: ['auto', 'host', 'controller'],
      default: 'auto',
      description:
        'Where the library is used: on the host, through pkcs11-tool or the vendor’s configTest, or on the controller, through pkcs11js. `auto`: see below; the result names the way.',
    },
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
          rsa_oaep_hash: {
            type: 'string',
            enum: ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'],
            default: 'sha256',
            description: 'The hash of RSA-PKCS-OAEP, as the seal has it.',
          },
        },
        required: ['label'],
        additionalProperties: false,
      },
      description: 'Keys that have to be there exactly once, and to work.',
    },
    ...portParams,
  },
  anyOf: [{ required: ['library'] }, { required: ['seal_config'] }, { required: ['address'] }],
  exclusive: [
    ...hsmExclusive,
    ...portExclusive,
    ['seal_config', 'library'],
    ['seal_config', 'token_label'],
    ['seal_config', 'slot'],
    ['seal_config', 'keys'],
  ],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'hsm_probe',
  summary: 'Looks whether an HSM can be reached and used, and says why not; changes nothing.',
  harmless: true,
  params,
  examples: `- hsm_probe:
    address: 10.221.0.10
    tls_ca: TlsCa.pem
    tls_p12: PKI.p12
    tls_key_password: "<%= client_key_password %>"
    library: /usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/libfxpkcs11.so
    token_label: vault
    pin_file: /etc/vault.d/hsm-pin
    mechanisms: [CKM_AES_GCM]
    keys: [{ label: hsm_demo }, { label: hsm_hmac_demo, use: sign }]`,
  notes: [
    '`from: auto` takes the controller where it is the host, and where it has the library and `cfg` at the same paths and sees by them the very token that the host sees (by its serial number); or, where the host has no such library or no pkcs11-tool, one of that `token_label`, with a warning. Otherwise it takes the host, and always for a `pin_file` and a `seal_config`, which are files of the host. It looks at both before anybody logs in: a PIN is tried by one way only. Where the question is how the host gets on with the HSM, say `from: host`.',
    'Where the library fails on the host, the end of the log that `cfg` names is told too, if the user of the task may read it.',
    'On a host a key is tried with what its pkcs11-tool has. OpenSC 0.26 and later have AES-GCM; for an older one AES-CBC-PAD of the same key stands in, and the result says so. RSA-PKCS-OAEP it decrypts; before 0.26 the host’s openssl encrypts with the public key, which the result says too. What could not be tried is a warning with its reason.',
    'pkcs11-tool finds a key by its CKA_ID: one that has none, or shares it with another, is tried only from the controller.',
    'Tested with SoftHSM2 and with pkcs11-tool 0.23 and 0.26.',
  ],
})({
  reads: (given, context, known) => {
    const files = portFiles(given)
    const port = portQuestion(given, files, known)
    const config = given.seal_config === undefined ? undefined : content(given.seal_config)
    const p = sealed(given, config && known(config))
    return { ...files, port: port && portLook(port), config, ...('failed' in p ? {} : libraryReads(p, context, known)) }
  },
  plan: (given, answers) => {
    const p = sealed(given, answers.config)
    if ('failed' in p) return p
    const missing = missingFile(p, answers)
    if (missing) return missing
    const wanted = portWanted(p)
    const port = answers.port && wanted ? { look: answers.port, wanted } : undefined
    const wrong = port && portProblem(port.look, port.wanted)
    const reached = port ? portResult(port.look, port.wanted) : {}
    if (wrong) return fail(wrong.message, { ...wrong, result: reached })
    const warnings = port ? portWarnings(port.look, port.wanted) : []
    const met = port
      ? [
          `${placeText({ host: addressOf(p.address!), port: p.port })} answers${p.tls ? `, by ${port.look.tls?.protocol}` : ''}`,
        ]
      : []
    if (p.library === undefined) return { steps: [], result: reached, warnings, output: met.join() }
    const seen = seenOf(p, answers.look, answers.here)
    if (typeof seen === 'string')
      return fail(`the controller can't use PKCS #11 libraries: ${seen}`, {
        hint: 'npm install pkcs11js, which needs a compiler; or `from: host`',
      })
    const way = seen.where === 'host' ? 'pkcs11-tool on the host' : 'pkcs11js on the controller'
    const pin = pinSource(p, answers.variable)
    if (pin && 'message' in pin) return fail(pin.message, pin)
    if (seen.configTest && onlyLooks(p)) return vendorSays(p, seen, reached, [...warnings], logWords(answers.log))
    const { login } = answers
    const problem = before(p, seen) ?? wanting(p, seen, pin) ?? (login && behind(p, login))
    const result = { ...reached, ...resultOf(p, seen, login), way }
    if (problem) return fail(`${problem.message}${logWords(answers.log)}`, { ...problem, result })
    const output = [...met, ...inWords(p, seen, login, way)].join('; ')
    const more = [...insteadOf(p, seen, answers.look), ...(login ? warningsOf(p, seen, login) : [])]
    return { steps: [], result, warnings: [...warnings, ...more], output }
  },
})

/** What a seal says, in the place of parameters. */
function sealed(p: P, config: Content | undefined): P | Failure {
  if (p.seal_config === undefined || config === undefined) return p
  if (config.denied) return fail(`${p.seal_config} may not be read`, { hint: '`become: true`, or its owner' })
  if (!config.bytes) return fail(`there is no ${p.seal_config} on the host`, { hint: 'is the server installed?' })
  const seal = sealIn(config.bytes.toString('utf8'))
  const { library, token_label, slot, keys } = seal ? probeOf(seal) : {}
  if (library === undefined)
    return fail(`${p.seal_config} has no pkcs11 seal with a \`lib\``, { hint: 'name `library`, the token and `keys`' })
  return { ...p, library, token_label, slot, keys }
}

interface LibraryReads {
  readonly variable?: LocalRead<string | undefined> | undefined
  readonly here?: Read<HsmLook | string> | undefined
  readonly look?: Read<HsmLook> | undefined
  readonly login?: Read<HsmLogin> | undefined
  readonly log?: Read<Said> | undefined
}

function libraryReads(p: P, { here: local, secret }: ModuleContext, known: Known): LibraryReads {
  if (p.library === undefined) return {}
  const { look, here } = waysIn(p, local, known)
  const [there, near] = [look && known(look), here && known(here)]
  const pending = (look && !there) || (here && near === undefined)
  const seen = pending ? undefined : seenOf(p, there, near)
  const variable = pinVariable(p)
  const pin = pinSource(p, variable && known(variable))
  if (typeof seen !== 'object') return { variable, here, look }
  const usable = pin && !('message' in pin) && !before(p, seen)
  const question = usable ? hsmLoginQuestion(p, pin, seen, { random: true, keys: trials(p) }) : undefined
  const login = question && (seen.where === 'host' ? hsmLogin(question) : hsmLoginHere(question))
  const logs = p.cfg !== undefined && (local || seen.where === 'host') && failedInside(p, seen, login && known(login))
  return { variable, here, look, login, log: logs ? hsmLog(p.cfg!, known, secret) : undefined }
}

/** Whether it was the library that failed, which may have logged why. */
function failedInside(p: P, look: Seen, login: HsmLogin | undefined): boolean {
  if (!look.seen) return look.configTest !== undefined && look.configTest.status !== 0
  if (lookProblem(look, hsmPlace(p))) return true
  return [login?.trouble, login?.randomTrouble, ...(login?.tried ?? []).map((t) => t.trouble)].some(Boolean)
}

/** @param local the host is the controller. */
function waysIn(p: P, local: boolean, known: Known): Pick<LibraryReads, 'look' | 'here'> {
  const [look, here] = [hsmLook(hsmPlace(p)), hsmLookHere(hsmPlace(p))]
  if (p.from === 'controller') return { here }
  if (p.from === 'host') return { look }
  if (local) return typeof known(here) === 'string' ? { look, here } : { here }
  return p.pin_file === undefined && p.seal_config === undefined ? { look, here } : { look }
}

/** What was seen of the library by the way that is taken. */
type Seen = HsmLook & { readonly where: 'host' | 'controller' }

/** @returns a text that says why the controller, the only way, can't be taken. */
function seenOf(p: P, there: HsmLook | undefined, near: HsmLook | string | undefined): Seen | string {
  if (there && (typeof near !== 'object' || !standsFor(p, near, there))) return { ...there, where: 'host' }
  return typeof near === 'object' ? { ...near, where: 'controller' } : near!
}

/** Whether what the controller sees is what the host sees or, where that can't look, what it would. */
function standsFor(p: P, near: HsmLook, there: HsmLook): boolean {
  const place = hsmPlace(p)
  if (lookProblem(near, place)) return false
  const serial = serialOf(near, place)
  if (!isBlind(there)) return !lookProblem(there, place) && serial !== undefined && serial === serialOf(there, place)
  return p.token_label !== undefined && !(there.configTest && onlyLooks(p))
}

/** There is nothing on the host to look with, or at. */
const isBlind = ({ file, seen, lacks }: HsmLook) =>
  file === 'missing' || (file === 'there' && !seen && !(lacks && lacks.length > 0))

/** Nothing is wanted that takes more than the vendor's own test. */
const onlyLooks = (p: P) => !hasPin(p) && !p.mechanisms && !p.keys

/** That the controller was asked in the place of the host. */
function insteadOf({ library }: P, { where }: Seen, there: HsmLook | undefined): string[] {
  if (where === 'host' || !there || !isBlind(there)) return []
  const lack = there.file === 'missing' ? library : 'pkcs11-tool'
  return [
    `the host has no ${lack}: the controller’s library was asked, which tells nothing of the host’s way to the HSM`,
  ]
}

/** Why there is no login to be tried. */
function before(p: P, look: Seen) {
  const problem = lookProblem(look, hsmPlace(p), look.where)
  return problem ?? (p.risk_lockout || !hasPin(p) ? undefined : lockoutProblem(look, hsmPlace(p)))
}

const hasPin = (p: P) => [p.pin, p.pin_file, p.pin_env].some((source) => source !== undefined)

function trials(p: P): KeyTrial[] {
  return (p.keys ?? []).map(({ label, use = 'encrypt', mechanism, rsa_oaep_hash }) => ({
    label,
    use,
    ...(rsa_oaep_hash === undefined ? {} : { hash: rsa_oaep_hash }),
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

function warningsOf(p: P, look: HsmLook, login: HsmLogin): string[] {
  const untried = trials(p).flatMap((trial, i) => {
    const why = untriedProblem(login.tried[i], trial)
    return why ? [`${why.message}: ${why.hint}`] : []
  })
  const lineBreak = `${p.pin_file} ends in a line break: what reads it whole takes that for a part of the PIN`
  const { flags = [], label } = slotOf(look.seen?.slots ?? [], hsmPlace(p).token)?.token ?? {}
  const old = `the token ${label} says that its PIN is to be changed: it may be refused soon`
  return [...(login.lineBreak ? [lineBreak] : []), ...(flags.includes('PIN to be changed') ? [old] : []), ...untried]
}

function resultOf(p: P, look: HsmLook, login: HsmLogin | undefined): Record<string, unknown> {
  const slot = slotOf(look.seen?.slots ?? [], hsmPlace(p).token)
  return {
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

function inWords(p: P, look: HsmLook, login: HsmLogin | undefined, way: string): string[] {
  const { library, slots } = look.seen!
  const slot = slotOf(slots, hsmPlace(p).token)!
  const keys = trials(p).flatMap(({ label, mechanism: wanted }, i) => {
    const { mechanism, byOpenssl } = login?.tried[i] ?? {}
    if (mechanism === undefined) return []
    const how = mechanism === wanted ? (byOpenssl ? ', encrypted by openssl' : '') : ` in place of ${wanted}`
    return [`${label} (${mechanism}${how})`]
  })
  return [
    `${library?.manufacturer} ${library?.version}, token ${slot.token!.label} in slot ${slot.id}, by ${way}`,
    login ? 'the login and random numbers work' : 'nobody logged in',
    ...(keys.length > 0 ? [`keys that work: ${keys.join(', ')}`] : []),
  ]
}

/** The vendor's own test is all there is. */
function vendorSays(p: P, { configTest, lacks }: HsmLook, reached: object, warnings: string[], log: string) {
  const { path, status, said } = configTest!
  const words = said.split('\n').filter((l) => l.trim() !== '')
  const result = { ...reached, way: 'configTest on the host', said }
  if (status !== 0)
    return lacks && lacks.length > 0
      ? fail(`${p.library} needs what the host does not have: ${lacks.join(', ')}`, {
          hint: 'install the packages that bring them, or take the build for this version of OpenSSL',
          result,
        })
      : fail(`${path} ${vendorsEnd(status, p.timeout)}: ${words.at(-1) ?? `status ${status}, and no word`}${log}`, {
          hint: 'look at its configuration and at its log',
          result,
        })
  const only = 'the host has no pkcs11-tool: only the vendor’s configTest was asked, and nobody logged in'
  return { steps: [], result, output: words.join('\n'), warnings: [...warnings, only] }
}

/** 124 and 137 are the time limit's. */
function vendorsEnd(status: number, timeout: number): string {
  if (status === 124 || status === 137) return `did not end within ${timeout} s, and may be waiting for the HSM`
  return status > 128 ? `was ended by signal ${status - 128}` : 'says that the library does not work'
}
