import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isUp, type VaultState } from '../../src/vault/ready.ts'
import { unusable } from '../../src/vault/status.ts'

// What the codes of /sys/health mean; 472 to 474 and 530 are Vault Enterprise's, by its documentation.

const server = { address: 'http://v:8200', tls: {}, namespace: undefined, token: undefined }
const state = (health: number, more: Partial<VaultState> = {}): VaultState => ({
  ...{ product: 'Vault', version: '1.19.0', edition: 'ent.hsm', initialized: true, sealed: false, health },
  ...{ sealType: 'pkcs11', autoUnseal: true, storage: 'raft', clusterName: 'c', ha: true },
  ...{ leader: 'http://a:8200', isLeader: false, ...more },
})

test('who is up', () => {
  const up = (health: number, more?: Partial<VaultState>) => isUp(state(health, more))
  assert.is(up(200), true)
  // a standby, of a primary elsewhere for disasters, that answers reads
  for (const health of [429, 472, 473]) {
    assert.is(up(health), true)
    assert.is(up(health, { leader: '' }), false, `${health} without a leader`)
    assert.is(up(health, { isLeader: true }), false, `${health} of one that is about to lead`)
    assert.is(up(health, { sealed: true }), false)
  }
  // a standby that does not reach the active one, one that was removed, not initialised, sealed
  for (const health of [474, 530, 501, 503]) assert.is(up(health), false, String(health))
  assert.is(isUp({ refused: 'nobody listens' }), false)
})

test('whom it is of no use to ask', () => {
  const why = (health: number, more?: Partial<VaultState>) => unusable(state(health, more), server)?.failed
  for (const health of [200, 429, 473]) assert.is(why(health), undefined, String(health))
  assert.is(why(472), 'http://v:8200 is a standby for disasters and answers nothing else')
  assert.is(why(474), 'http://v:8200 is a standby that does not reach the active server')
  assert.is(why(530), 'http://v:8200 was removed from its cluster')
  assert.is(why(501, { initialized: false, sealed: true }), 'http://v:8200 is not initialised')
  assert.is(why(503, { sealed: true }), 'http://v:8200 is sealed')
})

test.run()
