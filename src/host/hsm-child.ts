// A process of its own that uses a PKCS #11 library on the controller: a library that crashes ends nothing else. A question
// comes on standard input as JSON; on fd 3 go lines of JSON: what it is about to do, and in the end the answer.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import type * as Pkcs11 from 'pkcs11js'
import {
  type HsmObject,
  type KeyTrial,
  mechanismName,
  type Slot,
  slotOf,
  type TokenFlag,
  type TokenName,
  type Tried,
  type Trouble,
} from '../formats/pkcs11/seen.ts'
import type { HsmLogin, HsmLoginQuestion, HsmLook, HsmPlace } from './reads/hsm.ts'

const tell = (line: object) => writeSync(3, `${JSON.stringify(line)}\n`)
const doing = (at: string) => tell({ at })

/** Says what it is about to do, since the library may end this process in the middle of it.
 * @throws the library's error, which knows what was done */
function step<T>(at: string, run: () => T): T {
  doing(at)
  try {
    return run()
  } catch (e) {
    throw Object.assign(e as Error, { at })
  }
}

function troubleOf(e: unknown): Trouble {
  const { message, code, at = 'the library' } = e as Error & { code?: number; at?: string }
  if (typeof code === 'number' && code !== 0)
    return { at, rv: message.startsWith('CKR_') ? message : `0x${code.toString(16)}` }
  return { at, said: message.split('\n')[0] ?? '' }
}

type Api = typeof Pkcs11
const trimmed = (text: string) => text.replace(/[\s\0]+$/, '')
const dotted = ({ major, minor }: Pkcs11.Version) => `${major}.${minor}`
const numberOf = (handle: Buffer) => Number(handle.length === 8 ? handle.readBigUInt64LE() : handle.readUInt32LE())

const tokenFlags: readonly (readonly [bit: number, flag: TokenFlag])[] = [
  [0x1, 'random numbers'],
  [0x2, 'write protected'],
  [0x4, 'login required'],
  [0x8, 'pin set'],
  [0x400, 'initialized'],
  [0x10000, 'PIN count low'],
  [0x20000, 'final PIN try'],
  [0x40000, 'PIN locked'],
  [0x80000, 'PIN to be changed'],
]

function opened(api: Api, library: string): Pkcs11.PKCS11 {
  const p = new api.PKCS11()
  step('loading the library', () => p.load(library))
  // as a server does: its threads use it at the same time
  step('C_Initialize', () => p.C_Initialize({ flags: api.CKF_OS_LOCKING_OK }))
  return p
}

function slotsOf(p: Pkcs11.PKCS11): { slots: Slot[]; handles: Buffer[] } {
  const handles = step('C_GetSlotList', () => p.C_GetSlotList(false))
  const slots = handles.map((handle): Slot => {
    const { slotDescription, flags } = step('C_GetSlotInfo', () => p.C_GetSlotInfo(handle))
    const slot = { id: numberOf(handle), description: trimmed(slotDescription) }
    if ((flags & 1) === 0) return { ...slot, token: undefined }
    try {
      const t = step('C_GetTokenInfo', () => p.C_GetTokenInfo(handle))
      const token = {
        label: trimmed(t.label),
        manufacturer: trimmed(t.manufacturerID),
        model: trimmed(t.model),
        serial: trimmed(t.serialNumber),
        flags: tokenFlags.flatMap(([bit, flag]) => ((t.flags & bit) === 0 ? [] : [flag])),
      }
      return { ...slot, token }
    } catch {
      return { ...slot, token: undefined }
    }
  })
  return { slots, handles }
}

function handleOf(p: Pkcs11.PKCS11, name: TokenName): Buffer | undefined {
  const { slots, handles } = slotsOf(p)
  const slot = slotOf(slots, name)
  return slot && handles[slots.indexOf(slot)]
}

