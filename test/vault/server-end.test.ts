import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serverEnd } from '../../src/vault/server-end.ts'

// The last words of servers that did not start, as OpenBao 2.6.2 and 2.7.2 wrote them; of Vault where that is said.

const told = (log: string) => {
  const reason = serverEnd(log)
  return reason && `${reason.message} | ${reason.hint}`
}
const seal = (why: string) => `Error configuring seal "pkcs11": ${why}`
const listener = (why: string) => `Error initializing listener of type tcp: ${why}`
const raft = (why: string) =>
  `error initializing storage of type raft: failed to create fsm: failed to open bolt file: ${why}`
const config = (why: string) => `error loading configuration from /etc/vault.d/vault.hcl: ${why}`

const cases: readonly (readonly [string, RegExp])[] = [
  [
    seal('rpc error: code = Unknown desc = failed to login: pkcs11: 0xA0: CKR_PIN_INCORRECT'),
    /^its seal fails: the PIN is wrong \(CKR_PIN_INCORRECT\) \| correct it before/,
  ],
  [
    seal('rpc error: code = Unknown desc = failed to open session: pkcs11: 0x3: CKR_SLOT_ID_INVALID'),
    /no such slot .* by its label/,
  ],
  [
    seal('rpc error: code = Unknown desc = failed to initialize PKCS11: pkcs11: 0x5: CKR_GENERAL_ERROR'),
    /its configuration, the directory of its tokens/,
  ],
  [seal('rpc error: code = Unknown desc = failed to find token with label: no'), /no token labelled no \|/],
  [seal('rpc error: code = Unknown desc = pin is required'), /no PIN, or an empty one/],
  [
    seal('rpc error: code = Unavailable desc = error reading from server: EOF'),
    /could not load the PKCS #11 library.*`lib`/,
  ],
  [seal('this build of OpenBao has PKCS#11 disabled'), /no seal `pkcs11` in it \| .*`plugin "kms" "pkcs11"`/],
  ['Error configuring seal "pkcs12": unknown wrapper: pkcs12', /no seal `pkcs12` in it/],
  [seal('start plugin client: checksums did not match'), /`sha256sum`/],
  [
    seal('error while validating the command path: lstat /p/nothere: no such file or directory'),
    /^the plugin \/p\/nothere cannot be read: no such file/,
  ],
  [
    seal('start plugin client: error verifying checksum: open /p/x: permission denied'),
    /^the plugin \/p\/x cannot be read: permission denied/,
  ],
  // a community server of Vault 1.14
  ["KMS type 'pkcs11' requires the Vault Enterprise HSM binary", /\+ent\.hsm/],
  [
    listener('listen tcp 127.0.0.1:8200: bind: address already in use'),
    /^another program listens at 127\.0\.0\.1:8200 \| `ss -ltnp`/,
  ],
  [
    listener('listen tcp 192.0.2.1:8200: bind: cannot assign requested address'),
    /^192\.0\.2\.1:8200 is no address of this host/,
  ],
  [listener('listen tcp 127.0.0.1:22: bind: permission denied'), /may not listen at 127\.0\.0\.1:22/],
  [
    listener('error loading TLS cert: open /nowhere: no such file or directory'),
    /: open \/nowhere: no such file or directory \| .*tls_key_file/,
  ],
  ['unknown storage type filee', /^this program has no storage `filee` \| `raft`/],
  ['unknown storage type file', /2\.7/],
  [
    raft('open /srv/v/vault.db: no such file or directory'),
    /^its storage \/srv\/v\/vault\.db cannot be opened: no such file or directory \|/,
  ],
  [
    raft('error checking raft FSM db file "/srv/v/vault.db": stat /srv/v/vault.db: permission denied'),
    /^its storage \/srv\/v\/vault\.db cannot be opened: permission denied \|/,
  ],
  [
    config('open /etc/vault.d/vault.hcl: permission denied'),
    /^\/etc\/vault\.d\/vault\.hcl cannot be read: permission denied/,
  ],
  [config('At 29:2: object expected closing RBRACE got: EOF'), /is no configuration for it: At 29:2: object expected/],
  ['cluster address must be set when using raft storage', /`cluster_addr`/],
  // Vault, run as a user without the capability
  ['Error initializing core: Failed to lock memory: cannot allocate memory', /LimitMEMLOCK=infinity/],
]

test('the last words of a server are told in a sentence, with the fix', () => {
  for (const [line, pattern] of cases) {
    const log = `Started x.service.\n${line}\nx.service: Main process exited, code=exited, status=1/FAILURE`
    assert.match(told(log) ?? line, pattern)
  }
})

test('what a start before it said does not count; what says nothing is left as it is', () => {
  const [pin, port] = [cases[0]![0], listener('listen tcp 127.0.0.1:8200: bind: address already in use')]
  assert.match(told(`${pin}\n${port}`) ?? '', /another program listens/)
  assert.match(told(`${port}\n${pin}`) ?? '', /the PIN is wrong/)
  assert.is(told('==> OpenBao server started!\nx.service: Main process exited, code=killed, status=9/KILL'), undefined)
})

test.run()
