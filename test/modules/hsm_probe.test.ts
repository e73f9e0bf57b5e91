import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type HsmLogin,
  type HsmLook,
  type HsmObject,
  hsmLogin,
  hsmLoginHere,
  hsmLoginQuestion,
  hsmLook,
  hsmLookHere,
  hsmPlace,
  type KeyTrial,
  type PinSource,
  type PortLook,
  type PortQuestion,
  portLook,
} from '../../src/module.ts'
import { plan } from './plan.ts'

const token = { label: 'lab', manufacturer: 'M', model: 'X', serial: '1', flags: ['initialized', 'pin set'] as const }
const slots = [{ id: 5, description: 'a slot', token }]
const mechanisms = ['AES-GCM', 'AES-CBC-PAD', 'SHA256-HMAC']
const library = { cryptoki: '2.40', manufacturer: 'Maker', description: 'a library', version: '2.6' }
const seen = { library, slots, mechanisms }
const good: HsmLook = { file: 'there', lacks: [], seen }
const aes: HsmObject = { kind: 'secret', type: 'AES', label: 'k', id: '01' }
const opened: HsmLogin = { objects: [aes], random: 32, tried: [{ label: 'k', mechanism: 'AES-CBC-PAD' }] }

const base = { library: '/lib/p11.so', token_label: 'lab' }
const trial: KeyTrial = { label: 'k', use: 'encrypt', mechanism: 'AES-GCM' }

function probe(more: object, look: HsmLook = good, login: HsmLogin = opened, keys: readonly KeyTrial[] = [trial]) {
  const params = { risk_lockout: false, timeout: 20, ...base, ...more } as Parameters<typeof hsmPlace>[0]
  const pin: PinSource = params.pin_file === undefined ? { text: params.pin ?? '' } : { file: params.pin_file }
  const question = hsmLoginQuestion(params, pin, look, { random: true, keys })
  return plan(
    'hsm_probe',
    { ...base, ...more },
    {
      host: { '/lib/p11.so': 'x' },
      answers: [
        [hsmLook(hsmPlace(params)), look],
        [hsmLookHere(hsmPlace(params)), { file: 'missing', lacks: undefined }],
        [hsmLogin(question), login],
      ],
    },
  )
}

const withKey = { pin: 'pin-4711', keys: [{ label: 'k' }] }
const fails = async (...args: Parameters<typeof probe>) => {
  const { failed, hint, steps } = await probe(...args)
  assert.equal(steps, [])
  return `${failed} | ${hint}`
}

test('a token and a key that work', async () => {
  const { failed, result, warnings, plan: made } = await probe(withKey)
  assert.is(failed, undefined)
  assert.is(result.way, 'pkcs11-tool on the host')
  assert.is(result.slot, 5)
  assert.equal(result.keys, [{ label: 'k', type: 'AES', id: '01', tried: 'AES-CBC-PAD' }])
  assert.equal(warnings, [])
  assert.is(
    made!.output,
    'Maker 2.6, token lab in slot 5, by pkcs11-tool on the host; the login and random numbers work; keys that work: k (AES-CBC-PAD in place of AES-GCM)',
  )
})

test('what the seal of a server names', async () => {
  const hcl = 'seal "pkcs11" {\n  lib = "/lib/p11.so"\n  slot = "5"\n  key_label = "k"\n  mechanism = "0x1085"\n}\n'
  const params = { library: '/lib/p11.so', slot: 5, pin: 'pin-4711', risk_lockout: false, timeout: 20 }
  const keys: KeyTrial[] = [{ label: 'k', use: 'encrypt', hash: 'sha256', mechanism: 'AES-CBC-PAD' }]
  const of = (text: string | undefined, more: object = {}) =>
    plan(
      'hsm_probe',
      { seal_config: '/c.hcl', pin: 'pin-4711', ...more },
      {
        host: { '/lib/p11.so': 'x', ...(text === undefined ? {} : { '/c.hcl': text }) },
        answers: [
          [hsmLook(hsmPlace(params)), good],
          [hsmLogin(hsmLoginQuestion(params, { text: 'pin-4711' }, good, { random: true, keys })), opened],
        ],
      },
    )
  const { failed, result } = await of(hcl)
  assert.is(failed, undefined)
  assert.equal([result.slot, result.keys], [5, [{ label: 'k', type: 'AES', id: '01', tried: 'AES-CBC-PAD' }]])
  assert.is((await of(undefined)).failed, 'there is no /c.hcl on the host')
  assert.match((await of('seal "awskms" {}')).failed!, /has no pkcs11 seal with a `lib`/)
  assert.match((await of(hcl, { library: '/x.so' })).invalid[0]!, /`seal_config` and `library` exclude each other/)
})

