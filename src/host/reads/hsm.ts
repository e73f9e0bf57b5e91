import { createHmac, randomBytes } from 'node:crypto'
import {
  type HsmObject,
  type KeyTrial,
  type Library,
  type Slot,
  slotOf,
  type TokenName,
  type Tried,
  type Trouble,
} from '../../formats/pkcs11/seen.ts'
import { parseLibrary, parseMechanisms, parseObjects, parseSlots } from '../../formats/pkcs11/tool.ts'
import { toBytes } from '../bytes.ts'
import { type Read, read, type ShellKind } from '../read.ts'
import type { Shell } from '../shell.ts'
import { prelude, type Records, recordsOf, troubleOf } from './hsm-records.ts'
import { trialsScript, triedOf } from './hsm-trial.ts'

// A PKCS #11 library as its host sees it, through OpenSC's pkcs11-tool.

/** A library and a token of it. */
export interface HsmPlace {
  /** Absolute. */
  readonly library: string
  readonly token: TokenName
  /** What the library wants in its environment: FXPKCS11_CFG, SOFTHSM2_CONF. */
  readonly env?: Readonly<Record<string, string>>
  /** Files besides the library that its answers depend on. */
  readonly about?: readonly string[]
  /** Seconds for each thing that it is asked. */
  readonly timeout: number
}

/** What there is without a login. */
export interface HsmLook {
  readonly file: 'there' | 'missing' | 'unreadable'
  /** Libraries that it needs and the host does not have; undefined where the host has no ldd. */
  readonly lacks: readonly string[] | undefined
  /** Undefined: the host has no pkcs11-tool. */
  readonly seen?: {
    readonly library: Library | undefined
    readonly slots: readonly Slot[]
    /** Of the token that is meant. */
    readonly mechanisms: readonly string[]
    readonly trouble?: Trouble | undefined
  }
  /** The vendor's configTest beside the library, run where there is no pkcs11-tool. */
  readonly configTest?: { readonly path: string; readonly status: number; readonly said: string }
}

/** The PIN itself, or a file of the host that holds it. */
export type PinSource = { readonly text: string } | { readonly file: string }

export interface HsmLoginQuestion extends HsmPlace {
  readonly pin: PinSource
  readonly random?: boolean
  readonly keys?: readonly KeyTrial[]
  /** Of the token: hosts that see the same one share its count of wrong PINs. */
  readonly serial?: string
  /** Tried once more where the token refused a PIN before in this run. */
  readonly again?: boolean
}

/** What there is behind a login. */
export interface HsmLogin {
  /** Why there was no login to try. `unfit`: pkcs11-tool would try another than this; `no way`: the host has no `script`. */
  readonly pin?: 'missing' | 'unreadable' | 'empty' | 'refused before' | 'unfit' | 'no way'
  /** The file of the PIN ends in a line break, which is no part of what was tried. */
  readonly lineBreak?: true
  readonly trouble?: Trouble
  readonly objects: readonly HsmObject[]
  /** Bytes that came. */
  readonly random?: number
  readonly randomTrouble?: Trouble
  readonly tried: readonly Tried[]
  /** Only in a prediction: what is to be there by then. */
  readonly made?: readonly HsmObject[]
}

/** A library, its slots and tokens, and the mechanisms of one. Nobody logs in. */
export function hsmLook(place: HsmPlace): Read<HsmLook> {
  return read(lookKind, place)
}

/** Logs in, lists the objects, and tries keys. A wrong PIN is tried once: nothing is asked behind it, of no host of the run. */
export function hsmLogin(question: HsmLoginQuestion): Read<HsmLogin> {
  return read(loginKind, question)
}

const hidden = randomBytes(16)

/** Tells two PINs apart and cannot be turned back: a PIN is too short for a plain hash. */
export function pinMark(pin: PinSource): string {
  return 'file' in pin ? `file ${pin.file}` : createHmac('sha256', hidden).update(pin.text).digest('hex').slice(0, 16)
}

const filesOf = ({ library, about = [] }: HsmPlace) => [library, ...about]

export const lookKind: ShellKind<HsmPlace, HsmLook> = {
  name: 'hsm',
  key: (place) => JSON.stringify(place),
  script: (questions, sh) => `${prelude}\n${questions.map((q) => `(\n${lookScript(q, sh)}\n)\nN end`).join('\n')}`,
  parse: (bytes, questions) => recordsOf(bytes, questions.length).map((records, i) => lookOf(records, questions[i]!)),
  paths: filesOf,
  difference: () => undefined,
}

