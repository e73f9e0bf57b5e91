import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashOf } from '../../src/formats/hash.ts'
import { bootstrapCommand } from '../../src/host/bootstrap.ts'
import { fromBytes, toBytes } from '../../src/host/bytes.ts'
import { type AnswerOf, composeRequest, type Read } from '../../src/host/read.ts'
import { account, group } from '../../src/host/reads/account.ts'
import { output, which } from '../../src/host/reads/command.ts'
import { content, sum, sumFor } from '../../src/host/reads/content.ts'
import { entry } from '../../src/host/reads/entry.ts'
import { tree } from '../../src/host/reads/tree.ts'
import { newNonce, Session } from '../../src/host/session.ts'
import { openLocal } from '../../src/transport/local.ts'

const scratch = mkdtempSync(join(tmpdir(), 'reads-test-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** Asks on this machine, under a shell; `path` goes before PATH. */
async function ask<const R extends readonly Read[]>(
  reads: R,
  shell = 'sh',
  path = '',
): Promise<{ [K in keyof R]: AnswerOf<R[K]> }> {
  const nonce = newNonce()
  const set = path === '' ? '' : `PATH=${path}:$PATH; export PATH; `
  const session = new Session(openLocal(`${set}${bootstrapCommand(nonce, shell)}`), nonce)
  const request = composeRequest(reads, (bytes) => session.blob(bytes))
  const end = await session.run(request.script)
  await session.close()
  const answers = request.parse(end.output)
  return reads.map((r) => answers.get(r.key)) as never
}

const odd = [
  'plain',
  'with space',
  "quote'",
  '$(touch x)',
  '-dash',
  'ünï',
  'new\nline',
  'star*?[a]',
  'back\\slash',
  '"',
]
mkdirSync(join(scratch, 'real/sub'), { recursive: true })
symlinkSync('real', join(scratch, 'way'))
symlinkSync('nowhere', join(scratch, 'dangling'))
symlinkSync('real/plain', join(scratch, 'short'))
symlinkSync('way/none/../none/deeper', join(scratch, 'far'))
symlinkSync('far', join(scratch, 'chain'))
symlinkSync('real/plain/below', join(scratch, 'under'))
symlinkSync('self/below', join(scratch, 'self'))
symlinkSync('ring-b', join(scratch, 'ring-a'))
symlinkSync('ring-a', join(scratch, 'ring-b'))
symlinkSync('odd\ntarget\n', join(scratch, 'odd-link'))
const leading = ['dangling', 'far', 'chain', 'under', 'self', 'ring-a', 'odd-link']
for (const name of odd) writeFileSync(join(scratch, 'real', name), `text of ${name}`)
chmodSync(join(scratch, 'real/plain'), 0o4751)
linkSync(join(scratch, 'real/plain'), join(scratch, 'twin'))

// yash takes bytes for characters of the locale
process.env.LC_ALL = 'C.UTF-8'

const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
const shells = ['dash', 'bash', 'busybox sh', 'mksh', 'ksh93', 'yash'].filter((s) => {
  if (has(s.split(' ')[0]!)) return true
  console.log(`SKIP reads under ${s}: it is not installed`)
  test.skip(`reads under ${s}`)
  return false
})

for (const shell of shells) {
  test(`entries, contents and sums of odd names, through links, under ${shell}`, async () => {
    const paths = odd.map((n) => join(scratch, 'way', n))
    const answers = await ask(
      [
        ...paths.map(entry),
        ...paths.map(content),
        ...odd.map((n, i) => sumFor(paths[i]!, Buffer.from(`text of ${n}`))),
      ],
      shell,
    )
    odd.forEach((name, i) => {
      const at = answers[i] as AnswerOf<ReturnType<typeof entry>>
      assert.is(at.path, paths[i])
      assert.is(at.real, join(scratch, 'real', name))
      assert.is(at.stat?.type, 'file')
      assert.is(at.stat?.size, Buffer.from(`text of ${name}`).length)
      const text = answers[odd.length + i] as AnswerOf<ReturnType<typeof content>>
      assert.is(text.bytes?.toString(), `text of ${name}`)
      const s = answers[2 * odd.length + i] as AnswerOf<ReturnType<typeof sum>>
      assert.is(s.sha256, hashOf(Buffer.from(`text of ${name}`)))
    })
  })
}

const withoutGnu = join(scratch, 'bin')
mkdirSync(withoutGnu)
if (has('busybox')) {
  for (const tool of ['find', 'stat', 'readlink', 'sha256sum', 'cat', 'dd', 'mktemp', 'wc', 'tr'])
    symlinkSync(execFileSync('sh', ['-c', 'command -v busybox']).toString().trim(), join(withoutGnu, tool))
  test('the same on a host with busybox only', async () => {
    const paths = ['real/plain', 'real/with space', 'dangling', 'short', 'none/x', 'way', ...leading].map((p) =>
      join(scratch, p),
    )
    const gnu = await ask([...paths.map(entry), sum(paths[0]!), tree(join(scratch, 'real'))])
    const busybox = await ask([...paths.map(entry), sum(paths[0]!), tree(join(scratch, 'real'))], 'sh', withoutGnu)
    const plain = (v: unknown) =>
      JSON.stringify(v instanceof Map ? [...v].filter(([k]) => !k.includes('\n')).sort() : v, (k, x) =>
        k === 'mtime' ? Math.floor(x) : k === 'id' ? 0 : k === 'size' && x > 1000 ? 0 : x,
      )
    gnu.forEach((g, i) => {
      if (!(g instanceof Map)) assert.is(plain(busybox[i]), plain(g))
    })
  })
} else {
  console.log('SKIP the same on a host with busybox only: busybox is not installed')
  test.skip('the same on a host with busybox only')
}

test('what an entry says of links, missing parents and files in the way', async () => {
  const [plain, twin, way, dangling, short, none, blocked, root, slashes] = await ask([
    entry(join(scratch, 'real/plain')),
    entry(join(scratch, 'twin')),
    entry(join(scratch, 'way')),
    entry(join(scratch, 'dangling')),
    entry(join(scratch, 'short')),
    entry(join(scratch, 'way/none/deeper/x')),
    entry(join(scratch, 'way/plain/x')),
    entry('/'),
    entry(`${scratch}//way/./sub/`),
  ])
  assert.is(plain.stat?.mode, 0o4751)
  assert.is(plain.stat?.links, 2)
  assert.is(plain.stat?.id, twin.stat?.id)
  assert.is(plain.stat?.uid, statSync(scratch).uid)
  assert.is(way.stat?.type, 'link')
  assert.is(way.stat?.target, 'real')
  assert.is(way.leads?.real, join(scratch, 'real'))
  assert.is(way.leads?.stat?.type, 'directory')
  assert.is(dangling.stat?.type, 'link')
  assert.is(dangling.leads?.stat, undefined)
  assert.is(short.leads?.real, join(scratch, 'real/plain'))
  assert.is(none.stat, undefined)
  assert.is(none.real, join(scratch, 'real/none/deeper/x'))
  assert.is(none.anchor, join(scratch, 'real'))
  assert.is(blocked.obstacle, 'not-a-directory')
  assert.is(root.real, '/')
  assert.is(root.stat?.type, 'directory')
  assert.is(slashes.path, join(scratch, 'way/sub'))
  assert.is(slashes.real, join(scratch, 'real/sub'))
})

test('where links lead that lead nowhere', async () => {
  const found = await ask(leading.map((name) => entry(join(scratch, name))))
  const at = (path: string) => join(scratch, path)
  assert.equal(
    found.map((e) => [e.leads?.real, e.leads?.anchor, e.leads?.obstacle, e.leads?.stat]),
    [
      [at('nowhere'), scratch, undefined, undefined],
      [at('real/none/deeper'), at('real'), 'up-from-nowhere', undefined],
      [at('real/none/deeper'), at('real'), 'up-from-nowhere', undefined],
      [at('real/plain/below'), at('real/plain'), 'not-a-directory', undefined],
      [at('self/below'), at('self'), 'not-a-directory', undefined],
      [at('ring-a'), scratch, 'loop', undefined],
      [at('odd\ntarget\n'), scratch, undefined, undefined],
    ],
  )
})

test('contents that are not there, and sums of another size', async () => {
  const [none, dir, empty, other, any] = await ask([
    content(join(scratch, 'none')),
    content(scratch),
    sum(join(scratch, 'none'), 3),
    sum(join(scratch, 'twin'), 1),
    sum(join(scratch, 'real/plain')),
  ])
  assert.is(none.bytes, undefined)
  assert.is(dir.bytes, undefined)
  assert.is(empty.sha256, undefined)
  assert.is(other.sha256, undefined)
  assert.is(any.sha256, hashOf(Buffer.from('text of plain')))
})

test('a tree, accounts, groups, commands', async () => {
  const [below, none, root, nobody, wheel, nogroup, said, sh, missing] = await ask([
    tree(join(scratch, 'way')),
    tree(join(scratch, 'none')),
    account('root'),
    account('no-such-user'),
    group('root'),
    group('no-such-group'),
    output(['sh', '-c', 'echo "$1"; echo err >&2; exit 3', 'x', "it's"]),
    which('sh'),
    which('no-such-command'),
  ])
  assert.equal([...below.keys()].sort(), ['sub', ...odd].sort())
  assert.is(none.size, 0)
  assert.is(root?.uid, 0)
  assert.is(root?.group, 'root')
  assert.is(nobody, undefined)
  assert.is(wheel?.gid, 0)
  assert.is(nogroup, undefined)
  assert.is(said.status, 3)
  assert.is(said.stdout.toString(), "it's\n")
  assert.is(said.stderr, 'err\n')
  assert.match(sh, /sh$/)
  assert.is(missing, '')
})

test('bytes that are no UTF-8 come back as they were', () => {
  const bytes = Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xf0, 0x9f, 0x98, 0x80, 0xed, 0xa0, 0x80, 0xc3, 0xbc])
  assert.is(toBytes(fromBytes(bytes)).equals(bytes), true)
  for (let i = 0; i < 2000; i++) {
    const any = Buffer.from(Array.from({ length: 12 }, () => Math.floor(Math.random() * 256)))
    assert.is(toBytes(fromBytes(any)).equals(any), true)
  }
})

test.run()
