import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AgeError, decrypt, encryptTo } from '../../src/secrets/age.ts'
import { intentAt, openStore, StoreError, settleStore, storedAt } from '../../src/secrets/store.ts'
import { readStore } from '../../src/secrets/stored.ts'

if (process.env.STORE_TO_FILL !== undefined) {
  const at = await openStore({ path: process.env.STORE_TO_FILL, recipients: [] }, 'a test')
  process.stdout.write('open\n')
  await at.put(Buffer.from('x'.repeat(300_000)))
  process.stdout.write('put\n')
  await new Promise((r) => setTimeout(r, 60_000))
}

if (process.env.STORE_TO_TRY !== undefined)
  for (;;) await (await openStore({ path: process.env.STORE_TO_TRY, recipients: [] }, 'a test')).abandon()

const root = mkdtempSync(join(tmpdir(), 'store-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true }))
let made = 0
const fresh = () => {
  const dir = join(root, String(++made))
  mkdirSync(dir)
  return dir
}
const [own, foreign] = [await generateIdentity(), await generateIdentity()]
const identityFile = join(root, 'identity')
writeFileSync(identityFile, `# made by a test\n${own}\n`, { mode: 0o600 })
const recipients = [await identityToRecipient(own)]

const failing = async (work: Promise<unknown>): Promise<StoreError> => {
  try {
    await work
  } catch (e) {
    assert.instance(e, StoreError)
    return e as StoreError
  }
  throw new Error('it did not fail')
}

/** All bytes of all files there. */
const onDisk = (dir: string) => Buffer.concat(readdirSync(dir).map((n) => readFileSync(join(dir, n))))

test('what is stored is what is read, whatever it is, and is never on the disk as it is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 3000 }), fc.boolean(), async (bytes, encrypted) => {
      const dir = fresh()
      const path = join(dir, 'keys.age')
      const content = Buffer.concat([Buffer.from('canary-secret-4711'), bytes])
      const at = await openStore({ path, recipients: encrypted ? recipients : [] }, 'a test')
      assert.not(onDisk(dir).includes('canary-secret'))
      await at.put(content)
      assert.is(onDisk(dir).includes('canary-secret'), !encrypted)
      assert.equal(readdirSync(dir), ['keys.age'])
      assert.is(statSync(path).mode & 0o7777, 0o600)
      const found = await readStore(path, identityFile)
      assert.is(found.state, 'stored')
      assert.ok(found.content!.equals(content))
      if (!encrypted) return
      assert.match(readFileSync(path, 'latin1'), /^-----BEGIN AGE ENCRYPTED FILE-----\n/)
    }),
    { numRuns: 40 },
  )
})

test('large contents, and several recipients', async () => {
  const path = join(fresh(), 'x')
  const content = Buffer.alloc(1_000_000, 'large')
  const at = await openStore({ path, recipients: [await identityToRecipient(foreign), ...recipients] }, 'a test')
  await at.put(content)
  assert.ok((await readStore(path, identityFile)).content!.equals(content))
})

test('an identity from the environment: a path, or itself; none; another; no recipient', async () => {
  const path = join(fresh(), 'x')
  await (await openStore({ path, recipients }, 'a test')).put(Buffer.from('it'))
  const read = async (identity?: string) => {
    if (identity === undefined) delete process.env.RUNBOOK_AGE_IDENTITY
    else process.env.RUNBOOK_AGE_IDENTITY = identity
    const { content, problem, hint } = await readStore(path)
    delete process.env.RUNBOOK_AGE_IDENTITY
    return content?.toString() ?? `${problem} (${hint})`
  }
  assert.is(await read(identityFile), 'it')
  assert.is(await read(own), 'it')
  assert.match(await read(), /no age identity was given .*RUNBOOK_AGE_IDENTITY/)
  assert.match(await read(foreign), /encrypted to somebody else/)
  assert.match(await read(join(root, 'none')), /can’t be read: ENOENT/)
  assert.match(await read('AGE-SECRET-KEY-1NONE'), /RUNBOOK_AGE_IDENTITY holds no age identity/)
  writeFileSync(join(root, 'other'), 'root:x:0:0\n')
  assert.match(await read(join(root, 'other')), /\/other holds no age identity/)
  assert.match(
    (await failing(openStore({ path: `${path}2`, recipients: ['age1none'] }, 'x'))).message,
    /no age recipient/,
  )
  assert.not(existsSync(`${path}2.intent`))
  writeFileSync(path, readFileSync(path, 'latin1').replace(/\n.{10}/, '\nAAAAAAAAAA'))
  assert.match(await read(own), /damaged|somebody else/)
})

