import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { printHcl } from '../../src/formats/hcl.ts'
import type { HsmLogin, HsmLook } from '../../src/host/reads/hsm.ts'
import { type Preflight, preflightProblem } from '../../src/vault/preflight.ts'
import { otherKey, sealIn } from '../../src/vault/seal.ts'

const seal = { lib: '/lib.so', slot: '01', key_label: 'k', hmac_key_label: 'h', mechanism: '0x1087' }

test('the key that is looked at is the one of the seal', () => {
  const written = printHcl({
    attributes: { ui: true },
    blocks: [
      { type: 'seal', labels: ['pkcs11'], body: { attributes: { ...seal, pin: 'file:///a"}b' }, blocks: [] } },
      { type: 'storage', labels: ['raft'], body: { attributes: { path: '/x', key_label: 'no' }, blocks: [] } },
    ],
  })
  assert.equal(Object.fromEntries(sealIn(written)!), { ...seal, pin: 'file:///a"}b' })
  const two = 'seal "pkcs11" {\n key_label = "old"\n disabled = "true"\n}\nseal "pkcs11" { key_label = "new" }'
  assert.is(sealIn(two)?.get('key_label'), 'new')
  assert.is(sealIn('# seal "pkcs11" { key_label = "x" }\nseal "transit" {}'), undefined)
  const looked: Preflight = {
    library: '/lib.so',
    slot: 1,
    key_label: 'k',
    hmac_key_label: 'h',
    mechanism: 'CKM_AES_GCM',
  }
  const other = (p: Partial<Preflight>, more: Record<string, string> = {}, product = 'Vault') => {
    const lines = Object.entries({ ...seal, ...more }).map(([name, value]) => `${name} = "${value}"`)
    return otherKey({ ...looked, ...p }, `seal "pkcs11" {\n${lines.join('\n')}\n}`, '/c', product)?.failed ?? ''
  }
  assert.is(other({}), '')
  assert.is(other({ mechanism: undefined }), '')
  assert.match(other({ key_label: 'other' }), /seal in \/c has `key_label` k, `hsm` looks at other/)
  assert.match(other({ library: '/other.so' }), /has `lib` \/lib\.so, `hsm` looks at \/other\.so/)
  assert.match(other({ slot: 2 }), /has `slot` 01, `hsm` looks at 2/)
  assert.match(other({ hmac_key_label: undefined }), /has `hmac_key_label` h, `hsm` looks at none/)
  assert.is(other({ hmac_key_label: undefined }, {}, 'OpenBao'), '')
  assert.match(other({ mechanism: 'CKM_AES_CBC_PAD' }), /has `mechanism` 0x1087, `hsm` looks at CKM_AES_CBC_PAD/)
  assert.match(other({}, { hmac_mechanism: '0x0261' }), /has `hmac_mechanism` 0x0261/)
  assert.match(other({}, { rsa_oaep_hash: 'sha1' }), /has `rsa_oaep_hash` sha1, `hsm` looks at sha256/)
  assert.match(other({ generate_key: true }), /has no `generate_key`/)
  assert.is(other({ generate_key: true }, { generate_key: 'true' }), '')
  assert.is(otherKey(looked, 'storage "file" {}', '/c', 'Vault'), undefined)
  const json = '{"seal":[{"pkcs11":{"lib":"/lib.so","key_label":"json"}}]}'
  assert.match(otherKey(looked, json, '/c', 'Vault')?.failed ?? '', /has `key_label` json/)
})

const token = { label: 't', manufacturer: 'M', model: 'X', serial: '1', flags: ['initialized', 'pin set'] as const }
const look: HsmLook = {
  file: 'there',
  lacks: [],
  seen: { library: undefined, slots: [{ id: 1, description: '', token }], mechanisms: ['AES-GCM', 'SHA256-HMAC'] },
}
const wanted: Preflight = { library: '/lib.so', slot: 1, pin: '4711', key_label: 'k', hmac_key_label: 'h' }
const key = (label: string, type: string) => ({ kind: 'secret' as const, type, label, id: '' })
const [aes, hmac] = [key('k', 'AES'), key('h', 'GENERIC')]
const worked = [
  { label: 'k', mechanism: 'AES-GCM' },
  { label: 'h', mechanism: 'SHA256-HMAC' },
]
const problem = (p: Partial<Preflight>, login: Partial<HsmLogin>) =>
  preflightProblem({ ...wanted, ...p }, look, { objects: [aes, hmac], tried: worked, ...login }, undefined)?.message ??
  ''

test('both keys of the seal have to be there, and to work', () => {
  assert.is(problem({}, {}), '')
  assert.match(problem({}, { objects: [hmac] }), /there is no key k on the token/)
  assert.match(problem({}, { objects: [aes] }), /there is no key h on the token/)
  assert.match(problem({}, { objects: [aes, hmac, hmac] }), /there are 2 keys h/)
  const broken = { ...worked[1]!, trouble: { at: 'C_Sign', rv: 'CKR_KEY_TYPE_INCONSISTENT' } }
  assert.match(problem({}, { tried: [worked[0]!, broken] }), /the key h does not work/)
  assert.match(problem({ mechanism: 'CKM_AES_CBC_PAD' }, {}), /the token does not have AES-CBC-PAD/)
  assert.is(problem({ hmac_key_label: undefined }, { objects: [aes], tried: worked.slice(0, 1) }), '')
})

test('a server that makes its keys needs none, but what is there has to be right', () => {
  assert.is(problem({ generate_key: true }, { objects: [], tried: [] }), '')
  assert.is(problem({ generate_key: true }, { objects: [aes], tried: worked.slice(0, 1) }), '')
  assert.match(problem({ generate_key: true }, { objects: [aes, aes] }), /there are 2 keys k/)
  assert.match(problem({ generate_key: false }, { objects: [] }), /there is no key k/)
})

test.run()
