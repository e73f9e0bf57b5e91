import { hashOf } from './hash.ts'
import { readTar } from './tar.ts'
import { readZip } from './zip.ts'

// Plans are made without waiting, and the known libraries for tar and zip only stream: so these two are read here. Only
// what archives of software hold is read: files, directories and links, in ustar, GNU and pax tar, and zip without zip64.

/** What an archive holds at a name. */
export interface Member {
  /** Relative, without dots, doubled or trailing slashes. */
  readonly name: string
  readonly type: 'file' | 'directory' | 'link'
  /** The low twelve bits. */
  readonly mode: number
  /** Bytes of a file. */
  readonly size: number
  /** Of a file, worked out when first asked for. */
  readonly sha256: string
  /** Of a link. */
  readonly target: string
  /** By name and number; undefined where the archive does not say, as zip. */
  readonly owner?: Id | undefined
  readonly group?: Id | undefined
  /** A directory that other members lie in, and that has no entry of its own. */
  readonly implied?: true
}

export interface Id {
  readonly name: string
  readonly id: number
}

/** A member whose bytes are at hand; those of a zip archive are unpacked when they are asked for. */
export interface PackedMember extends Member {
  readonly bytes: Buffer
  /** The same as gzip packs it, where the archive has it packed so. */
  readonly gzip?: Buffer | undefined
}

/** What a reader of one format finds: a hard link names the member whose content it shares. */
export interface RawMember {
  readonly name: string
  readonly type: Member['type'] | 'hardlink'
  readonly mode: number
  readonly size: number
  readonly bytes: () => Buffer
  readonly gzip?: () => Buffer
  readonly target: string
  readonly owner?: Id
  readonly group?: Id
}

const known = new WeakMap<Buffer, readonly PackedMember[]>()

/** What is in a tar, tar.gz or zip archive, in its order, the last of a name. Read once for the same buffer: many hosts ask.
 * @throws RangeError for anything else, and for a member that would come to lie outside. */
export function readArchive(bytes: Buffer): readonly PackedMember[] {
  let members = known.get(bytes)
  if (!members) {
    members = checked(kindOf(bytes)(bytes))
    known.set(bytes, members)
  }
  return members
}

/** Why a member can't be unpacked; undefined where it can. */
export function damageOf(member: Member): string | undefined {
  try {
    void member.sha256
    return undefined
  } catch (e) {
    if (e instanceof RangeError) return e.message
    throw e
  }
}

const packers: readonly (readonly [magic: string, name: string])[] = [
  ['\xfd7zXZ\0', 'xz'],
  ['BZh', 'bzip2'],
  ['\x28\xb5\x2f\xfd', 'zstd'],
]

const zipMagics = ['PK\x03\x04', 'PK\x05\x06']

export const isZip = (bytes: Buffer) => zipMagics.includes(bytes.subarray(0, 4).toString('latin1'))

function kindOf(bytes: Buffer): (bytes: Buffer) => RawMember[] {
  const head = bytes.subarray(0, 8).toString('latin1')
  if (isZip(bytes)) return readZip
  const packer = packers.find(([magic]) => head.startsWith(magic))
  if (packer) throw new RangeError(`archives packed by ${packer[1]} are not read on the controller`)
  return readTar
}

/** Names made plain, hard links given what they share. */
function checked(raw: readonly RawMember[]): PackedMember[] {
  const found = new Map<string, PackedMember>()
  for (const m of raw) {
    const name = plainName(m.name)
    if (name === '') continue
    const source = m.type === 'hardlink' ? found.get(plainName(m.target)) : undefined
    if (m.type === 'hardlink' && source?.type !== 'file')
      throw new RangeError(`the archive links ${name} to ${m.target}, which it does not hold`)
    found.set(name, source ? { ...lazily(source), name } : member(name, m))
  }
  for (const name of found.keys())
    for (const parent of parentsOf(name)) {
      const type = found.get(parent)?.type ?? 'directory'
      // what lies behind a link of the archive may be anywhere
      if (type === 'link') throw new RangeError(`the archive would write through a link of its own: ${name}`)
      if (type === 'file') throw new RangeError(`the archive holds ${parent} as a file and ${name} below it`)
    }
  return [...found.values()]
}

/** A leading slash goes, as with tar and unzip.
 * @throws RangeError for a name that leads outside. */
function plainName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new RangeError(`the archive would write outside its destination: ${name}`)
  return parts.join('/')
}

export function parentsOf(name: string): string[] {
  const parts = name.split('/')
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

function member(name: string, m: RawMember): PackedMember {
  const bytes = weakly(m.bytes)
  const gzip = m.gzip && weakly(m.gzip)
  let sum: string | undefined
  return {
    name,
    type: m.type as Member['type'],
    mode: m.mode & 0o7777,
    size: m.size,
    target: m.target,
    owner: m.owner,
    group: m.group,
    get bytes() {
      return bytes()
    },
    get gzip() {
      return gzip?.()
    },
    get sha256() {
      sum ??= hashOf(bytes())
      return sum
    },
  }
}

/** Large contents are let go of once nobody writes them any more. */
function weakly(make: () => Buffer): () => Buffer {
  let kept: WeakRef<Buffer> | undefined
  return () => {
    const there = kept?.deref() ?? make()
    if (kept?.deref() !== there) kept = new WeakRef(there)
    return there
  }
}

/** A copy that unpacks no sooner than its source. */
function lazily(source: PackedMember): PackedMember {
  return {
    ...{ name: source.name, type: source.type, mode: source.mode, size: source.size, target: source.target },
    ...{ owner: source.owner, group: source.group },
    get bytes() {
      return source.bytes
    },
    get gzip() {
      return source.gzip
    },
    get sha256() {
      return source.sha256
    },
  }
}

/** A member under another name. */
export function renamed(m: PackedMember, name: string): PackedMember {
  return name === m.name ? m : { ...lazily(m), name }
}
