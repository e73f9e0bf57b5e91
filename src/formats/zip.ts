import { crc32, inflateRawSync } from 'node:zlib'
import { fromBytes } from '../host/bytes.ts'
import type { RawMember } from './archive.ts'

const none = Buffer.alloc(0)

/** The members of a zip archive, by its central directory. Contents are unpacked when they are asked for.
 * @throws RangeError for what is none. */
export function readZip(bytes: Buffer): RawMember[] {
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  if (end === -1 || end + 22 > bytes.length) throw new RangeError('the archive is cut off')
  const count = bytes.readUInt16LE(end + 10)
  let at = bytes.readUInt32LE(end + 16)
  if (count === 0xffff || at === 0xffffffff) throw new RangeError('the archive is too large: zip64 is not read')
  return Array.from({ length: count }, () => {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50)
      throw new RangeError('the archive is damaged: its directory cannot be read')
    const length = [28, 30, 32].map((o) => bytes.readUInt16LE(at + o)) as [number, number, number]
    const found = memberAt(bytes, at, length[0])
    at += 46 + length[0] + length[1] + length[2]
    return found
  })
}

function memberAt(archive: Buffer, at: number, nameLength: number): RawMember {
  const u16 = (offset: number) => archive.readUInt16LE(at + offset)
  const u32 = (offset: number) => archive.readUInt32LE(at + offset)
  const written = fromBytes(archive.subarray(at + 46, at + 46 + nameLength))
  // what DOS packed may have its own separator
  const name = u16(4) >> 8 === 0 ? written.replaceAll('\\', '/') : written
  if (u16(8) & 1) throw new RangeError(`the archive holds ${name} encrypted`)
  const [method, crc, packed, size] = [u16(10), u32(16), u32(20), u32(24)]
  if (method !== 0 && method !== 8) throw new RangeError(`the archive packs ${name} in a way that is not known`)
  if (size === 0xffffffff || packed === 0xffffffff) throw new RangeError('the archive is too large: zip64 is not read')
  const start = u32(42)
  const unix = u32(38) >>> 16
  const bytes = () => unpacked(archive, start, packed, method, { name, size, crc })
  const gzip = method === 8 ? () => asGzip(packedBytes(archive, start, packed, name), crc, size) : undefined
  // unzip gives nobody setuid, setgid or sticky
  const mode = (standard: number) => (unix & 0o777 || standard) & 0o777
  if (name.endsWith('/')) return { name, type: 'directory', mode: mode(0o755), size: 0, bytes: () => none, target: '' }
  if ((unix & 0o170000) === 0o120000)
    return { name, type: 'link', mode: 0o777, size: 0, bytes: () => none, target: fromBytes(bytes()) }
  return { name, type: 'file', mode: mode(0o644), size, bytes, target: '', ...(gzip ? { gzip } : {}) }
}

/** Both formats pack alike: only what stands around it is another. */
function asGzip(raw: Buffer, crc: number, size: number): Buffer {
  const [head, tail] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), Buffer.alloc(8)]
  tail.writeUInt32LE(crc, 0)
  tail.writeUInt32LE(size, 4)
  return Buffer.concat([head, raw, tail])
}

function packedBytes(archive: Buffer, start: number, packed: number, name: string): Buffer {
  if (start + 30 > archive.length) throw new RangeError(`the archive is damaged: ${name} cannot be unpacked`)
  const data = start + 30 + archive.readUInt16LE(start + 26) + archive.readUInt16LE(start + 28)
  return archive.subarray(data, data + packed)
}

function unpacked(
  archive: Buffer,
  start: number,
  packed: number,
  method: number,
  want: { name: string; size: number; crc: number },
): Buffer {
  const damaged = () => new RangeError(`the archive is damaged: ${want.name} cannot be unpacked`)
  const raw = packedBytes(archive, start, packed, want.name)
  let bytes = raw
  try {
    // one buffer of the right size: a large file is there once
    if (method === 8)
      bytes = inflateRawSync(raw, { chunkSize: Math.max(64, want.size + 1), maxOutputLength: want.size + 64 })
  } catch {
    throw damaged()
  }
  if (bytes.length !== want.size || crc32(bytes) !== want.crc) throw damaged()
  return bytes
}