export const loginKind: ShellKind<HsmLoginQuestion, HsmLogin> = {
  name: 'hsm-login',
  key: ({ pin, ...rest }) => `${pinMark(pin)} ${JSON.stringify(rest)}`,
  script: (questions, sh) => `${prelude}\n${questions.map((q) => `(\n${loginScript(q, sh)}\n)\nN end`).join('\n')}`,
  parse: (bytes, questions) => recordsOf(bytes, questions.length).map((records, i) => loginOf(records, questions[i]!)),
  paths: (q) => [...filesOf(q), ...('file' in q.pin ? [q.pin.file] : [])],
  sparing: {
    // a PIN may come from a file, a variable or the play: which of them are the same wrong one nobody knows. Who is told to try
    // all the same tries once more, not as often as it is asked
    alike: ({ pin, serial, library, token, again }) => {
      if (again || serial === undefined)
        return `${again ? 'again ' : ''}${pinMark(pin)} ${serial ?? JSON.stringify([library, token])}`
      return serial
    },
    same: ({ pin }) => pinMark(pin),
    outcome: ({ pin, trouble }) =>
      trouble?.at === 'C_Login' && !isNoVerdict(trouble.rv) ? 'refused' : pin || trouble ? undefined : 'granted',
    instead: ({ trouble }) => ({ pin: 'refused before', ...(trouble ? { trouble } : {}), objects: [], tried: [] }),
  },
  // others use the token too: what they make and take is no fault of a step
  difference: (predicted, actual) => {
    const there = new Set(actual.objects.map(nameOf))
    const missing = (predicted.made ?? []).map(nameOf).filter((name) => !there.has(name))
    return missing.length === 0 ? undefined : `the token was to hold ${missing.join(', ')}`
  },
}

/** Whether a login failed for what has nothing to do with its PIN. What else there is may count as a wrong one: not every
 * library says CKR_PIN_INCORRECT. */
const isNoVerdict = (rv: string | undefined) =>
  rv === undefined ||
  /^CKR_(HOST_MEMORY|SLOT_ID_INVALID|DEVICE_\w+|SESSION_\w+|TOKEN_\w+|CRYPTOKI_\w+|USER_(PIN_NOT_INITIALIZED|\w*ALREADY_LOGGED_IN|TYPE_INVALID|TOO_MANY_TYPES)|OPERATION_\w+)$/.test(
    rv,
  )

const nameOf = ({ kind, label }: HsmObject) => `the ${kind} key ${label}`

/** Sets $l, the library, and $T, which runs a program within its time. */
export function placeScript({ library, env = {}, timeout }: HsmPlace, sh: Shell): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${sh.word(value)}\n`)
  return `${exports.join('')}l=${sh.word(library)}
T=; command -v timeout >/dev/null 2>&1 && T='timeout -k 2 ${Number(timeout)}'`
}

function tokenWords({ label, slot }: TokenName, sh: Shell): string {
  if (slot !== undefined) return `--slot ${Number(slot)}`
  return label === undefined ? '' : `--token-label ${sh.word(label)}`
}

/** Defines p, which makes the PIN ready and tells by its status why it is not: 3 it is unfit, 4 it is empty, 5 there is no way
 * to hand it over; and t, which runs pkcs11-tool logged in, with arguments that are shell text. Where it is not given a PIN
 * the tool reads one from its standard input, if its standard output is a terminal: so it gets one, by `script`, and the
 * PIN is in no argument and no environment. The tool cuts a PIN at 127 bytes and at what ends a line, which would be a
 * wrong one. A key that wants a login of its own for each use gets the second line. */
export function pinScript(place: HsmPlace, pin: PinSource, sh: Shell): string {
  const from = 'file' in pin ? sh.word(pin.file) : sh.blob(toBytes(pin.text))
  const before = `pkcs11-tool --module "$l" ${tokenWords(place.token, sh)} --login `
  return `trap 'rm -f "$d"/hsm-*' 0
export d l
p() { command -v script >/dev/null 2>&1 || return 5
( umask 077; awk '{ n = length($0); print; print } NR > 1 || n > 126 || /[\\r\\003]/ { bad = 1 } END { exit bad ? 3 : n ? 0 : 4 }' <${from} >"$d/hsm-p" ); }
t() ( c=${sh.word(before)}$1' <"$d/hsm-p" 2>"$d/hsm-e"; echo $? >"$d/hsm-s"'
rm -f "$d/hsm-e" "$d/hsm-s"
SHELL=/bin/sh $T script -q -c "$c" /dev/null >"$d/hsm-o" </dev/null
s=$?
test ! -s "$d/hsm-s" || read -r s <"$d/hsm-s"
sed -e 's/\\r$//' -e '1,2{/^Logging in to "/d;/^Please enter /d;}' "$d/hsm-o"
test ! -e "$d/hsm-e" || cat "$d/hsm-e" >&2
exit $s )`
}

function lookScript(place: HsmPlace, sh: Shell): string {
  return `${placeScript(place, sh)}
