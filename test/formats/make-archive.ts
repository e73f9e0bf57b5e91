import { crc32, deflateRawSync } from 'node:zlib'

// Archives as no honest tool makes them: any name, any type, any lie.

export interface Entry {
  readonly name: string | Buffer
  /** Of tar: 0 file, 1 hard link, 2 link, 3 device, 5 directory, … */
  readonly type?: string
  readonly mode?: number
  readonly body?: string | Buffer
  readonly target?: string
  readonly owner?: readonly [name: string, id: number]
}

export function tarOf(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ name, type = '0', mode = 0o644, body = '', target = '', owner = ['root', 0] }) => {
    const content = Buffer.from(body)
    const head = Buffer.alloc(512)
    Buffer.from(name).copy(head, 0)
    const octal = (value: number, at: number, length: number) =>
      head.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1')
    octal(mode, 100, 8)
    octal(owner[1], 108, 8)
    octal(owner[1], 116, 8)
    octal(content.length, 124, 12)
    octal(1_600_000_000, 136, 12)
    head.write(`        ${type}${target}`, 148)
    head.write('ustar\0' + '00', 257, 'latin1')
    head.write(owner[0], 265)
    head.write(owner[0], 297)
    octal(
      head.reduce((n, b) => n + b, 0),
      148,
      7,
    )
    head[154] = 0
    return [head, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

/** A pax header for the entry behind it. */
export function paxOf(values: Readonly<Record<string, string>>): Entry {
  const lines = Object.entries(values).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest + String(rest).length
    if (rest + String(length).length !== length) length = rest + String(length).length
    return `${length} ${key}=${value}\n`
  })
  return { name: 'PaxHeaders/x', type: 'x', body: lines.join('') }
}

export function zipOf(entries: readonly (Entry & { stored?: boolean; flags?: number; dos?: boolean })[]): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const { name, mode, body = '', stored, flags = 0x800, dos } of entries) {
    const [bytes, content] = [Buffer.from(name), Buffer.from(body)]
    const packed = stored ? content : deflateRawSync(content)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(flags, 2)
    common.writeUInt16LE(stored ? 0 : 8, 4)
    common.writeUInt32LE(0x5a210000, 6)
    common.writeUInt32LE(crc32(content), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(bytes.length, 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, bytes, packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE((((mode ?? 0) << 16) | 0) >>> 0, 6)
    tail.writeUInt32LE(at, 10)
    const made = Buffer.from([20, dos ? 0 : 3])
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), made, common, tail, bytes]))
    locals.push(local)
    at += local.length
  }
  const listing = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(listing.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...locals, listing, end])
}
