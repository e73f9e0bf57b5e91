import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readArchive } from '../../src/formats/archive.ts'
import { packTar, placesInTar } from '../../src/formats/tar.ts'
import { fromBytes, toBytes } from '../../src/host/bytes.ts'
import { paxOf, tarOf, zipOf } from './make-archive.ts'

const names = (bytes: Buffer) => readArchive(bytes).map((m) => m.name)
const long = `${'directory/'.repeat(20)}file with a long name`

/** What GNU tar makes of real files, in each of its formats. */
function realTar(format: string): Buffer {
  const dir = mkdtempSync(join(tmpdir(), 'archive-'))
  try {
    mkdirSync(join(dir, 'a', long, '..'), { recursive: true })
    mkdirSync(join(dir, 'a/empty'))
    writeFileSync(join(dir, 'a', long), 'deep\n')
    writeFileSync(join(dir, 'a/grüße 世界'), 'unicode\n')
    writeFileSync(join(dir, 'a/run'), 'x', { mode: 0o4755 })
    spawnSync('chmod', ['4755', join(dir, 'a/run')])
    spawnSync('ln', [join(dir, 'a/run'), join(dir, 'a/same')])
    symlinkSync('/etc/passwd', join(dir, 'a/link'))
    const tar = spawnSync('tar', ['-C', dir, `--format=${format}`, '-cf', '-', './a'], { maxBuffer: 1 << 26 })
    assert.is(tar.status, 0, String(tar.stderr))
    return tar.stdout
  } finally {
    rmSync(dir, { recursive: true })
  }
}

for (const format of ['gnu', 'pax', 'posix', 'oldgnu'])
  test(`what GNU tar writes as ${format}`, () => {
    for (const bytes of [realTar(format), gzipSync(realTar(format))]) {
      const found = new Map(readArchive(bytes).map((m) => [m.name, m]))
      assert.is(found.get(`a/${long}`)?.bytes.toString(), 'deep\n')
      assert.is(found.get('a/grüße 世界')?.bytes.toString(), 'unicode\n')
      assert.is(found.get('a/run')?.mode, 0o4755)
      assert.is(found.get('a/same')?.type, 'file')
      assert.is(found.get('a/same')?.sha256, found.get('a/run')?.sha256)
      assert.is(found.get('a/empty')?.type, 'directory')
      assert.equal([found.get('a/link')?.type, found.get('a/link')?.target], ['link', '/etc/passwd'])
      assert.equal(found.get('a/run')?.owner, { name: userInfo().username, id: process.getuid!() })
    }
  })