if test ! -e "$l"; then N missing; exit; fi
if test ! -r "$l"; then N unreadable; exit; fi
command -v ldd >/dev/null 2>&1 && X ldd ldd "$l"
if command -v pkcs11-tool >/dev/null 2>&1; then
X slots $T pkcs11-tool --module "$l" -L
if test $r = 0; then
X info $T pkcs11-tool --module "$l" -I
X mechanisms $T pkcs11-tool --module "$l" -M ${tokenWords(place.token, sh)}
fi
else c=\${l%/*}/configTest; test ! -x "$c" || X config $T "$c"; fi`
}

function loginScript(q: HsmLoginQuestion, sh: Shell): string {
  const file = 'file' in q.pin ? sh.word(q.pin.file) : undefined
  const tests =
    file === undefined
      ? ''
      : `if test ! -e ${file}; then N pin-missing; exit; fi\nif test ! -r ${file}; then N pin-unreadable; exit; fi\n`
  return `${placeScript(q, sh)}
${tests}${file === undefined ? '' : `test "$(tail -c 1 <${file} | wc -l)" -eq 0 || N line-break\n`}${pinScript(q, q.pin, sh)}
p; case $? in 0) ;; 3) N pin-unfit; exit;; 4) N pin-empty; exit;; *) N pin-no-way; exit;; esac
X objects t -O
test $r = 0 || exit
cp "$d/o" "$d/hsm-k"
${q.random ? `t ${sh.word('--generate-random 32 -o "$d/hsm-r"')} >"$d/o" 2>"$d/e" </dev/null; r=$?; wc -c <"$d/hsm-r" >"$d/o"; A random $r\n` : ''}${trialsScript(q.keys ?? [], sh)}`
}

function lookOf(records: Records, { library, token }: HsmPlace): HsmLook {
  if (records.has('missing')) return { file: 'missing', lacks: undefined }
  if (records.has('unreadable')) return { file: 'unreadable', lacks: undefined }
  const ldd = records.get('ldd')
  const lacks = ldd && [...ldd.stdout.matchAll(/^\s*(\S+) => not found/gm)].map((m) => m[1]!)
  const config = records.get('config')
  const path = `${library.replace(/\/[^/]*$/, '')}/configTest`
  const listed = records.get('slots')
  if (!listed)
    return {
      file: 'there',
      lacks,
      ...(config
        ? { configTest: { path, status: config.status, said: `${config.stdout}${config.stderr}`.trim() } }
        : {}),
    }
  const slots = parseSlots(listed.stdout)
  // without the token it says only that it is not there, which the slots tell
  const there = slotOf(slots, token)?.token
  return {
    file: 'there',
    lacks,
    seen: {
      library: parseLibrary(records.get('info')?.stdout ?? ''),
      slots,
      mechanisms: there ? parseMechanisms(records.get('mechanisms')?.stdout ?? '') : [],
      trouble:
        troubleOf(listed, 'loading the library') ??
        (there && troubleOf(records.get('mechanisms'), 'listing the mechanisms')),
    },
  }
}

function loginOf(records: Records, { keys = [] }: HsmLoginQuestion): HsmLogin {
  const lineBreak = records.has('line-break') ? { lineBreak: true as const } : {}
  const none = { ...lineBreak, objects: [], tried: [] }
  for (const [name, pin] of pins) if (records.has(name)) return { ...none, pin }
  const trouble = troubleOf(records.get('objects'), 'login')
  if (trouble) return { ...none, trouble }
  const random = records.get('random')
  const randomTrouble = troubleOf(random, 'random numbers')
  return {
    ...lineBreak,
    objects: parseObjects(records.get('objects')!.stdout),
    ...(random ? { random: Number(random.stdout.trim()) } : {}),
    ...(randomTrouble ? { randomTrouble } : {}),
    tried: keys.map((key, i) => triedOf(records, key, i)),
  }
}

const pins = [
  ['pin-missing', 'missing'],
  ['pin-unreadable', 'unreadable'],
  ['pin-empty', 'empty'],
  ['pin-unfit', 'unfit'],
  ['pin-no-way', 'no way'],
] as const
