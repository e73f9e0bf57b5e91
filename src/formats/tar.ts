import { gunzipSync } from 'node:zlib'
import { fromBytes } from '../host/bytes.ts'
import type { Id, RawMember } from './archive.ts'

const types: Record<string, RawMember['type']> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '5': 'directory',
  '2': 'link',
  '1': 'hardlink',
}
const others: Record<string, string> = { '3': 'a device', '4': 'a device', '6': 'a pipe', S: 'a sparse file' }

/** The members of a tar archive, packed by gzip or not. Names are bytes: what is no UTF-8 stays as it is.
 * @throws RangeError for what is none. */
export function readTar(packed: Buffer): RawMember[] {
  const bytes = packed[0] === 0x1f && packed[1] === 0x8b ? unzipped(packed) : packed
  if (bytes.length < 512 || !(isHeader(bytes.subarray(0, 512)) || isEmpty(bytes.subarray(0, 512))))
    throw new RangeError('this is no tar, tar.gz or zip archive')
  const members: RawMember[] = []
  let pax: Record<string, string> = {}
  for (let at = 0; at + 512 <= bytes.length; ) {
    const head = bytes.subarray(at, at + 512)
    if (isEmpty(head)) break
    if (!isHeader(head)) throw new RangeError('the archive is damaged: a header does not match its checksum')
    const size = pax.size === undefined ? numberOf(head.subarray(124, 136)) : Number(pax.size)
    const body = bytes.subarray(at + 512, at + 512 + size)
    const type = String.fromCharCode(head[156]!)
    at += 512 + Math.ceil(size / 512) * 512
    if (body.length < size) throw new RangeError('the archive is cut off')
    if (type === 'L') pax = { ...pax, path: textOf(body) }
    else if (type === 'K') pax = { ...pax, linkpath: textOf(body) }
    else if (type === 'x') pax = { ...pax, ...paxOf(body) }
    else if (type !== 'g' && type !== 'V') {
      members.push(memberOf(head, body, type, pax))
      pax = {}
    }
  }
  return members
}

function unzipped(packed: Buffer): Buffer {
  try {
    return gunzipSync(packed)
  } catch (e) {
    if (!(e as NodeJS.ErrnoException).code?.startsWith('Z_')) throw e
    throw new RangeError(`the archive is damaged: ${(e as Error).message}`)
  }
}

function memberOf(head: Buffer, body: Buffer, type: string, pax: Record<string, string>): RawMember {
  const field = (from: number, length: number) => textOf(head.subarray(from, from + length))
  const prefix = head.subarray(257, 263).toString('latin1') === 'ustar\0' ? field(345, 155) : ''
  const name = pax.path ?? (prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`)
  const sparse = Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))
  const known = sparse ? undefined : types[type]
  if (!known)
    throw new RangeError(
      `the archive holds something that is no plain file, directory or link: ${name}${sparse ? ' is a sparse file' : others[type] ? ` is ${others[type]}` : ''}`,
    )
  // before ustar a directory was a file whose name ends so
  const kind = known === 'file' && name.endsWith('/') ? 'directory' : known
  const id = (what: 'u' | 'g', number: number, text: number): Id => ({
    name: pax[`${what}name`] ?? field(text, 32),
    id: Number(pax[`${what}id`] ?? numberOf(head.subarray(number, number + 8))),
  })
  return {
    name,
    type: kind,
    mode: numberOf(head.subarray(100, 108)),
    size: kind === 'file' ? body.length : 0,
    bytes: () => body,
    target: pax.linkpath ?? field(157, 100),
    owner: id('u', 108, 265),
    group: id('g', 116, 297),
  }
}

const isEmpty = (head: Buffer) => head.every((b) => b === 0)

const isHeader = (head: Buffer) => checksum(head) === numberOf(head.subarray(148, 156))

/** The sum of all bytes, those of the sum itself taken as blanks. */
function checksum(head: Buffer): number {
  let sum = 0
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : head[i]!
  return sum
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return fromBytes(bytes.subarray(0, end === -1 ? undefined : end))
}

/** Octal, or for what is too large for that base 256. */
function numberOf(bytes: Buffer): number {
  if (bytes[0]! & 0x80) return bytes.subarray(1).reduce((n, b) => n * 256 + b, bytes[0]! & 0x7f)
  return Number.parseInt(textOf(bytes).trim() || '0', 8)
}

function paxOf(body: Buffer): Record<string, string> {
  const found: Record<string, string> = {}
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(32, at)
    const length = Number(body.subarray(at, space).toString('latin1'))
    if (!(length > 0)) break
    const record = body.subarray(space + 1, at + length - 1)
    const equals = record.indexOf(61)
    found[record.subarray(0, equals).toString('latin1')] = fromBytes(record.subarray(equals + 1))
    at += length
  }
  return found
}

/** Regular files that only their owner may read, packed so that any tar unpacks them.
 * @param files.name `./` and one name of at most 255 bytes. */
export function packTar(files: readonly { readonly name: Buffer; readonly bytes: Buffer }[]): Buffer {
  const parts = files.flatMap(({ name, bytes }) => [
    ...(name.length > 100 ? [header('L', Buffer.from('././@LongLink'), name.length + 1), padded(name, 1)] : []),
    header('0', name.subarray(0, 100), bytes.length),
    padded(bytes),
  ])
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

/** Where in `packTar` of these files each one's bytes start. */
export function placesInTar(files: readonly { readonly name: Buffer; readonly bytes: Buffer }[]): number[] {
  let end = 0
  return files.map(({ name, bytes }) => {
    const start = end + (name.length > 100 ? 1536 : 512)
    end = start + Math.ceil(bytes.length / 512) * 512
    return start
  })
}

function header(type: string, name: Buffer, size: number): Buffer {
  const head = Buffer.alloc(512)
  name.copy(head)
  head.write('0000600\x000000000\x000000000\0', 100, 'latin1')
  head.write(`${size.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        ${type}`, 124, 'latin1')
  head.write('ustar\x0000', 257, 'latin1')
  head.write(`${checksum(head).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return head
}

const padded = (bytes: Buffer, more = 0) =>
  Buffer.concat([bytes, Buffer.alloc(more + ((512 - ((bytes.length + more) % 512)) % 512))])
