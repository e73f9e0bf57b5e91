import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type HsmLogin, type HsmLoginQuestion, loginKind } from '../../src/host/reads/hsm.ts'

const question: HsmLoginQuestion = { library: '/p11.so', token: {}, timeout: 20, pin: { text: 'one' }, serial: 'M X 1' }
const none: HsmLogin = { objects: [], tried: [] }
const { alike, outcome, same } = loginKind.sparing!

test('a login that a token refused, whatever it says', () => {
  const said = (rv: string, at = 'C_Login') => outcome({ ...none, trouble: { at, rv } })
  for (const rv of ['CKR_PIN_INCORRECT', 'CKR_PIN_LOCKED', 'CKR_FUNCTION_FAILED', 'CKR_GENERAL_ERROR', '0x80000001'])
    assert.is(said(rv), 'refused', rv)
  for (const rv of ['CKR_TOKEN_NOT_PRESENT', 'CKR_DEVICE_ERROR', 'CKR_SESSION_COUNT', 'CKR_USER_ALREADY_LOGGED_IN'])
    assert.is(said(rv), undefined, rv)
  assert.is(said('CKR_GENERAL_ERROR', 'C_Initialize'), undefined)
  assert.is(outcome({ ...none, pin: 'missing' }), undefined)
  assert.is(outcome(none), 'granted')
})

test('one token is one, wherever the PIN comes from', () => {
  const other = { ...question, pin: { file: '/pin' }, library: '/elsewhere.so' }
  assert.is(alike(question), alike(other))
  assert.is.not(same(question), same(other))
  assert.is.not(alike(question), alike({ ...question, serial: 'M X 2' }))
  // tokens that do not tell their serial may be two
  const { serial: _, ...bare } = question
  assert.is.not(alike(bare), alike({ ...bare, pin: { text: 'two' } }))
})

test.run()