test('binary age files are read too', async () => {
  const { armor } = await import('age-encryption')
  const armored = await encryptTo(recipients, Buffer.from('it'))
  assert.is((await decrypt(Buffer.from(armor.decode(armored.toString())), identityFile)).toString(), 'it')
  try {
    await decrypt(Buffer.from('age-encryption.org/v1\nnothing'), identityFile)
    assert.unreachable()
  } catch (e) {
    assert.instance(e, AgeError)
  }
})

test('what can’t be written is found before anything is done', async () => {
  const dir = fresh()
  const gone = await failing(openStore({ path: join(dir, 'none/keys'), recipients }, 'a test'))
  assert.match(gone.message, /its directory is not there/)
  writeFileSync(join(dir, 'file'), '')
  assert.match((await failing(openStore({ path: join(dir, 'file/keys'), recipients }, 'x'))).message, /no directory/)
  await (await openStore({ path: join(dir, 'full'), recipients }, 'a test')).put(Buffer.from('x'))
  const there = await failing(openStore({ path: join(dir, 'full'), recipients }, 'a test'))
  assert.match(`${there.message} ${there.hint}`, /is there already .*move it away/)
  assert.equal(readdirSync(dir).sort(), ['file', 'full'])
})

const mounts = process.getuid?.() === 0 && spawnSync('sh', ['-c', 'command -v mount']).status === 0
const mounted = mounts ? test : test.skip
if (!mounts) console.log('SKIP a full disk, and one that is read-only: it needs root')
mounted('a full disk, and one that is read-only', async () => {
  const dir = fresh()
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'none', dir], { encoding: 'utf8' })
  assert.is(mount.status, 0, mount.stderr)
  try {
    const full = await failing(openStore({ path: join(dir, 'keys'), recipients }, 'a test'))
    assert.match(full.message, /the disk is full/)
    assert.equal(readdirSync(dir), [])
    spawnSync('mount', ['-o', 'remount,size=600k', dir])
    const at = await openStore({ path: join(dir, 'keys'), recipients }, 'a test')
    // what is full meanwhile does not matter: the room was taken
    spawnSync('sh', ['-c', `cat /dev/zero >${dir}/rest 2>/dev/null`])
    await at.put(Buffer.from('kept'))
    assert.is((await readStore(join(dir, 'keys'), identityFile)).content!.toString(), 'kept')
    rmSync(join(dir, 'rest'))
    spawnSync('mount', ['-o', 'remount,ro', dir])
    const closed = await failing(openStore({ path: join(dir, 'other'), recipients }, 'a test'))
    assert.match(closed.message, /read-only/)
  } finally {
    spawnSync('umount', ['--lazy', dir])
  }
})

test('one at a time; what was begun is told, and can be given up', async () => {
  const dir = fresh()
  const path = join(dir, 'keys')
  const both = await Promise.allSettled([1, 2].map(() => openStore({ path, recipients }, 'a test')))
  assert.is(both.filter((b) => b.status === 'fulfilled').length, 1)
  const busy = both.find((b) => b.status === 'rejected') as PromiseRejectedResult
  assert.match(busy.reason.message, /another run is about to fill/)
  assert.is(intentAt(path)!.alive, true)
  const winner = both.find((b) => b.status === 'fulfilled') as PromiseFulfilledResult<
    Awaited<ReturnType<typeof openStore>>
  >
  await winner.value.abandon()
  assert.equal(readdirSync(dir), [])
  await (await openStore({ path, recipients }, 'a test')).leave()
  assert.equal(readdirSync(dir), ['keys.intent'])
  assert.is((await readStore(path)).state, 'empty')
  assert.equal([intentAt(path)!.about, intentAt(path)!.alive], ['a test', false])
})

test('an intent of a run that ended holds up nobody; one of another machine does for a while', async () => {
  const path = join(fresh(), 'keys')
  const intent = { about: 'x', at: new Date().toISOString(), host: hostname(), user: 'a', pid: 2 ** 22 + 1 }
  for (const left of [intent, { ...intent, pid: process.pid, born: '1' }, 'half']) {
    writeFileSync(`${path}.intent`, typeof left === 'string' ? left : JSON.stringify(left))
    utimesSync(`${path}.intent`, 1e9, 1e9)
    await (await openStore({ path, recipients }, 'a test')).abandon()
  }
  writeFileSync(`${path}.intent`, '{"pid')
  assert.match((await failing(openStore({ path, recipients }, 'x'))).message, /another run/)
  writeFileSync(`${path}.intent`, JSON.stringify({ ...intent, host: 'elsewhere' }))
  assert.match((await failing(openStore({ path, recipients }, 'x'))).message, /on elsewhere/)
  writeFileSync(`${path}.intent`, JSON.stringify({ ...intent, host: 'elsewhere', at: '2020-01-01T00:00:00Z' }))
  await (await openStore({ path, recipients }, 'a test')).abandon()
})

