import type { HsmObject, Library, Slot, TokenFlag, Trouble } from './seen.ts'

// What pkcs11-tool (OpenSC) prints, parsed.

const flags: Readonly<Record<string, TokenFlag>> = {
  'token initialized': 'initialized',
  'PIN initialized': 'pin set',
  'login required': 'login required',
  rng: 'random numbers',
  readonly: 'write protected',
  'user PIN count low': 'PIN count low',
  'final user PIN try': 'final PIN try',
  'user PIN locked': 'PIN locked',
  'user PIN to be changed': 'PIN to be changed',
}

/** `-L`. */
export function parseSlots(text: string): Slot[] {
  return text
    .split(/^(?=Slot \d+ \(0x)/m)
    .filter((part) => part.startsWith('Slot '))
    .map((part): Slot => {
      const [, id = '0', description = ''] = /^Slot \d+ \((0x[0-9a-fA-F]+)\): ?(.*)/.exec(part) ?? []
      const said = new Map([...part.matchAll(/^ {2}(\S[^:]*?) *: ?(.*)$/gm)].map((m) => [m[1]!, m[2]!.trim()] as const))
      const get = (name: string) => said.get(name) ?? ''
      const slot = { id: Number.parseInt(id, 16), description: description.trim() }
      if (/^ {2}\((?:empty|GetSlotInfo|token not)/m.test(part)) return { ...slot, token: undefined }
      const found = get('token flags')
        .split(',')
        .flatMap((flag) => flags[flag.trim()] ?? [])
      const token = {
        label: get('token label'),
        manufacturer: get('token manufacturer'),
        model: get('token model'),
        serial: get('serial num'),
        flags: found,
      }
      return { ...slot, token }
    })
}

/** `-I`; undefined where it says nothing of the kind. */
export function parseLibrary(text: string): Library | undefined {
  const get = (name: RegExp) => name.exec(text)?.[1]?.trim()
  const cryptoki = get(/^Cryptoki version +(.*)$/m)
  if (cryptoki === undefined) return undefined
  const library = get(/^Library +(.*)$/m) ?? ''
  const [, description = library, version = ''] = /^(.*?) *\(ver (.*)\)$/.exec(library) ?? []
  return { cryptoki, manufacturer: get(/^Manufacturer +(.*)$/m) ?? '', description, version }
}

/** `-M`: the names as they stand there. */
export function parseMechanisms(text: string): string[] {
  return [...text.matchAll(/^ {2}(\S+?)(?:,.*)?$/gm)].map((m) => m[1]!)
}

const kinds: readonly (readonly [RegExp, HsmObject['kind']])[] = [
  [/^Secret Key Object/, 'secret'],
  [/^Private Key Object/, 'private'],
  [/^Public Key Object/, 'public'],
  [/^Certificate Object/, 'certificate'],
  [/^Data object/i, 'data'],
]

/** `-O`. */
export function parseObjects(text: string): HsmObject[] {
  const objects: HsmObject[] = []
  let last: { -readonly [K in keyof HsmObject]: HsmObject[K] } | undefined
  for (const line of text.split('\n')) {
    const kind = kinds.find(([pattern]) => pattern.test(line))?.[1]
    const [, name, value] = /^ {2}(label|ID|Usage): *(.*)$/.exec(line) ?? []
    if (kind) {
      const size = /; .*?(?:length (\d+)$|(\d+) bits)/.exec(line)
      last = { kind, type: typeOf(line), label: '', id: '', ...(size ? { size: Number(size[1] ?? size[2]) } : {}) }
      objects.push(last)
    } else if (last && name === 'label') last.label = value!
    else if (last && name === 'ID') last.id = value!.trim().toLowerCase()
    else if (last && name === 'Usage') last.usage = value!.split(',').map((u) => u.trim())
  }
  return objects
}

function typeOf(line: string): string {
  const said = line.slice(line.indexOf(';') + 1).trim()
  const word = /^Generic secret/i.test(said) ? 'GENERIC' : /^[\w-]*/.exec(said)![0].toUpperCase()
  return word
}

/** Why a run of it failed; undefined where it did not. 124 and 137 are a time limit's.
 * @param at what it was to do. */
export function toolTrouble(at: string, status: number, stderr: string): Trouble | undefined {
  if (status === 0) return undefined
  const [, call, rv] = /PKCS11 function (C_\w+).*? failed: rv = (?:unknown PKCS11 error|(CKR_\w+))/.exec(stderr) ?? []
  const number = /rv = .*?\((0x[0-9a-f]+)\)/i.exec(stderr)?.[1]
  // the vendor's own code tells more than that it is one
  const named = rv === 'CKR_VENDOR_DEFINED' ? undefined : rv
  if (call !== undefined) return { at: call, rv: named ?? number ?? 'unknown' }
  if (status === 124 || status === 137) return { at, late: true }
  if (status > 128) return { at, signal: status - 128 }
  const lines = stderr.split('\n').map((l) => l.trim())
  const said =
    lines.find((l) => /^sc_dlopen|^error:|^No slot|fail|illegal|not found/i.test(l)) ?? lines.find((l) => l !== '')
  return { at, said: (said ?? '').replace(/^error: |^sc_dlopen failed: /, '') }
}
