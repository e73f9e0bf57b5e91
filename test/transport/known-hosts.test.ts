import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  appendKnownHost,
  fingerprint,
  judgeHost,
  judgeKey,
  keysOf,
  knownName,
  loadKnownHosts,
  parseKnownHosts,
} from '../../src/transport/known-hosts.ts'

// What OpenSSH says of a file of known hosts is what we say: the same lines, asked of ssh-keygen -F.

const dir = mkdtempSync(join(tmpdir(), 'known-hosts-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

const keygen = (...args: string[]) => spawnSync('ssh-keygen', args, { encoding: 'utf8' })
const there = keygen('-l', '-f', '/nowhere').error === undefined
const check = there ? test : test.skip
const names = ['ssh-keygen -F says the same', 'keys that are appended', 'judgements', 'fingerprints']
if (!there) for (const n of names) console.log(`SKIP ${n}: there is no ssh-keygen`)

function makeKey(type: string): { line: string; wire: Buffer; file: string } {
  const file = join(dir, `key-${type}-${Math.random().toString(36).slice(2)}`)
  keygen('-q', '-t', type, '-N', '', '-C', 'a comment', '-f', file)
  const line = readFileSync(`${file}.pub`, 'utf8').trim()
  return { line: line.split(' ').slice(0, 2).join(' '), wire: Buffer.from(line.split(' ')[1]!, 'base64'), file }
}

const keys = there ? ['ed25519', 'ecdsa', 'rsa'].map(makeKey) : []
const [a, b, c] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]]

/** The numbers of the lines that ssh-keygen finds. */
function foundByOpenSsh(file: string, name: string): number[] {
  return [...keygen('-F', name, '-f', file).stdout.matchAll(/^# Host .* found: line (\d+)/gm)].map((m) => Number(m[1]))
}

check(names[0]!, () => {
  const file = join(dir, 'known_hosts')
  const lines = [
    '# a comment',
    '',
    `plain ${a.line}`,
    `Mixed.Example.COM ${a.line} with a comment`,
    `one,two,10.0.0.1 ${b.line}`,
    `\ttabs\t${a.line.replace(' ', '\t')}`,
    `  leading ${a.line}`,
    `[ported]:2222 ${a.line}`,
    `[10.0.0.2]:22022,[::1]:2022 ${c.line}`,
    `::1 ${a.line}`,
    `*.wild.example,!bad.wild.example ${a.line}`,
    `h?st[1] ${a.line}`,
    `[*.wild.example]:2222 ${b.line}`,
    `!never,!nowhere ${a.line}`,
    `@revoked plain ${b.line}`,
    `@revoked gone ${a.line}`,
    `@cert-authority *.signed.example ${a.line}`,
    `crlf ${a.line}\r`,
    'broken',
    'broken ssh-ed25519',
    `dots.a.b ${a.line}`,
    `last ${b.line}`,
  ]
  const asked = [
    'plain mixed.example.com MIXED.example.com one two 10.0.0.1 tabs leading ported [ported]:2222 [10.0.0.2]:22022',
    '[::1]:2022 ::1 a.wild.example A.WILD.example bad.wild.example wild.example host1 host[1] hast[1] [x.wild.example]:2222',
    'never nowhere other gone crlf broken dots.a.b dotsxa.b last a.signed.example hidden [hidden]:2222',
  ].flatMap((l) => l.split(' '))
  // half of it hashed, as HashKnownHosts writes it
  writeFileSync(file, `hidden ${a.line}\n[hidden]:2222 ${b.line}\n`)
  keygen('-H', '-f', file)
  const hashed = readFileSync(file, 'utf8')
  assert.match(hashed, /^\|1\|/)
  for (const text of [`${lines.join('\n')}\n${hashed}`, `${hashed}${lines.join('\n')}`, `${lines.join('\r\n')}\r\n`]) {
    writeFileSync(file, text)
    const known = parseKnownHosts(text, 'f')
    for (const name of asked) {
      const ours = keysOf(known, name).map((k) => Number(k.at.split(':').at(-1)))
      const theirs = foundByOpenSsh(file, name)
      // authorities are found by ssh-keygen, and are nothing to us
      assert.equal(
        ours,
        theirs.filter((n) => !text.split('\n')[n - 1]!.startsWith('@cert-authority')),
        name,
      )
    }
    // ssh looks for a name in lower case, also where it is hashed; ssh-keygen -F takes it as it comes
    assert.equal(keysOf(known, 'Hidden'), keysOf(known, 'hidden'))
    assert.ok(asked.filter((n) => keysOf(known, n).length > 0).length > 12)
  }
})

check(names[1]!, () => {
  const file = join(dir, 'new/dir/known_hosts')
  process.umask(0o022)
  appendKnownHost(file, knownName('h', 22), a.wire)
  appendKnownHost(file, knownName('h', 2222), b.wire)
  appendKnownHost(file, knownName('h', 22), a.wire)
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.is(statSync(join(dir, 'new/dir')).mode & 0o777, 0o700)
  assert.is(readFileSync(file, 'utf8'), `h ${a.line}\n[h]:2222 ${b.line}\n`)
  assert.equal(foundByOpenSsh(file, '[h]:2222'), [2])
  // a file without its last line break gets one; its mode is its owner's affair
  writeFileSync(file, `x ${a.line}`)
  chmodSync(file, 0o644)
  appendKnownHost(file, 'h', a.wire)
  assert.equal(foundByOpenSsh(file, 'h'), [2])
  assert.is(statSync(file).mode & 0o777, 0o644)
  // what ssh-keygen takes away is unknown again
  assert.is(keygen('-R', 'h', '-f', file).status, 0)
  assert.is(judgeKey(loadKnownHosts([file, join(dir, 'none')]), 'h', a.wire).kind, 'unknown')
  assert.is(existsSync(join(dir, 'none')), false)
})

check(names[2]!, () => {
  const known = parseKnownHosts(
    `h ${a.line}\nh ${c.line}\n@revoked h ${b.line}\n[p]:2 ${a.line}\nboth ${a.line}\n`,
    'f',
  )
  const kind = (name: string, key: { wire: Buffer }) => judgeKey(known, name, key.wire).kind
  assert.is(kind('h', a), 'known')
  assert.is(kind('h', c), 'known')
  assert.is(kind('h', b), 'revoked')
  assert.is(kind('h', makeKey('ed25519')), 'changed')
  assert.is(kind('other', a), 'unknown')
  assert.is(kind('p', a), 'unknown')
  const changed = judgeKey(known, 'h', makeKey('ed25519').wire)
  assert.is('at' in changed && changed.at, 'f:1')
  // as ssh does: a key that is known without a port will do for any, one that differs says nothing of another port
  assert.is(judgeHost(known, 'both', 2022, a.wire).kind, 'known')
  assert.is(judgeHost(known, 'both', 2022, b.wire).kind, 'unknown')
  assert.is(judgeHost(known, 'h', 2022, b.wire).kind, 'revoked')
  assert.is(judgeHost(known, 'p', 2, b.wire).kind, 'changed')
})

check(names[3]!, () => {
  for (const key of keys) assert.is(keygen('-l', '-f', `${key.file}.pub`).stdout.split(' ')[1], fingerprint(key.wire))
})

test.run()
