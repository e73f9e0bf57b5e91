import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ownSeal } from './bare-bao.ts'
import { apply, bare, check, init, keysIn, lines, newStore, root } from './init-rig.ts'

// What a server hands out is encrypted to people who can read it with their PGP keys alone.

/** Somebody with a PGP key, in both forms of a file. */
function newHolder() {
  const home = mkdtempSync(join(root, 'gpg-'))
  const gpg = (args: string[], input?: Buffer) => {
    const words = ['--homedir', home, '--batch', '--pinentry-mode', 'loopback', '--passphrase', '', ...args]
    const done = spawnSync('gpg', words, input ? { input } : {})
    assert.is(done.status, 0, String(done.stderr))
    return done.stdout
  }
  gpg(['--quick-generate-key', 'holder', 'rsa2048', 'encr', 'never'])
  const [armoured, binary] = [join(home, 'holder.asc'), join(home, 'holder.gpg')]
  writeFileSync(armoured, gpg(['--armor', '--export']))
  writeFileSync(binary, gpg(['--export']))
  const opened = (text: string) => gpg(['--decrypt'], Buffer.from(text, 'base64')).toString().trim()
  return { armoured, binary, opened, end: () => spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']) }
}

check('unseal keys and root token', async () => {
  const { armoured, binary, opened, end } = newHolder()
  const bao = await bare(undefined)
  const store = newStore()
  const task = init(bao.address, store, {
    shares: 2,
    threshold: 2,
    pgp_keys: [armoured, binary],
    root_token_pgp_key: armoured,
  })
  const { ran } = await apply(task)
  assert.match(lines(ran)[0]!, /^changed/)
  assert.match(ran.warnings.join(), /is sealed: its unseal keys are encrypted/)
  const kept = await keysIn(store)
  const token = opened(kept.root_token)
  for (const key of kept.keys.map(opened)) await bao.ask('sys/unseal', '', { key })
  while ((await bao.ask('sys/health')).status !== 200) await new Promise((r) => setTimeout(r, 50))
  assert.is((await bao.ask('auth/token/lookup-self', token)).status, 200)
  assert.equal([kept.keys_pgp, kept.root_token_pgp], [true, true])
  assert.match((await apply(init(bao.address, newStore(), { pgp_keys: [armoured] }))).line, /^ok/)
  end()
  await bao.kill()
})

check('recovery keys of a server with a seal of its own: they are good for others in their place', async () => {
  const { armoured, binary, opened, end } = newHolder()
  const own = await bare(ownSeal)
  const other = newStore()
  const of = { shares: 2, threshold: 2, pgp_keys: [armoured, binary] }
  assert.match((await apply(init(own.address, other, of))).line, /^changed/)
  const recovery = await keysIn(other)
  assert.equal([recovery.kind, recovery.keys_pgp, recovery.root_token_pgp], ['recovery', true, false])
  const ask = (path: string, body: object) => own.ask(`sys/rotate/recovery/${path}`, recovery.root_token, body)
  let last = await ask('init', { secret_shares: 1, secret_threshold: 1 })
  const { nonce } = last.data.data
  for (const key of recovery.keys.map(opened)) last = await ask('update', { key, nonce })
  assert.is(last.data?.data?.complete, true, JSON.stringify(last))
  end()
  await own.kill()
})

test.run()
