import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { explained, returnValues } from '../../src/formats/pkcs11/codes.ts'
import { mechanismName, slotOf, troubleWords } from '../../src/formats/pkcs11/seen.ts'
import { parseLibrary, parseMechanisms, parseObjects, parseSlots, toolTrouble } from '../../src/formats/pkcs11/tool.ts'
import { hsmWords } from '../../src/vault/hsm-words.ts'

/** As the standard's headers have them, up to 3.2. */
const standard = `OK 0 CANCEL 1 HOST_MEMORY 2 SLOT_ID_INVALID 3 GENERAL_ERROR 5 FUNCTION_FAILED 6 ARGUMENTS_BAD 7 NO_EVENT 8
NEED_TO_CREATE_THREADS 9 CANT_LOCK A ATTRIBUTE_READ_ONLY 10 ATTRIBUTE_SENSITIVE 11 ATTRIBUTE_TYPE_INVALID 12
ATTRIBUTE_VALUE_INVALID 13 COPY_PROHIBITED 1A ACTION_PROHIBITED 1B DATA_INVALID 20 DATA_LEN_RANGE 21 DEVICE_ERROR 30
DEVICE_MEMORY 31 DEVICE_REMOVED 32 ENCRYPTED_DATA_INVALID 40 ENCRYPTED_DATA_LEN_RANGE 41 AEAD_DECRYPT_FAILED 42
FUNCTION_CANCELED 50 FUNCTION_NOT_PARALLEL 51 FUNCTION_NOT_SUPPORTED 54 KEY_HANDLE_INVALID 60 KEY_SIZE_RANGE 62
KEY_TYPE_INCONSISTENT 63 KEY_NOT_NEEDED 64 KEY_CHANGED 65 KEY_NEEDED 66 KEY_INDIGESTIBLE 67 KEY_FUNCTION_NOT_PERMITTED 68
KEY_NOT_WRAPPABLE 69 KEY_UNEXTRACTABLE 6A MECHANISM_INVALID 70 MECHANISM_PARAM_INVALID 71 OBJECT_HANDLE_INVALID 82
OPERATION_ACTIVE 90 OPERATION_NOT_INITIALIZED 91 PIN_INCORRECT A0 PIN_INVALID A1 PIN_LEN_RANGE A2 PIN_EXPIRED A3 PIN_LOCKED A4
SESSION_CLOSED B0 SESSION_COUNT B1 SESSION_HANDLE_INVALID B3 SESSION_PARALLEL_NOT_SUPPORTED B4 SESSION_READ_ONLY B5
SESSION_EXISTS B6 SESSION_READ_ONLY_EXISTS B7 SESSION_READ_WRITE_SO_EXISTS B8 SIGNATURE_INVALID C0 SIGNATURE_LEN_RANGE C1
TEMPLATE_INCOMPLETE D0 TEMPLATE_INCONSISTENT D1 TOKEN_NOT_PRESENT E0 TOKEN_NOT_RECOGNIZED E1 TOKEN_WRITE_PROTECTED E2
UNWRAPPING_KEY_HANDLE_INVALID F0 UNWRAPPING_KEY_SIZE_RANGE F1 UNWRAPPING_KEY_TYPE_INCONSISTENT F2 USER_ALREADY_LOGGED_IN 100
USER_NOT_LOGGED_IN 101 USER_PIN_NOT_INITIALIZED 102 USER_TYPE_INVALID 103 USER_ANOTHER_ALREADY_LOGGED_IN 104
USER_TOO_MANY_TYPES 105 WRAPPED_KEY_INVALID 110 WRAPPED_KEY_LEN_RANGE 112 WRAPPING_KEY_HANDLE_INVALID 113
WRAPPING_KEY_SIZE_RANGE 114 WRAPPING_KEY_TYPE_INCONSISTENT 115 RANDOM_SEED_NOT_SUPPORTED 120 RANDOM_NO_RNG 121
DOMAIN_PARAMS_INVALID 130 CURVE_NOT_SUPPORTED 140 BUFFER_TOO_SMALL 150 SAVED_STATE_INVALID 160 INFORMATION_SENSITIVE 170
STATE_UNSAVEABLE 180 CRYPTOKI_NOT_INITIALIZED 190 CRYPTOKI_ALREADY_INITIALIZED 191 MUTEX_BAD 1A0 MUTEX_NOT_LOCKED 1A1
NEW_PIN_MODE 1B0 NEXT_OTP 1B1 EXCEEDED_MAX_ITERATIONS 1B5 FIPS_SELF_TEST_FAILED 1B6 LIBRARY_LOAD_FAILED 1B7 PIN_TOO_WEAK 1B8
PUBLIC_KEY_INVALID 1B9 FUNCTION_REJECTED 200 TOKEN_RESOURCE_EXCEEDED 201 OPERATION_CANCEL_FAILED 202 KEY_EXHAUSTED 203
PENDING 204 SESSION_ASYNC_NOT_SUPPORTED 205 SEED_RANDOM_REQUIRED 206 OPERATION_NOT_VALIDATED 207 TOKEN_NOT_INITIALIZED 208
PARAMETER_SET_NOT_SUPPORTED 209 VENDOR_DEFINED 80000000`