function look(api: Api, { library, token }: HsmPlace): HsmLook {
  const lacks = lacksOf(library)
  const none = { library: undefined, slots: [], mechanisms: [] }
  if (lacks && lacks.length > 0) return { file: 'there', lacks, seen: none }
  try {
    const p = opened(api, library)
    const info = step('C_GetInfo', () => p.C_GetInfo())
    const { slots, handles } = slotsOf(p)
    const slot = slotOf(slots, token)
    const handle = slot?.token && handles[slots.indexOf(slot)]
    const numbers = handle ? step('C_GetMechanismList', () => p.C_GetMechanismList(handle)) : []
    const seen = {
      library: {
        cryptoki: dotted(info.cryptokiVersion),
        manufacturer: trimmed(info.manufacturerID),
        description: trimmed(info.libraryDescription),
        version: dotted(info.libraryVersion),
      },
      slots,
      mechanisms: numbers.map((n) => nameOfMechanism(api, n)),
    }
    return { file: 'there', lacks, seen }
  } catch (e) {
    return { file: 'there', lacks, seen: { ...none, trouble: troubleOf(e) } }
  }
}

function lacksOf(library: string): string[] | undefined {
  try {
    const said = execFileSync('ldd', [library], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return [...said.matchAll(/^\s*(\S+) => not found/gm)].map((m) => m[1]!)
  } catch {
    return undefined
  }
}

const names = new Map<number, string>()

function nameOfMechanism(api: Api, number: number): string {
  if (names.size === 0)
    for (const [name, value] of Object.entries(api))
      if (name.startsWith('CKM_') && typeof value === 'number') names.set(value, mechanismName(name))
  return names.get(number) ?? `0x${number.toString(16)}`
}

function numberOfMechanism(api: Api, name: string): number | undefined {
  if (name.startsWith('0x')) return Number.parseInt(name, 16)
  return Object.entries(api).find(
    ([n, value]) => n.startsWith('CKM_') && typeof value === 'number' && mechanismName(n) === name,
  )?.[1] as number | undefined
}

function login(api: Api, q: HsmLoginQuestion): HsmLogin {
  const none = { objects: [], tried: [] }
  let pin: string
  if ('text' in q.pin) pin = q.pin.text
  else
    try {
      pin = readFileSync(q.pin.file, 'utf8')
    } catch (e) {
      return { ...none, pin: (e as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable' }
    }
  const lineBreak = pin.endsWith('\n') ? { lineBreak: true as const } : {}
  pin = pin.replace(/\n$/, '')
  if (pin === '') return { ...none, ...lineBreak, pin: 'empty' }
  if (/[\n\0]/.test(pin)) return { ...none, ...lineBreak, pin: 'unfit' }
  try {
    const p = opened(api, q.library)
    const slot = handleOf(p, q.token)
    if (!slot) return { ...none, ...lineBreak, trouble: { at: 'finding the token', said: 'it is gone' } }
    const session = step('C_OpenSession', () => p.C_OpenSession(slot, api.CKF_SERIAL_SESSION))
    step('C_Login', () => p.C_Login(session, api.CKU_USER, pin))
    const found = objectsOf(api, p, session)
    return {
      ...lineBreak,
      objects: found.map((f) => f.object),
      ...(q.random ? randomOf(p, session) : {}),
      tried: (q.keys ?? []).map((key) => tryKey(api, p, session, found, key)),
    }
  } catch (e) {
    return { ...none, ...lineBreak, trouble: troubleOf(e) }
  }
}

interface Found {
  readonly object: HsmObject
  readonly handle: Buffer
}

const kinds = ['data', 'certificate', 'public', 'private', 'secret'] as const
const types: Readonly<Record<number, string>> = { 0: 'RSA', 3: 'EC', 16: 'GENERIC', 31: 'AES' }

function objectsOf(api: Api, p: Pkcs11.PKCS11, session: Buffer): Found[] {
  step('C_FindObjectsInit', () => p.C_FindObjectsInit(session, []))
  const handles: Buffer[] = []
  for (;;) {
    const more = step('C_FindObjects', () => p.C_FindObjects(session, 100))
    if (more.length === 0) break
    handles.push(...more)
  }
  step('C_FindObjectsFinal', () => p.C_FindObjectsFinal(session))
  return handles.flatMap((handle) => {
    const value = (type: number): Buffer | undefined => {
      try {
        return p.C_GetAttributeValue(session, handle, [{ type }])[0]?.value as Buffer | undefined
      } catch {
        return undefined
      }
    }
    const number = (type: number) => {
      const bytes = value(type)
      return bytes && bytes.length >= 4 ? numberOf(bytes) : undefined
    }
    const kind = kinds[number(api.CKA_CLASS) ?? -1]
    if (!kind) return []
    const type = number(api.CKA_KEY_TYPE)
    const label = trimmed(value(api.CKA_LABEL)?.toString('utf8') ?? '')
    const id = value(api.CKA_ID)?.toString('hex') ?? ''
    const named = type === undefined ? '' : (types[type] ?? `0x${type.toString(16)}`)
    return [{ object: { kind, type: named, label, id }, handle }]
  })
}

function randomOf(p: Pkcs11.PKCS11, session: Buffer): Pick<HsmLogin, 'random' | 'randomTrouble'> {
  try {
    return { random: step('C_GenerateRandom', () => p.C_GenerateRandom(session, Buffer.alloc(32))).length }
  } catch (e) {
    return { random: 0, randomTrouble: troubleOf(e) }
  }
}

/** A key that is not there exactly once is not tried. */
function tryKey(api: Api, p: Pkcs11.PKCS11, session: Buffer, found: readonly Found[], key: KeyTrial): Tried {
  const { label, use, mechanism: name } = key
  const named = found.filter((f) => f.object.label === label)
  const own = named.filter((f) => f.object.kind === 'secret' || f.object.kind === 'private')
  const number = numberOfMechanism(api, name)
  if (use === 'none' || own.length !== 1 || number === undefined) return { label, mechanism: undefined }
  const open = own[0]!.object.kind === 'secret' ? own[0] : named.find((f) => f.object.kind === 'public')
  if (!open) return { label, mechanism: undefined, untried: 'no-public' }
  const plain = randomBytes(32)
  const mechanism = { mechanism: number, ...parameterOf(api, key) } as Pkcs11.Mechanism
  const room = Buffer.alloc(4096)
  try {
    if (use === 'sign') {
      step('C_SignInit', () => p.C_SignInit(session, mechanism, own[0]!.handle))
      const signature = step('C_Sign', () => p.C_Sign(session, plain, room))
      step('C_VerifyInit', () => p.C_VerifyInit(session, mechanism, open.handle))
      step('C_Verify', () => p.C_Verify(session, plain, signature))
      return { label, mechanism: name }
    }
    step('C_EncryptInit', () => p.C_EncryptInit(session, mechanism, open.handle))
    const encrypted = step('C_Encrypt', () => p.C_Encrypt(session, plain, room))
    step('C_DecryptInit', () => p.C_DecryptInit(session, mechanism, own[0]!.handle))
    const back = step('C_Decrypt', () => p.C_Decrypt(session, Buffer.from(encrypted), Buffer.alloc(4096)))
    if (plain.equals(back)) return { label, mechanism: name }
    return { label, mechanism: name, trouble: { at: 'decrypting', said: 'what came back is not what was encrypted' } }
  } catch (e) {
    return { label, mechanism: name, trouble: troubleOf(e) }
  }
}

function parameterOf(api: Api, { mechanism: name, hash = 'sha256' }: KeyTrial): { parameter?: unknown } {
  // one that is fixed would be used under the seal's own key more than once
  const iv = randomBytes(16)
  if (name === 'AES-GCM')
    return { parameter: { type: api.CK_PARAMS_AES_GCM, iv: iv.subarray(0, 12), ivBits: 96, tagBits: 128 } }
  if (name === 'AES-CBC' || name === 'AES-CBC-PAD') return { parameter: iv }
  if (name !== 'RSA-PKCS-OAEP') return {}
  const [hashAlg, mgf] = hash === 'sha1' ? [api.CKM_SHA_1, api.CKG_MGF1_SHA1] : sha2(api, hash)
  return { parameter: { type: api.CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: 1 } }
}

function sha2(api: Api, hash: string): (number | undefined)[] {
  const numbers = api as unknown as Record<string, number | undefined>
  return [numbers[`CKM_${hash.toUpperCase()}`], numbers[`CKG_MGF1_${hash.toUpperCase()}`]]
}

const { kind, question } = JSON.parse(readFileSync(0, 'utf8')) as
  | { kind: 'look'; question: HsmPlace }
  | { kind: 'login'; question: HsmLoginQuestion }
try {
  const api = (await import('pkcs11js')) as Api & { default?: Api }
  const whole = api.default ?? api
  tell({ answer: kind === 'look' ? look(whole, question) : login(whole, question as HsmLoginQuestion) })
} catch (e) {
  tell({ unavailable: (e as Error).message.split('\n')[0] })
}
// a library's own threads and exit handlers are not waited for
process.kill(process.pid, 'SIGKILL')