test('without a PIN nobody logs in', async () => {
  const { result, failed } = await probe({ mechanisms: ['CKM_AES_GCM'] })
  assert.is(failed, undefined)
  assert.is(result.login, false)
  assert.match(await fails({ keys: [{ label: 'k' }] }), /seen after a login: there is no PIN/)
  assert.match(await fails({ pin: '' }), /the PIN is empty/)
  assert.match(await fails({ pin: 'a\n' }), /holds a line break/)
})

test('the library', async () => {
  assert.match(await fails({}, { file: 'missing', lacks: undefined }), /there is no \/lib\/p11\.so on the host/)
  assert.match(await fails({}, { file: 'unreadable', lacks: undefined }), /may not be read \| `become/)
  assert.match(await fails({}, { file: 'there', lacks: ['libssl.so.1.1'] }), /does not have: libssl\.so\.1\.1/)
  assert.match(await fails({}, { file: 'there', lacks: [] }), /no pkcs11-tool \| install opensc/)
  const trouble = { at: 'C_Initialize', rv: 'CKR_DEVICE_ERROR' }
  assert.match(await fails({}, { ...good, seen: { ...seen, trouble } }), /p11\.so does not work: .*\(CKR_DEVICE_ERROR/)
})

test('the vendor’s own tool, where there is no other', async () => {
  const said = (status: number) =>
    ({ file: 'there', lacks: [], configTest: { path: '/lib/configTest', status, said: 'a\nlast words' } }) as const
  const { warnings, result } = await probe({}, said(0))
  assert.is(result.way, 'configTest on the host')
  assert.is(warnings.length, 1)
  assert.match(await fails({}, said(1)), /configTest says that the library does not work: last words/)
  assert.match(
    await fails({}, said(124)),
    /configTest did not end within 20 s, and may be waiting for the HSM: last words/,
  )
  assert.match(await fails({}, said(139)), /configTest was ended by signal 11: last words/)
  const bare = { ...said(127), lacks: ['libssl.so.1.1'] }
  assert.match(await fails({}, bare), /p11\.so needs what the host does not have: libssl\.so\.1\.1/)
  const silent = { ...said(3), configTest: { path: '/lib/configTest', status: 3, said: '\n \n' } }
  assert.match(await fails({}, silent), /does not work: status 3, and no word/)
  assert.match(await fails({ pin: 'pin-4711' }, said(0)), /no pkcs11-tool/)
})

test('the token', async () => {
  const look = (changed: readonly object[]) => ({ ...good, seen: { ...seen, slots: changed } }) as HsmLook
  assert.match(await fails({ token_label: 'x' }), /no token labelled x \| there are: lab \(slot 5\)/)
  assert.match(
    await fails({}, look([slots[0]!, { ...slots[0]!, id: 6 }])),
    /are 2 tokens labelled lab \| name one by its/,
  )
  assert.match(
    await fails({ token_label: undefined, slot: 5 }, look([{ ...slots[0]!, token: undefined }])),
    /is the HSM away/,
  )
  const bare = look([{ ...slots[0]!, token: { ...token, flags: [] } }])
  assert.match(await fails({ token_label: undefined, slot: 5 }, bare), /is not initialised/)
  assert.match(await fails({ token_label: undefined }, look([])), /there is no token \| the library shows no token/)
  assert.match(await fails({ mechanisms: ['CKM_AES_GCM', '0x250'] }), /does not have 0x250/)
})

test('a token near its lock is not tried, unless told', async () => {
  for (const [flag, words] of [
    ['PIN locked', /says that its PIN is locked: it was not tried/],
    ['final PIN try', /one last try/],
    ['PIN count low', /counts wrong PINs/],
  ] as const) {
    const flagged = { ...slots[0]!, token: { ...token, flags: [...token.flags, flag] } }
    const look: HsmLook = { ...good, seen: { ...seen, slots: [flagged] } }
    // there is no answer to a login: asking it would break the test
    assert.match(await fails(withKey, look, undefined, []), words)
    assert.is((await probe({ ...withKey, risk_lockout: true }, look)).failed, undefined)
    assert.is((await probe({}, look)).failed, undefined, 'nobody logs in')
  }
})

test('the login, the keys, the random numbers', async () => {
  const after = (login: Partial<HsmLogin>) => fails(withKey, good, { ...opened, ...login })
  assert.match(
    await after({ trouble: { at: 'C_Login', rv: 'CKR_PIN_INCORRECT' } }),
    /login failed: the PIN is wrong .*CKR_PIN/,
  )
  assert.match(await after({ pin: 'refused before' }), /refused a PIN before in this run/)
  assert.match(await after({ pin: 'unfit' }), /cannot take this PIN.*was not tried/)
  assert.match(await after({ pin: 'no way' }), /no `script`.*util-linux/)
  assert.match(await after({ objects: [] }), /there is no key k/)
  assert.match(await after({ objects: [aes, { ...aes, id: '02' }] }), /there are 2 keys k/)
  assert.match(await after({ objects: [aes, { ...aes, kind: 'public' }] }), /a secret key and a public one/)
  assert.match(await after({ objects: [{ ...aes, kind: 'public' }] }), /only the public key is there/)
  const trouble = { at: 'decrypting', said: 'what came back is not what was encrypted' }
  assert.match(
    await after({ tried: [{ label: 'k', mechanism: 'AES-CBC-PAD', trouble }] }),
    /k does not work by AES-CBC-PAD/,
  )
  assert.match(await after({ random: 0 }), /no random numbers/)
  const file = await probe({ pin_file: '/pin', keys: [{ label: 'k' }] }, good, { ...opened, lineBreak: true })
  assert.match(file.warnings[0]!, /^\/pin ends in a line break/)
  const missing = { ...opened, pin: 'missing' } as const
  assert.match(
    await fails({ pin_file: '/pin', keys: [{ label: 'k' }] }, good, missing),
    /there is no \/pin \| the PIN is read/,
  )
})

/** On the controller. */
function probeHere(more: object, look: HsmLook | string, given: { here?: boolean; there?: HsmLook } = {}) {
  const params = { risk_lockout: false, timeout: 20, ...base, pin: 'pin-4711', ...more }
  const tried = [{ label: 'k', mechanism: 'AES-GCM' }]
  const question = (seen: HsmLook) =>
    hsmLoginQuestion(params, { text: 'pin-4711' }, seen, { random: true, keys: [trial] })
  const there = given.there ?? good
  const answers = [
    [hsmLookHere(hsmPlace(params)), look],
    [hsmLook(hsmPlace(params)), there],
    [hsmLoginHere(question(typeof look === 'string' ? good : look)), { ...opened, tried }],
    [hsmLogin(question(there)), opened],
  ] as const
  return plan('hsm_probe', { ...base, ...withKey, ...more }, { host: { '/lib/p11.so': 'x' }, answers, ...given })
}

test('the controller is taken where it is the host, or told', async () => {
  const way = async (...args: Parameters<typeof probeHere>) => (await probeHere(...args)).result.way
  assert.is(await way({}, good, { here: true }), 'pkcs11js on the controller')
  assert.is(await way({ from: 'controller' }, good), 'pkcs11js on the controller')
  assert.is(await way({ from: 'host' }, good, { here: true }), 'pkcs11-tool on the host')
  assert.is(await way({}, 'pkcs11js was not built', { here: true }), 'pkcs11-tool on the host')
  const { failed, hint } = await probeHere({ from: 'controller' }, 'it was not built')
  assert.match(failed!, /controller can't use PKCS #11 libraries: it was not built/)
  assert.match(hint!, /npm install pkcs11js/)
  const { plan: made } = await probeHere({}, good, { here: true })
  assert.match(made!.output!, /keys that work: k \(AES-GCM\)$/)
})

test('the controller is taken where it sees what the host sees, or would', async () => {
  const way = async (...args: Parameters<typeof probeHere>) => {
    const { result, failed, warnings } = await probeHere(...args)
    return `${failed ?? result.way}${warnings.map((w) => `; ${w}`)}`
  }
  const [here, host] = ['pkcs11js on the controller', 'pkcs11-tool on the host']
  const with1 = (more: object, flags: readonly string[] = token.flags) =>
    ({ ...good, seen: { ...seen, slots: [{ ...slots[0]!, token: { ...token, flags, ...more } }] } }) as HsmLook
  assert.is(await way({}, good), here)
  assert.is(await way({}, with1({ serial: '2' })), host, 'another HSM')
  assert.is(await way({}, with1({ label: 'other' })), host)
  assert.is(await way({}, with1({ serial: '' }), { there: with1({ serial: '' }) }), host, 'nobody knows')
  assert.is(await way({}, 'it was not built'), host)
  assert.is(await way({}, { file: 'missing', lacks: undefined }), host)
  assert.is(
    await way({}, { ...good, seen: { ...seen, trouble: { at: 'C_Initialize', rv: 'CKR_DEVICE_ERROR' } } }),
    host,
  )
  // what the host has and can't use is what it fails of
  assert.match(await way({}, good, { there: { file: 'there', lacks: ['libssl.so.1.1'] } }), /needs what the host/)
  assert.match(await way({}, good, { there: with1({ label: 'other' }) }), /there is no token labelled lab/)
  for (const [there, lack] of [
    [{ file: 'there', lacks: [] }, 'pkcs11-tool'],
    [{ file: 'missing', lacks: undefined }, '/lib/p11\\.so'],
  ] as const) {
    assert.match(await way({}, good, { there }), new RegExp(`^${here}; the host has no ${lack}: .*tells nothing of`))
    assert.match(await way({ token_label: undefined, slot: 5 }, good, { there }), /^(the host has|there is) no .*[^r]$/)
  }
  const configTest = { path: '/lib/configTest', status: 0, said: 'fine' }
  const { result } = await probeHere({ keys: undefined, pin: undefined }, good, {
    there: { file: 'there', lacks: [], configTest },
  })
  assert.is(result.way, 'configTest on the host')
})

test('the port is looked at first, with the files of host or controller', async () => {
  const tls = { protocol: 'TLSv1.3', chain: [], anonymous: { accepted: false } }
  const asking = (question: Partial<PortQuestion>, look: PortLook, more: object, given: object = {}) =>
    plan(
      'hsm_probe',
      { address: 'hsm', ...more },
      {
        answers: [[portLook({ host: 'hsm', port: 9100, timeout: 20, ...question }), look]],
        ...given,
      },
    )
  const ca = '-----BEGIN CERTIFICATE-----\na ca\n'
  const files = { 'ca.pem': ca, 'me.p12': 'a p12', 'ca.der': '0\x82 no PEM' }
  const own = { p12: Buffer.from('a p12').toString('base64'), password: 'secret-4711' }
  const question = { tls: { ca, serverName: undefined, own } }
  const given = { tls_ca: 'ca.pem', tls_p12: 'me.p12', tls_key_password: 'secret-4711' }
  const good = await asking(question, { tls: { ...tls, own: { accepted: true } } }, given, { files })
  assert.is(good.failed, undefined)
  assert.equal(good.result, {
    address: 'hsm',
    port: 9100,
    protocol: 'TLSv1.3',
    chain: [],
    anonymous: false,
    accepted: true,
  })
  assert.is(good.plan!.output, 'hsm:9100 answers, by TLSv1.3')
  const host = { '/ca.pem': ca, '/me.p12': 'a p12' }
  const remote = { ...given, tls_ca: '/ca.pem', tls_p12: '/me.p12', remote_src: true }
  const refused = { ...tls, own: { accepted: false, because: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA' } }
  const foreign = await asking(question, { tls: refused }, remote, { host })
  assert.match(foreign.failed!, /hsm:9100 refuses a client with our certificate \(TLSV1_ALERT_UNKNOWN_CA\)/)
  const none = await asking(question, {}, { ...remote, tls_ca: '/none.pem' }, { host })
  assert.is(none.failed, 'there is no /none.pem on the host')
  const der = await asking(question, {}, { ...given, tls_ca: 'ca.der' }, { files })
  assert.is(der.failed, 'ca.der holds no certificate in PEM')
  const bracketed = await asking({ host: '::1' }, {}, { address: '[::1]', tls: false })
  assert.is(bracketed.plan?.output, '[::1]:9100 answers')
  const closed = await asking({}, { unreachable: { message: 'hsm:9100 refused the connection' } }, { tls: false })
  assert.is(closed.failed, 'hsm:9100 refused the connection')
  assert.is((await asking({}, {}, { tls: false })).failed, undefined)
  assert.match(
    (await plan('hsm_probe', { port: 1 }, {})).invalid[0]!,
    /needs one of `library`, `seal_config`, `address`/,
  )
})

test.run()