test('killed at any moment: there is nothing, or all of it', async () => {
  const seen = new Set<string>()
  for (let delay = 0; delay < 24; delay++) {
    const path = join(fresh(), 'keys')
    const child = spawn(process.execPath, [process.env.TEST_FILE!], {
      env: { ...process.env, STORE_TO_FILL: path },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    await new Promise<void>((resolve) => {
      child.stdout.once('data', () => setTimeout(resolve, delay / 8))
      child.once('exit', () => resolve())
    })
    child.kill('SIGKILL')
    await new Promise<void>((resolve) =>
      child.exitCode === null && child.signalCode === null ? child.once('exit', () => resolve()) : resolve(),
    )
    const { state, content, intent } = await readStore(path)
    seen.add(state)
    if (state === 'empty') assert.is(intent?.alive, false)
    else assert.is(content!.length, 300_000)
    if (state !== 'left-beside') continue
    assert.match((await failing(openStore({ path, recipients: [] }, 'x'))).message, /is there already/)
    await settleStore(path)
    assert.equal([storedAt(path)!.beside, intentAt(path)], [false, undefined])
  }
  // else the moments are not what they were meant to be
  assert.ok(seen.size > 1, [...seen].join())
})

test('a content of any length is told from the room that was taken for it', async () => {
  const room = 256 * 1024
  for (const length of [0, 1, room - 1, room, room + 1, 2 * room]) {
    const path = join(fresh(), 'keys')
    await (await openStore({ path, recipients: [] }, 'a test')).put(Buffer.alloc(length, 'x'))
    assert.is((await readStore(path)).content!.toString().trim().length, length)
    // as a run leaves it that is killed before it has renamed it, and before it has written all
    renameSync(path, `${path}.new`)
    assert.is((await readStore(path)).state, 'left-beside', `${length}`)
    truncateSync(`${path}.new`, room * Math.ceil((length + 1) / room))
    assert.is((await readStore(path)).state, 'empty', `${length}`)
  }
})

test('a content that cannot come to its place is kept elsewhere', async () => {
  const dir = fresh()
  const path = join(dir, 'keys')
  const at = await openStore({ path, recipients }, 'a test')
  // somebody was faster, against all that is agreed
  writeFileSync(path, 'other')
  const failed = await failing(at.put(Buffer.from('it')))
  const place = /is in (\S+)$/.exec(failed.message)![1]!
  assert.is(readFileSync(path, 'utf8'), 'other')
  assert.is((await readStore(place, identityFile)).content!.toString(), 'it')
  assert.is(statSync(place).mode & 0o777, 0o600)
  await at.leave(place)
  assert.is(intentAt(path)?.elsewhere, place)
})

test('a room that another run took is not moved to the place of the content; what can not be left is no failure', async () => {
  const dir = fresh()
  const path = join(dir, 'keys')
  const at = await openStore({ path, recipients: [] }, 'a test')
  rmSync(`${path}.new`)
  writeFileSync(`${path}.new`, 'its own')
  const failed = (await failing(at.put(Buffer.from('it')))) as StoreError
  assert.not(existsSync(path))
  assert.is(readFileSync(failed.elsewhere!, 'utf8'), 'it')
  rmSync(dir, { recursive: true })
  await at.leave(failed.elsewhere)
})

test('a store that is no plain file is told so, and not read: a device has no end', async () => {
  for (const [path, what] of [
    [tmpdir(), 'a directory'],
    ['/dev/zero', 'no plain file'],
  ] as const) {
    const { problem, hint } = await readStore(path)
    assert.equal([problem, hint], [`it can’t be read: it is ${what}`, 'name a file'])
  }
})

test('a file that others may read is told', async () => {
  const path = join(fresh(), 'keys')
  await (await openStore({ path, recipients: [] }, 'a test')).put(Buffer.from('{}'))
  assert.is((await readStore(path)).open, false)
  chmodSync(path, 0o644)
  assert.is((await readStore(path)).open, true)
})

test('an intent is seen whole or not at all: a run that dies at once is known to be dead', async () => {
  const path = join(fresh(), 'keys')
  const child = spawn(process.execPath, [process.argv[1]!], { env: { ...process.env, STORE_TO_TRY: path } })
  let [seen, half] = [0, 0]
  for (const end = Date.now() + 60_000; Date.now() < end && seen < 400; ) {
    if (seen === 0) await new Promise((r) => setTimeout(r, 1))
    const found = intentAt(path)
    if (found === undefined) continue
    seen++
    if (found.pid !== child.pid) half++
  }
  child.kill('SIGKILL')
  assert.ok(seen > 50, `${seen}`)
  assert.is(half, 0)
})

test.run()
