// The return values of PKCS #11 up to version 3.2, explained.

/** One return value: its number, what it says, and the likely cause with what to do. Both without a full stop. */
export interface Explained {
  readonly name: string
  readonly code: number
  readonly sentence: string
  readonly cause: string
}

const caller = 'the program and the library do not fit together: look for a newer version of either'
const session = 'the HSM ended the session, after a restart or a time limit: try again'
const seal = 'the key does not suit the mechanism: compare `key_label` and `mechanism` with what is on the token'
const wrap = 'the key that wraps does not suit: compare its type and usage with the mechanism'

const table: Readonly<Record<string, readonly [code: number, sentence: string, cause: string]>> = {
  CKR_OK: [0x0, 'it went well', 'nothing is wrong'],
  CKR_CANCEL: [0x1, 'the call was cancelled', 'somebody cancelled it at the HSM: try again'],
  CKR_HOST_MEMORY: [
    0x2,
    'the host has no memory left for it',
    'look at the memory of the host and the limits of the service',
  ],
  CKR_SLOT_ID_INVALID: [
    0x3,
    'there is no such slot',
    'slots are renumbered when tokens are made: name the token by its label instead',
  ],
  CKR_GENERAL_ERROR: [
    0x5,
    'the library failed and does not say why',
    'its configuration, the directory of its tokens or the HSM cannot be reached or read: look at its log',
  ],
  CKR_FUNCTION_FAILED: [
    0x6,
    'the HSM could not do it',
    'the HSM refused or lost the request: look at its log, and at the permissions of the role',
  ],
  CKR_ARGUMENTS_BAD: [0x7, 'the library does not take these arguments', caller],
  CKR_NO_EVENT: [0x8, 'nothing happened at the slots', 'it is no failure: nobody plugged or unplugged a token'],
  CKR_NEED_TO_CREATE_THREADS: [0x9, 'the library has to start threads of its own and may not', caller],
  CKR_CANT_LOCK: [
    0xa,
    'the library cannot be used by several threads',
    'this library does not suit a server: ask its vendor for one that does',
  ],
  CKR_ATTRIBUTE_READ_ONLY: [
    0x10,
    'this property of the object cannot be changed',
    'it is set when the key is made: make the key anew',
  ],
  CKR_ATTRIBUTE_SENSITIVE: [
    0x11,
    'this property is secret and is not given out',
    'it is no fault: the value of a sensitive key stays in the HSM',
  ],
  CKR_ATTRIBUTE_TYPE_INVALID: [0x12, 'the object has no such property', caller],
  CKR_ATTRIBUTE_VALUE_INVALID: [
    0x13,
    'the property cannot have this value',
    'the HSM does not make keys of this kind: try another size, type or usage',
  ],
  CKR_COPY_PROHIBITED: [0x1a, 'the object may not be copied', 'it was made so: make a new one'],
  CKR_ACTION_PROHIBITED: [
    0x1b,
    'the object or the policy of the HSM forbids this',
    'look at the permissions of the role and at how the key was made',
  ],
  CKR_DATA_INVALID: [0x20, 'the data is not what the mechanism takes', seal],
  CKR_DATA_LEN_RANGE: [0x21, 'the data has a length that the mechanism does not take', seal],
  CKR_DEVICE_ERROR: [
    0x30,
    'the HSM, or the way to it, has a fault',
    'look whether the HSM can be reached, and at its own log',
  ],
  CKR_DEVICE_MEMORY: [0x31, 'the HSM has no room left', 'delete what is not needed, or give the partition more slots'],
  CKR_DEVICE_REMOVED: [
    0x32,
    'the HSM or its token went away meanwhile',
    'look whether it is plugged in, powered and reachable',
  ],
  CKR_ENCRYPTED_DATA_INVALID: [
    0x40,
    'what is to be decrypted is not what this key encrypted',
    'another key, another mechanism or damaged data: was the key made anew?',
  ],
  CKR_ENCRYPTED_DATA_LEN_RANGE: [
    0x41,
    'what is to be decrypted has a length that cannot be',
    'another mechanism, or damaged data',
  ],
  CKR_AEAD_DECRYPT_FAILED: [
    0x42,
    'what is to be decrypted is not what this key encrypted',
    'another key, or data that was changed: was the key made anew?',
  ],
  CKR_FUNCTION_CANCELED: [
    0x50,
    'the call was cancelled',
    'somebody cancelled it at the HSM, or it took too long: try again',
  ],
  CKR_FUNCTION_NOT_PARALLEL: [
    0x51,
    'no call runs beside this one',
    'it is no fault: an old function answers this always',
  ],
  CKR_FUNCTION_NOT_SUPPORTED: [
    0x54,
    'the library does not have this function',
    'the HSM cannot do this, or its licence or firmware does not include it',
  ],
  CKR_KEY_HANDLE_INVALID: [
    0x60,
    'there is no such key in this session',
    'the key was deleted meanwhile, or is only seen after a login',
  ],
  CKR_KEY_SIZE_RANGE: [0x62, 'the key has a size that the mechanism does not take', seal],
  CKR_KEY_TYPE_INCONSISTENT: [0x63, 'the key is of another type than the mechanism needs', seal],
  CKR_KEY_NOT_NEEDED: [0x64, 'a key was given where none is needed', caller],
  CKR_KEY_CHANGED: [
    0x65,
    'the key is another one than before',
    'it was made anew meanwhile: what the old one encrypted is lost without a backup',
  ],
  CKR_KEY_NEEDED: [0x66, 'a key is needed and was not given', caller],
  CKR_KEY_INDIGESTIBLE: [0x67, 'this key cannot be hashed', caller],
  CKR_KEY_FUNCTION_NOT_PERMITTED: [
    0x68,
    'the key may not be used for this',
    'its usage lacks encrypt and decrypt, or sign and verify: make it with them, or force them by its label in the configuration of the library',
  ],
  CKR_KEY_NOT_WRAPPABLE: [0x69, 'this key cannot be wrapped', wrap],
  CKR_KEY_UNEXTRACTABLE: [0x6a, 'this key never leaves the HSM', 'it was made so, and should be'],
  CKR_MECHANISM_INVALID: [
    0x70,
    'the HSM does not have this mechanism',
    'choose one that it lists, or enable it: firmware, licence, FIPS mode or the permissions of the role may hide it',
  ],
  CKR_MECHANISM_PARAM_INVALID: [
    0x71,
    'the HSM does not take these parameters of the mechanism',
    'try another mechanism, or other ones (the hash of OAEP, the length of the IV)',
  ],
  CKR_OBJECT_HANDLE_INVALID: [
    0x82,
    'there is no such object in this session',
    'it was deleted meanwhile, or is only seen after a login',
  ],
  CKR_OPERATION_ACTIVE: [0x90, 'another operation of this session has not ended', session],
  CKR_OPERATION_NOT_INITIALIZED: [0x91, 'the operation was not begun, or was ended by the HSM', session],
  CKR_PIN_INCORRECT: [
    0xa0,
    'the PIN is wrong',
    'correct it before anything tries again: a few wrong ones lock the token. A line break at its end counts too',
  ],
  CKR_PIN_INVALID: [
    0xa1,
    'the PIN holds what a PIN of this HSM cannot hold',
    'look for blanks, a line break or letters where digits are wanted',
  ],
  CKR_PIN_LEN_RANGE: [
    0xa2,
    'the PIN is too short or too long for this HSM',
    'compare it with the least and greatest length that the token tells',
  ],
  CKR_PIN_EXPIRED: [0xa3, 'the PIN has expired', 'set a new one with the tools of the HSM'],
  CKR_PIN_LOCKED: [
    0xa4,
    'the PIN is locked',
    'too many wrong ones were tried: the security officer has to unlock it, and what tried them has to be found first',
  ],
  CKR_SESSION_CLOSED: [0xb0, 'the session was closed meanwhile', session],
  CKR_SESSION_COUNT: [
    0xb1,
    'there are too many sessions',
    'end what holds sessions, or raise the limit of the HSM or the identity',
  ],
  CKR_SESSION_HANDLE_INVALID: [0xb3, 'there is no such session', session],
  CKR_SESSION_PARALLEL_NOT_SUPPORTED: [0xb4, 'the library has no sessions of this old kind', caller],
  CKR_SESSION_READ_ONLY: [
    0xb5,
    'the session may only read',
    'what makes keys needs one that may write: `force_rw_session` of the seal',
  ],
  CKR_SESSION_EXISTS: [
    0xb6,
    'somebody has a session with this token',
    'a token is made anew only when nobody uses it: stop what does',
  ],
  CKR_SESSION_READ_ONLY_EXISTS: [
    0xb7,
    'a session that may only read is in the way of this login',
    'the security officer cannot log in beside it: end it',
  ],
  CKR_SESSION_READ_WRITE_SO_EXISTS: [0xb8, 'the security officer is logged in', 'end that session first'],
  CKR_SIGNATURE_INVALID: [
    0xc0,
    'the signature is not by this key over this data',
    'another key of the same label, or data that was changed',
  ],
  CKR_SIGNATURE_LEN_RANGE: [0xc1, 'the signature has a length that cannot be', 'another mechanism or key made it'],
  CKR_TEMPLATE_INCOMPLETE: [
    0xd0,
    'something is missing that the object needs',
    'the HSM wants more to be said when a key is made: make it with its own tools',
  ],
  CKR_TEMPLATE_INCONSISTENT: [
    0xd1,
    'what is said of the object cannot be true together',
    'the HSM does not make keys of this type with this usage: try another usage or size',
  ],
  CKR_TOKEN_NOT_PRESENT: [
    0xe0,
    'there is no token in the slot',
    'the HSM is away, off or not reachable; when it is back, what uses it may need a restart',
  ],
  CKR_TOKEN_NOT_RECOGNIZED: [0xe1, 'the library does not know this token', 'it is of another make, or not initialised'],
  CKR_TOKEN_WRITE_PROTECTED: [
    0xe2,
    'nothing can be written to the token',
    'make the key where it can be written, or take the protection away',
  ],
  CKR_UNWRAPPING_KEY_HANDLE_INVALID: [0xf0, 'there is no such key to unwrap with', wrap],
  CKR_UNWRAPPING_KEY_SIZE_RANGE: [0xf1, 'the key to unwrap with has the wrong size', wrap],
  CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT: [0xf2, 'the key to unwrap with is of the wrong type', wrap],
  CKR_USER_ALREADY_LOGGED_IN: [
    0x100,
    'this process is logged in already',
    'it is no fault by itself: two parts of one program use the same library',
  ],
  CKR_USER_NOT_LOGGED_IN: [0x101, 'nobody is logged in', 'the PIN is missing, or the HSM ended the login'],
  CKR_USER_PIN_NOT_INITIALIZED: [0x102, 'the token has no PIN for users yet', 'the security officer has to set one'],
  CKR_USER_TYPE_INVALID: [0x103, 'the token knows no user of this kind', caller],
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: [0x104, 'somebody else is logged in', 'end that session first'],
  CKR_USER_TOO_MANY_TYPES: [0x105, 'too many different users are logged in', 'end the sessions of others first'],
  CKR_WRAPPED_KEY_INVALID: [0x110, 'the wrapped key is none of this key', 'another key wrapped it, or it was damaged'],
  CKR_WRAPPED_KEY_LEN_RANGE: [
    0x112,
    'the wrapped key has a length that cannot be',
    'another mechanism wrapped it, or it was damaged',
  ],
  CKR_WRAPPING_KEY_HANDLE_INVALID: [0x113, 'there is no such key to wrap with', wrap],
  CKR_WRAPPING_KEY_SIZE_RANGE: [0x114, 'the key to wrap with has the wrong size', wrap],
  CKR_WRAPPING_KEY_TYPE_INCONSISTENT: [0x115, 'the key to wrap with is of the wrong type', wrap],
  CKR_RANDOM_SEED_NOT_SUPPORTED: [
    0x120,
    'the random numbers of the HSM take no seed',
    'it is no fault: it seeds itself',
  ],
  CKR_RANDOM_NO_RNG: [
    0x121,
    'the HSM gives no random numbers',
    'entropy augmentation cannot work with it: the role may lack RAND',
  ],
  CKR_DOMAIN_PARAMS_INVALID: [0x130, 'the HSM does not take these domain parameters', 'try a common curve or group'],
  CKR_CURVE_NOT_SUPPORTED: [0x140, 'the HSM does not have this curve', 'choose one that it has, as prime256v1'],
  CKR_BUFFER_TOO_SMALL: [0x150, 'the answer is longer than there was room for', caller],
  CKR_SAVED_STATE_INVALID: [0x160, 'the saved state is not one of this session', session],
  CKR_INFORMATION_SENSITIVE: [0x170, 'this is secret and is not given out', 'it is no fault: it stays in the HSM'],
  CKR_STATE_UNSAVEABLE: [0x180, 'the state of the session cannot be saved', caller],
  CKR_CRYPTOKI_NOT_INITIALIZED: [
    0x190,
    'the library was not initialised, or ended',
    'a program that forks has to initialise it again: restart what uses it',
  ],
  CKR_CRYPTOKI_ALREADY_INITIALIZED: [
    0x191,
    'the library is initialised already',
    'it is no fault by itself: two parts of one program use it',
  ],
  CKR_MUTEX_BAD: [0x1a0, 'a lock of the library is broken', caller],
  CKR_MUTEX_NOT_LOCKED: [0x1a1, 'a lock of the library was not held', caller],
  CKR_NEW_PIN_MODE: [0x1b0, 'the token wants a new PIN to be set', 'set it with the tools of the HSM'],
  CKR_NEXT_OTP: [
    0x1b1,
    'the token wants the next one-time password',
    'a server cannot give it: use an identity without',
  ],
  CKR_EXCEEDED_MAX_ITERATIONS: [0x1b5, 'no suitable domain parameters were found', 'try again, or another size'],
  CKR_FIPS_SELF_TEST_FAILED: [
    0x1b6,
    'the HSM failed its own test and does nothing more',
    'restart it; where that does not help it is broken: call its vendor',
  ],
  CKR_LIBRARY_LOAD_FAILED: [
    0x1b7,
    'the library could not load a part of itself',
    'a file that belongs to it is missing or of another architecture',
  ],
  CKR_PIN_TOO_WEAK: [0x1b8, 'the PIN is too simple for this HSM', 'choose a longer one'],
  CKR_PUBLIC_KEY_INVALID: [0x1b9, 'the public key cannot be right', 'make the pair anew'],
  CKR_FUNCTION_REJECTED: [
    0x200,
    'somebody at the HSM rejected the request',
    'it wants a person to confirm: use a key and an identity that do not',
  ],
  CKR_TOKEN_RESOURCE_EXCEEDED: [
    0x201,
    'the HSM is busy beyond what it can do at once',
    'try again later, or raise its limits',
  ],
  CKR_OPERATION_CANCEL_FAILED: [0x202, 'the operation could not be cancelled', session],
  CKR_KEY_EXHAUSTED: [0x203, 'the key was used as often as it may be', 'a new key is needed: rotate it'],
  CKR_PENDING: [0x204, 'the HSM has not finished yet', 'it is no fault: ask again'],
  CKR_SESSION_ASYNC_NOT_SUPPORTED: [0x205, 'the library does not work in the background', caller],
  CKR_SEED_RANDOM_REQUIRED: [0x206, 'the random numbers of the HSM want a seed first', 'seed it with its own tools'],
  CKR_OPERATION_NOT_VALIDATED: [
    0x207,
    'the HSM does this only outside of its validated mode',
    'choose what its FIPS mode allows',
  ],
  CKR_TOKEN_NOT_INITIALIZED: [0x208, 'the token is not initialised', 'initialise it with the tools of the HSM'],
  CKR_PARAMETER_SET_NOT_SUPPORTED: [0x209, 'the HSM does not have this set of parameters', 'choose another one'],
  CKR_VENDOR_DEFINED: [
    0x80000000,
    'the vendor of the HSM has a code of its own for this',
    'its manual explains it, and its log may',
  ],
}

/** All return values by name. */
export const returnValues: ReadonlyMap<string, Explained> = new Map(
  Object.entries(table).map(([name, [code, sentence, cause]]) => [name, { name, code, sentence, cause }]),
)

const byCode = new Map([...returnValues.values()].map((value) => [value.code, value]))

/** @param value a name as `CKR_PIN_INCORRECT`, or its number. What is not of the standard gets words too. */
export function explained(value: string | number): Explained {
  if (typeof value === 'string' && value.startsWith('0x')) return explained(Number.parseInt(value, 16))
  const known = typeof value === 'number' ? byCode.get(value) : returnValues.get(value)
  if (known) return known
  const vendor = returnValues.get('CKR_VENDOR_DEFINED')!
  if (typeof value === 'string')
    return {
      name: value,
      code: -1,
      sentence: 'the library answers with a code that is not of the standard',
      cause: vendor.cause,
    }
  const name = `0x${value.toString(16)}`
  if (value >= vendor.code) return { ...vendor, name: `CKR_VENDOR_DEFINED ${name}`, code: value }
  return { name, code: value, sentence: 'the library answers with a code that is not of the standard', cause: caller }
}