test('every return value of the standard is explained: a sentence and a cause', () => {
  const words = standard.split(/\s+/)
  const pairs = words.flatMap((word, i) => (i % 2 === 0 ? [`CKR_${word} ${Number.parseInt(words[i + 1]!, 16)}`] : []))
  assert.equal([...returnValues.values()].map((v) => `${v.name} ${v.code}`).sort(), pairs.sort())
  for (const { name, sentence, cause } of returnValues.values())
    for (const text of [sentence, cause]) assert.match(text, /^[a-zA-Z][^\n]{8,}[^.\s]$/, name)
  assert.is(explained(0xa0).sentence, 'the PIN is wrong')
  assert.match(explained(0x80000001).name, /VENDOR_DEFINED 0x80000001/)
  assert.match(explained(0x999).sentence, /not of the standard/)
  assert.match(explained('CKR_NEWER').sentence, /not of the standard/)
})

const slots = `Available slots:
Slot 0 (0x20ad462c): SoftHSM slot ID 0x20ad462c
  token label        : lab: 1
  token manufacturer : SoftHSM project
  token model        : SoftHSM v2
  token flags        : login required, rng, token initialized, user PIN count low, PIN initialized, other flags=0x20
  hardware version   : 2.6
  firmware version   : 2.6
  serial num         : ae63375920ad462c
  pin min/max        : 4/255
Slot 1 (0x1): SoftHSM slot ID 0x1
  token state:   uninitialized
Slot 2 (0x2): a reader
  (empty)
`

test('slots and tokens', () => {
  const parsed = parseSlots(slots)
  assert.is(parsed.length, 3)
  const { id, token } = parsed[0]!
  assert.is(id, 0x20ad462c)
  assert.equal(token, {
    label: 'lab: 1',
    manufacturer: 'SoftHSM project',
    model: 'SoftHSM v2',
    serial: 'ae63375920ad462c',
    flags: ['login required', 'random numbers', 'initialized', 'PIN count low', 'pin set'],
  })
  assert.equal(parsed[1]!.token!.flags, [])
  assert.is(parsed[2]!.token, undefined)
  assert.is(slotOf(parsed, { label: 'lab: 1' })!.id, id)
  assert.is(slotOf(parsed, { slot: 2 })!.description, 'a reader')
  assert.is(slotOf(parsed, {})!.id, id)
  assert.is(slotOf(parsed, { label: 'none' }), undefined)
  assert.equal(parseSlots('Available slots:\nNo slots.\n'), [])
})

