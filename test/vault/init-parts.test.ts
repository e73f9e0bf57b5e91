import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { clusterAddresses, joinsAt, roleOf } from '../../src/vault/cluster.ts'
import { bodyOf, type InitOrder } from '../../src/vault/initialise.ts'
import { type KeptKeys, keptKeys, parseKeys, pgpKey, printKeys } from '../../src/vault/kept-keys.ts'
import type { VaultState } from '../../src/vault/ready.ts'

const server = { address: 'http://127.0.0.1:8200', tls: {}, namespace: undefined, token: undefined }

const raft = (joins: string) => `storage "raft" {\n${joins}\n}`

test('which others a configuration joins', () => {
  assert.is(joinsAt('storage "raft" { path = "/x" }'), undefined)
  assert.is(joinsAt('# retry_join {}\n// retry_join\n/* retry_join { leader_api_addr = "x" } */'), undefined)
  const two = raft(
    'retry_join {\n leader_api_addr = "http://a:8200/" # x\n}\nretry_join { leader_api_addr="https://b:8200" }',
  )
  assert.equal(joinsAt(two), ['http://a:8200', 'https://b:8200'])
  assert.equal(joinsAt('{"storage":{"raft":{"retry_join":[{"leader_api_addr":"http://c:1"}]}}}'), ['http://c:1'])
  assert.equal(joinsAt(raft('retry_join { auto_join = "provider=aws" }')), [])
})

test('one begins a cluster, never beside one that is there', () => {
  const state = (initialized: boolean) => ({ initialized }) as VaultState
  const hcl = raft(
    `retry_join { leader_api_addr = "http://a:8200" }\nretry_join { leader_api_addr = "${server.address}" }`,
  )
  const role = (wish: 'auto' | 'first' | 'join', config: string, ...peers: Parameters<typeof roleOf>[3]) => {
    const found = roleOf({ role: wish, config: '/c' }, server, config, peers)
    return typeof found === 'string' ? found : found.failed
  }
  assert.is(role('auto', ''), 'first')
  assert.is(role('auto', 'storage "file" {}'), 'first')
  assert.match(role('auto', hcl, state(false)), /one of them has to be the first/)
  assert.match(role('auto', hcl, { refused: 'nobody answers' }), /one of them has to be the first/)
  assert.is(role('auto', hcl, state(true)), 'join')
  assert.is(role('first', hcl, state(false)), 'first')
  assert.match(role('first', hcl, state(true)), /^http:\/\/a:8200, which .* is initialised: this would begin a second/)
  assert.is(role('join', ''), 'join')
})

test('by which addresses a cluster is known', () => {
  const hcl = `api_addr = "http://a:8200/"\n${raft('retry_join { leader_api_addr = "http://b:8200" }')}\n# api_addr = "http://c:1"`
  assert.equal(clusterAddresses(hcl), ['http://b:8200', 'http://a:8200'])
  assert.equal(clusterAddresses('{"api_addr":"http://a:8200"}'), ['http://a:8200'])
  assert.equal(clusterAddresses('storage "file" { path = "/x" }'), [])
})

test('shares and threshold are always said, by the name that the seal wants', () => {
  const order = {
    autoUnseal: true,
    shares: 5,
    threshold: 3,
    pgpKeys: ['a'],
    rootTokenPgpKey: 'b',
  } as unknown as InitOrder
  assert.equal(bodyOf(order), {
    ...{ recovery_shares: 5, recovery_threshold: 3, recovery_pgp_keys: ['a'], root_token_pgp_key: 'b' },
  })
  assert.equal(bodyOf({ ...order, autoUnseal: false, pgpKeys: undefined, rootTokenPgpKey: undefined }), {
    ...{ secret_shares: 5, secret_threshold: 3 },
  })
})

test('what is kept is what is read, and only what is secret is hidden', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.base64String()), fc.boolean(), (root_token, keys, pgp) => {
      const all: KeptKeys = {
        ...{
          address: server.address,
          host: 'h1',
          product: 'Vault',
          version: '1',
          at: 'now',
          kind: 'unseal',
          shares: 1,
        },
        ...{ threshold: 1, keys, keys_pgp: pgp, root_token, root_token_pgp: pgp },
      }
      assert.equal(parseKeys(printKeys(all)), all)
      const hidden: string[] = []
      const kept = {
        state: 'stored',
        intent: undefined,
        content: printKeys(all),
        problem: undefined,
        hint: undefined,
        open: false,
      } as const
      keptKeys(kept, (s) => void hidden.push(s))
      assert.equal(hidden, [root_token, ...keys])
    }),
  )
  for (const other of ['', '{}', 'null', '[]', '{"root_token":1,"keys":[]}'])
    assert.is(parseKeys(Buffer.from(other)), undefined)
})

test('PGP keys: armoured and not, and what is none', () => {
  const key = Buffer.from([0x99, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.is(pgpKey(key), key.toString('base64'))
  const armour = (crlf: string) =>
    Buffer.from(
      [
        '-----BEGIN PGP PUBLIC KEY BLOCK-----',
        'Comment: x',
        '',
        key.toString('base64'),
        '=abcd',
        '-----END PGP PUBLIC KEY BLOCK-----',
        '',
      ].join(crlf),
    )
  assert.is(pgpKey(armour('\n')), key.toString('base64'))
  assert.is(pgpKey(armour('\r\n')), key.toString('base64'))
  for (const other of [
    '',
    'keybase:somebody',
    '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----',
  ])
    assert.throws(() => pgpKey(Buffer.from(other)), /no PGP public key/)
})

test.run()