test('a sparse file is said to be one', () => {
  const dir = mkdtempSync(join(tmpdir(), 'archive-'))
  try {
    spawnSync('truncate', ['-s', '2M', join(dir, 'sparse')])
    for (const format of ['gnu', 'pax']) {
      const tar = spawnSync('tar', ['-C', dir, '-S', `--format=${format}`, '-cf', '-', 'sparse'])
      assert.throws(() => readArchive(tar.stdout), /no plain file, directory or link: .*sparse/)
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('names that are no UTF-8 keep their bytes', () => {
  const odd = Buffer.from([0x61, 0xff, 0xfe, 0x62])
  assert.equal(names(tarOf([{ name: odd }])), [fromBytes(odd)])
  assert.equal(names(zipOf([{ name: odd }])), [fromBytes(odd)])
})

test('pax headers say name, target and owner of the next member only', () => {
  const [one, two] = readArchive(tarOf([paxOf({ path: 'ä/ß', uname: 'ann', uid: '7' }), { name: 'x' }, { name: 'y' }]))
  assert.equal([one?.name, one?.owner], ['ä/ß', { name: 'ann', id: 7 }])
  assert.equal([two?.name, two?.owner], ['y', { name: 'root', id: 0 }])
})

test('an absolute name loses its slash, dots and doubled slashes go', () => {
  assert.equal(names(tarOf([{ name: '/etc/passwd' }, { name: './a//b/./c' }])), ['etc/passwd', 'a/b/c'])
  assert.equal(names(zipOf([{ name: '//etc/passwd' }])), ['etc/passwd'])
  assert.equal(names(zipOf([{ name: 'dir\\file', dos: true }])), ['dir/file'])
})

test('the last of a name counts', () => {
  const [only, ...more] = readArchive(
    tarOf([
      { name: 'a', body: 'old' },
      { name: './a', body: 'new' },
    ]),
  )
  assert.equal([only?.bytes.toString(), more.length], ['new', 0])
})

const escapes: Record<string, [RegExp, Buffer]> = {
  'a name with ..': [/outside its destination/, tarOf([{ name: 'a/../../x' }])],
  'a name with .. in a zip': [/outside its destination/, zipOf([{ name: '../x' }])],
  'a name with .. behind a backslash': [/outside its destination/, zipOf([{ name: '..\\x', dos: true }])],
  'pax with ..': [/outside its destination/, tarOf([paxOf({ path: '../x' }), { name: 'x' }])],
  'a link and a member through it': [
    /through a link of its own/,
    tarOf([{ name: 'l', type: '2', target: '/etc' }, { name: 'l/x' }]),
  ],
  'a link behind what goes through it': [
    /through a link of its own/,
    tarOf([{ name: 'l/x' }, { name: 'l', type: '2', target: '/etc' }]),
  ],
  'a link and a member through it in a zip': [
    /through a link of its own/,
    zipOf([{ name: 'l', mode: 0o120777, body: '/etc' }, { name: 'l/x' }]),
  ],
  'a hard link to what is outside': [
    /which it does not hold/,
    tarOf([{ name: 'h', type: '1', target: '/etc/shadow' }]),
  ],
  'a hard link with ..': [/outside its destination/, tarOf([{ name: 'h', type: '1', target: '../etc/shadow' }])],
  'a hard link to a link': [
    /which it does not hold/,
    tarOf([
      { name: 'l', type: '2', target: '/etc/shadow' },
      { name: 'h', type: '1', target: 'l' },
    ]),
  ],
  'a device': [/is a device/, tarOf([{ name: 'd', type: '3' }])],
  'a file that others lie in': [/as a file/, tarOf([{ name: 'f' }, { name: 'f/x' }])],
}
for (const [what, [message, bytes]] of Object.entries(escapes))
  test(`refused: ${what}`, () => assert.throws(() => readArchive(bytes), message))

test('what is damaged, encrypted or no archive is said to be so', () => {
  const tar = tarOf([{ name: 'a', body: 'x'.repeat(2000) }])
  assert.throws(() => readArchive(tar.subarray(0, 1024)), /cut off/)
  assert.throws(() => readArchive(gzipSync(tar).subarray(0, 30)), /damaged/)
  assert.throws(() => readArchive(Buffer.concat([tar.subarray(0, 2560), Buffer.alloc(512, 7)])), /damaged/)
  assert.throws(() => readArchive(Buffer.from('hello')), /no tar, tar.gz or zip/)
  assert.throws(() => readArchive(Buffer.from('\xfd7zXZ\0…', 'latin1')), /packed by xz/)
  const zip = zipOf([{ name: 'a', body: 'hello', stored: true }])
  assert.throws(() => readArchive(zip.subarray(0, 40)), /cut off/)
  assert.throws(() => readArchive(zipOf([{ name: 'a', flags: 1 }])), /encrypted/)
  const changed = Buffer.from(zip)
  changed[zip.indexOf('hello')] = 0x6a
  assert.throws(() => readArchive(changed)[0]!.bytes, /a cannot be unpacked/)
})

test('a zip that is made by the real tool', () => {
  const [found] = readArchive(readFileSync('test/lab/differential/files/pkg.zip')).filter((m) => m.type === 'file')
  assert.ok(found && found.bytes.length === found.size)
})

test('an archive is read once, and a large member of a zip is unpacked when its bytes are wanted', () => {
  const zip = zipOf([{ name: 'big', body: Buffer.alloc(50_000_000, 'x') }])
  const before = process.memoryUsage().arrayBuffers
  const [big] = readArchive(zip)
  assert.is(big?.size, 50_000_000)
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
  assert.is(readArchive(zip)[0], big)
  assert.is(big?.bytes, big?.bytes)
})

test('what is packed is read again, and lies where it is said to', () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 255 })
    .map((b) => Buffer.from(b.map((x) => (x === 0 || x === 47 ? 120 : x))))
  const file = fc.record({ name, bytes: fc.uint8Array({ maxLength: 1500 }).map((b) => Buffer.from(b)) })
  fc.assert(
    fc.property(fc.uniqueArray(file, { minLength: 1, selector: (f) => f.name.toString('hex') }), (files) => {
      const packed = packTar(files)
      const places = placesInTar(files)
      for (const [i, { bytes }] of files.entries())
        assert.ok(packed.subarray(places[i]!, places[i]! + bytes.length).equals(bytes))
      const read = readArchive(packed).map((m) => [toBytes(m.name).toString('hex'), m.bytes.toString('hex')])
      // a name that ends or starts as a path does is read as one
      const plain = files.filter((f) => !/^\.+$/.test(f.name.toString('latin1')))
      const expected = new Set(plain.map((f) => `${f.name.toString('hex')} ${f.bytes.toString('hex')}`))
      for (const [n, b] of read) expected.delete(`${n} ${b}`)
      assert.equal([...expected], [])
    }),
    { numRuns: 200 },
  )
})

test.run()