test('library and mechanisms', () => {
  const text = 'Cryptoki version 2.40\nManufacturer     SoftHSM\nLibrary          Implementation of PKCS11 (ver 2.6)\n'
  const library = { cryptoki: '2.40', manufacturer: 'SoftHSM', description: 'Implementation of PKCS11', version: '2.6' }
  assert.equal(parseLibrary(text), library)
  assert.is(parseLibrary('error'), undefined)
  const list = 'Supported mechanisms:\n  AES-GCM, keySize={16,32}, encrypt\n  mechtype-0x210A, wrap\n  SHA256, digest\n'
  assert.equal(parseMechanisms(list), ['AES-GCM', 'mechtype-0x210A', 'SHA256'])
  for (const name of ['CKM_AES_GCM', 'aes-gcm', '0x1087', 'AES_GCM', 'mechtype-0x1087'])
    assert.is(mechanismName(name), 'AES-GCM', name)
  assert.is(mechanismName('mechtype-0x210A'), mechanismName('0x210a'))
  assert.is(mechanismName('4231'), 'AES-GCM')
  assert.is(mechanismName('CKM_SHA256_RSA_PKCS'), 'SHA256-RSA-PKCS')
})

test('objects', () => {
  const text = `Private Key Object; EC
  label:      ec
  ID:         0A
  Usage:      sign
Secret Key Object; Generic secret length 32
  label:      hmac key
  ID:         02
Secret Key Object; AES length 32
  ID:         03
Public Key Object; RSA 2048 bits
  label:      rsa
Certificate Object; type = X.509 cert
  label:      a; b
Data object 12
  label:          'x'
`
  assert.equal(
    parseObjects(text).map((o) => `${o.kind} ${o.type} ${o.label} ${o.id}`),
    [
      'private EC ec 0a',
      'secret GENERIC hmac key 02',
      'secret AES  03',
      'public RSA rsa ',
      'certificate TYPE a; b ',
      "data DATA 'x' ",
    ],
  )
})

test('what a server says of PKCS #11', () => {
  assert.is(hsmWords('error: pkcs11: 0xE0: CKR_TOKEN_NOT_PRESENT')?.name, 'CKR_TOKEN_NOT_PRESENT')
  assert.is(hsmWords('failed to log in: pkcs11: 0x80000383: ')?.name, 'CKR_VENDOR_DEFINED 0x80000383')
  assert.is(hsmWords('pkcs11: CKR_OK'), undefined)
  assert.is(hsmWords('no such path 0xE0'), undefined)
})

test('what went wrong', () => {
  const pin = toolTrouble(
    'login',
    1,
    'error: PKCS11 function C_Login failed: rv = CKR_PIN_INCORRECT (0xa0)\nAborting.\n',
  )!
  assert.equal(pin, { at: 'C_Login', rv: 'CKR_PIN_INCORRECT' })
  const other = 'error: PKCS11 function C_Login failed: rv = unknown PKCS11 error (0x80000112)\n'
  assert.match(troubleWords(toolTrouble('login', 1, other)!).sentence, /0x80000112/)
  const named = other.replace('unknown PKCS11 error', 'CKR_VENDOR_DEFINED')
  assert.match(
    troubleWords(toolTrouble('login', 1, named)!).sentence,
    /^the vendor .* \(CKR_VENDOR_DEFINED 0x80000112 from C_Login\)$/,
  )
  assert.equal(toolTrouble('loading', 134, ''), { at: 'loading', signal: 6 })
  assert.equal(toolTrouble('loading', 124, ''), { at: 'loading', late: true })
  assert.is(toolTrouble('loading', 0, 'warning: x'), undefined)
  const load = toolTrouble(
    'loading',
    1,
    'sc_dlopen failed: /x.so: wrong ELF class: ELFCLASS32\nerror: Failed to load\n',
  )!
  assert.match(troubleWords(load).hint, /architecture/)
  assert.is(toolTrouble('x', 1, '')!.said, '')
})

test.run()
