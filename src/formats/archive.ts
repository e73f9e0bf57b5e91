import { createHash } from 'node:crypto'
import { gunzipSync, inflateRawSync } from 'node:zlib'

// Plans are made without waiting, and the known libraries for tar and zip only stream: so these two are read here. Only
// what archives of software hold is read: files, directories and links, in ustar, GNU and pax tar, and zip without zip64.

export interface Member {
  /** Relative, without a leading `./` or a trailing slash. */
  readonly name: string
  readonly type: 'file' | 'directory' | 'link' | 'hardlink'
  readonly mode: number
  /** Of a file. */
  readonly bytes: Buffer
  /** Of a link. */
  readonly target: string
  readonly sha256: string
}

/** What is in a tar, tar.gz or zip archive.
 * @throws RangeError for anything else, and for a member that would come to lie outside. */
export function readArchive(bytes: Buffer): Member[] {
  const members = kindOf(bytes)(bytes).filter((m) => m.name !== '')
  for (const { name, type, target } of members) {
    if (escapes(name)) throw new RangeError(`the archive would write outside its destination: ${name}`)
    if (type === 'hardlink' && escapes(target))
      throw new RangeError(`the archive links to what is outside: ${name} -> ${target}`)
  }
  // a member that lies behind a link of the archive may be anywhere
  const links = new Set(members.filter((m) => m.type === 'link').map((m) => m.name))
  const behind = members.find((m) => parentsOf(m.name).some((p) => links.has(p)))
  if (behind) throw new RangeError(`the archive would write through a link of its own: ${behind.name}`)
  return members
}

function kindOf(bytes: Buffer): (bytes: Buffer) => Member[] {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return (b) => readTar(gunzipSync(b))
  if (bytes.subarray(0, 4).toString('latin1') === 'PK\x03\x04') return readZip
  if (bytes.subarray(257, 262).toString('latin1') === 'ustar') return readTar
  throw new RangeError('this is no tar, tar.gz or zip archive')
}

function escapes(name: string): boolean {
  return name.startsWith('/') || name.split('/').includes('..') || name.includes('\0')
}

function parentsOf(name: string): string[] {
  const parts = name.split('/')
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

function member(name: string, type: Member['type'], mode: number, bytes: Buffer, target: string): Member {
  let hash: string | undefined
  return {
    name: name
      .replace(/^(\.\/)+/, '')
      .replace(/\/+$/, '')
      .replace(/^\.$/, ''),
    type,
    mode: mode & 0o7777,
    bytes,
    target,
    get sha256() {
      hash ??= createHash('sha256').update(bytes).digest('hex')
      return hash
    },
  }
}

const none = Buffer.alloc(0)
const tarTypes: Record<string, Member['type']> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '5': 'directory',
  '2': 'link',
  '1': 'hardlink',
}

function readTar(bytes: Buffer): Member[] {
  const members: Member[] = []
  let extra: { path?: string; linkpath?: string; size?: string } = {}
  for (let at = 0; at + 512 <= bytes.length; ) {
    const head = bytes.subarray(at, at + 512)
    if (head.every((b) => b === 0)) break
    const field = (from: number, length: number) => text(head.subarray(from, from + length))
    const size = extra.size === undefined ? numberOf(head.subarray(124, 136)) : Number(extra.size)
    const body = bytes.subarray(at + 512, at + 512 + size)
    if (body.length < size) throw new RangeError('the archive is cut off')
    const type = String.fromCharCode(head[156]!)
    at += 512 + Math.ceil(size / 512) * 512
    if (type === 'L') extra = { ...extra, path: text(body) }
    else if (type === 'K') extra = { ...extra, linkpath: text(body) }
    else if (type === 'x') extra = { ...extra, ...paxOf(body) }
    else if (type !== 'g') {
      const prefix = head.subarray(257, 263).toString('latin1') === 'ustar\0' ? field(345, 155) : ''
      const name = extra.path ?? (prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`)
      const known = tarTypes[type]
      if (!known) throw new RangeError(`the archive holds something that is no file, directory or link: ${name}`)
      const mode = Number.parseInt(field(100, 8), 8) || 0
      members.push(member(name, known, mode, known === 'file' ? body : none, extra.linkpath ?? field(157, 100)))
      extra = {}
    }
  }
  return members
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.subarray(0, end === -1 ? undefined : end).toString('utf8')
}

/** Octal, or for what is too large for that base 256. */
function numberOf(bytes: Buffer): number {
  if (bytes[0]! & 0x80) return bytes.subarray(1).reduce((n, b) => n * 256 + b, bytes[0]! & 0x7f)
  return Number.parseInt(text(bytes).trim() || '0', 8)
}

function paxOf(body: Buffer): Record<string, string> {
  const found: Record<string, string> = {}
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(32, at)
    const length = Number(body.subarray(at, space).toString('latin1'))
    if (!(length > 0)) break
    const [key, ...value] = body
      .subarray(space + 1, at + length - 1)
      .toString('utf8')
      .split('=')
    found[key!] = value.join('=')
    at += length
  }
  return found
}

function readZip(bytes: Buffer): Member[] {
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  if (end === -1) throw new RangeError('the archive is cut off')
  const count = bytes.readUInt16LE(end + 10)
  let at = bytes.readUInt32LE(end + 16)
  return Array.from({ length: count }, () => {
    if (bytes.readUInt32LE(at) !== 0x02014b50) throw new RangeError('the directory of the archive is broken')
    const [method, packed] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)]
    const [nameLength, extraLength, noteLength] = [28, 30, 32].map((o) => bytes.readUInt16LE(at + o)) as [
      number,
      number,
      number,
    ]
    const unix = bytes.readUInt32LE(at + 38) >>> 16
    const start = bytes.readUInt32LE(at + 42)
    const name = bytes.subarray(at + 46, at + 46 + nameLength).toString('utf8')
    at += 46 + nameLength + extraLength + noteLength
    const data = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28)
    const raw = bytes.subarray(data, data + packed)
    if (method !== 0 && method !== 8) throw new RangeError(`the archive packs ${name} in a way that is not known`)
    const body = method === 8 ? inflateRawSync(raw) : raw
    if (name.endsWith('/')) return member(name, 'directory', unix || 0o755, none, '')
    if ((unix & 0o170000) === 0o120000) return member(name, 'link', 0o777, none, body.toString('utf8'))
    return member(name, 'file', unix || 0o644, body, '')
  })
}
