import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type HsmLogin,
  type HsmLook,
  type HsmObject,
  hsmLogin,
  hsmLoginQuestion,
  hsmLook,
  hsmPlace,
} from '../../src/module.ts'
import { plan, scriptOf } from './plan.ts'

const token = { label: 'lab', manufacturer: 'M', model: 'X', serial: '1', flags: ['initialized'] as const }
const look: HsmLook = {
  file: 'there',
  lacks: [],
  seen: { library: undefined, slots: [{ id: 5, description: '', token }], mechanisms: [] },
}
const aes: HsmObject = { kind: 'secret', type: 'AES', label: 'k', id: '01' }
const pair: HsmObject[] = [
  { kind: 'private', type: 'RSA', label: 'r', id: '02' },
  { kind: 'public', type: 'RSA', label: 'r', id: '02' },
]

const base = { library: '/lib/p11.so', token_label: 'lab', pin: 'pin-4711' }

function key(more: object, objects: readonly HsmObject[] = [], login: Partial<HsmLogin> = {}) {
  const params = { risk_lockout: false, timeout: 20, ...base }
  const question = hsmLoginQuestion(params, { text: base.pin }, look)
  return plan(
    'pkcs11_key',
    { ...base, ...more },
    {
      host: { '/lib/p11.so': 'x' },
      answers: [
        [hsmLook(hsmPlace(params)), look],
        [hsmLogin(question), { objects, tried: [], ...login }],
      ],
    },
  )
}

test('a key that is missing is made, and then it is there', async () => {
  const made = await key({ label: 'k' })
  assert.equal(made.steps, ['make the key k (AES:32) with /lib/p11.so'])
  assert.equal(made.again, [])
  const script = scriptOf(made.plan!.steps[0]! as Parameters<typeof scriptOf>[0])
  assert.match(script, /--keygen --key-type .*AES:32.* --label .*k.* --usage-decrypt --sensitive/)
  assert.not.match(script, /pin-4711/)
  const rsa = await key({ label: 'r', type: 'RSA:2048', usage: ['sign'], id: 'AB' }, [aes])
  assert.equal(rsa.steps, ['make the pair r (RSA:2048) with /lib/p11.so'])
  assert.equal(rsa.again, [])
  assert.equal(rsa.result, { label: 'r', type: 'RSA', id: 'ab' })
})

test('a key that is there stays', async () => {
  assert.equal((await key({ label: 'k' }, [aes])).steps, [])
  assert.equal((await key({ label: 'k' }, [aes])).result, { label: 'k', type: 'AES', id: '01' })
  assert.equal((await key({ label: 'r', type: 'rsa:2048' }, pair)).steps, [])
})

test('a key that is missing is not made anew where what it closed is there', async () => {
  const { failed } = await key({ label: 'k', make: false })
  assert.match(failed ?? '', /the key k is not on the token, and a new one would not open/)
  assert.equal((await key({ label: 'k', make: false }, [aes])).steps, [])
})

test('what stands in the way is said', async () => {
  const says = async (...args: Parameters<typeof key>) => (await key(...args)).failed
  assert.match((await says({ label: 'k' }, [aes, { ...aes, id: '' }]))!, /there are 2 keys k/)
  assert.match((await says({ label: 'k', type: 'GENERIC:32' }, [aes]))!, /is AES, not GENERIC/)
  assert.match((await says({ label: 'r' }, pair))!, /is RSA, not AES/)
  assert.match((await says({ label: 'k' }, [{ ...aes, size: 16 }]))!, /is there, and is AES:16, not AES:32/)
  assert.is(await says({ label: 'k' }, [{ ...aes, size: 32 }]), undefined)
  assert.match((await says({ label: 'k', id: '0A' }, [aes]))!, /is there, and has the CKA_ID 01, not 0A/)
  assert.is(await says({ label: 'k', id: '0A' }, [{ ...aes, id: '0a' }]), undefined)
  const bits = [pair[0]!, { ...pair[1]!, size: 1024 }]
  assert.match((await says({ label: 'r', type: 'RSA:2048' }, bits))!, /is RSA:1024, not RSA:2048/)
  const signs = { ...aes, usage: ['sign', 'verify'] }
  assert.match((await says({ label: 'k' }, [signs]))!, /is not for encrypt: it may sign, verify$/)
  assert.is(await says({ label: 'k', usage: ['sign'] }, [signs]), undefined)
  const decrypts = [{ ...pair[0]!, usage: ['decrypt', 'unwrap'] }, pair[1]!]
  assert.is(await says({ label: 'r', type: 'RSA:2048' }, decrypts), undefined)
  assert.match((await says({ label: 'r', type: 'RSA:2048', usage: ['encrypt', 'sign'] }, decrypts))!, /is not for sign/)
  assert.match(
    (await says({ label: 'k' }, [], { trouble: { at: 'C_Login', rv: 'CKR_PIN_LOCKED' } }))!,
    /the PIN is locked/,
  )
  assert.match((await says({ label: 'k', pin: undefined }))!, /there is no PIN/)
  const taken = [
    { ...aes, id: 'ab' },
    { ...aes, kind: 'certificate' as const, id: 'cd' },
  ]
  assert.is(await says({ label: 'new', id: 'AB' }, taken), 'the CKA_ID ab is that of the key k')
  assert.is(await says({ label: 'new', id: 'CD' }, taken), undefined)
  for (const wrong of [{ type: 'DES' }, { type: 'RSA:0' }, { type: 'GENERIC:0' }, { label: ' k' }, { label: 'k\nk' }])
    assert.is((await key({ label: 'k', ...wrong })).invalid.length, 1, JSON.stringify(wrong))
})

test.run()
