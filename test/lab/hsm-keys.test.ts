import * as assert from 'uvu/assert'
import { makeKey, onHost, softhsmPath } from './hsm.ts'
import {
  failure,
  labels,
  lost,
  makes,
  oaep,
  pin,
  playbook,
  probe,
  run,
  token,
  tokenMade,
  told,
  works,
} from './hsm-tasks.ts'
import type { Lab } from './lab.ts'
import { startRunbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// Keys on a token of SoftHSM2: found, tried, made.

async function keys(lab: Lab): Promise<void> {
  makeKey(lab, 'h1', token, 'double', '11')
  makeKey(lab, 'h1', token, 'double', '12')
  assert.match(
    failure(lab, probe({ keys: [{ label: 'double' }] })),
    /there are 2 keys double on the token \| which of them/,
  )
  assert.match(
    failure(lab, probe({ keys: [{ label: 'none' }] })),
    /no key none on the token \| the labels there are: .*hsm_demo/,
  )
  assert.match(
    failure(lab, probe({ pin_env: undefined, keys: [{ label: 'hsm_demo' }] })),
    /after a login: there is no PIN/,
  )
  const wrongKey = probe({ keys: [{ label: 'hsm_hmac_demo', mechanism: 'AES-CBC-PAD' }] })
  assert.match(failure(lab, wrongKey), /does not work by AES-CBC-PAD: the key is of another type/)
  assert.match(failure(lab, makes({ label: 'double' })), /there are 2 keys double/)
  assert.match(failure(lab, makes({ label: 'hsm_hmac_demo' })), /is GENERIC, not AES/)
}

async function makesKeys(lab: Lab): Promise<void> {
  const tasks = [
    makes({ label: 'made', id: 'A1' }),
    makes({ label: 'mac made', type: 'GENERIC:32' }),
    makes({ label: 'pair', type: 'RSA:2048', usage: ['encrypt', 'sign'] }),
    makes({ label: 'curve', type: 'EC:prime256v1' }),
    probe({
      keys: [
        { label: 'made' },
        { label: 'mac made', use: 'sign' },
        { label: 'pair', use: 'sign', mechanism: 'CKM_SHA256_RSA_PKCS' },
        { label: 'curve', use: 'sign', mechanism: 'CKM_ECDSA' },
      ],
    }),
  ]
  const changes = (ran: ReturnType<typeof run>) => ran.tasks.flatMap((t) => t.changes)
  const checked = run(lab, tasks, { command: 'check' })
  assert.is(checked.status, 2, checked.all)
  assert.is(labels(lab, 'made'), 0, 'check makes nothing')
  const applied = run(lab, tasks)
  assert.is(applied.status, 0, applied.all)
  assert.equal(changes(applied), changes(checked))
  assert.is(changes(applied).length, 4)
  const again = run(lab, tasks)
  assert.is(again.status, 0, again.all)
  assert.equal(changes(again), [])
  assert.is(labels(lab, 'made'), 1)
}

/** Several controllers find no key at the same time: one stays. */
async function race(lab: Lab): Promise<void> {
  const file = playbook(lab, [{ hosts: 'h1', tasks: [makes({ label: 'raced' })] }])
  const runs = [1, 2, 3, 4].map(() => startRunbook(['apply', file], lab, { LAB_PIN: pin }))
  const ends = await Promise.all(runs.map((r) => r.ended))
  for (const { status, stdout, stderr } of ends) {
    told.push(stdout, stderr)
    assert.ok(status === 0 || status === 1, stdout + stderr)
  }
  // SoftHSM2 itself may fail one that lists while others write
  assert.ok(ends.some((e) => e.status === 0))
  assert.is(labels(lab, 'raced'), 1)
  const after = run(lab, [makes({ label: 'raced' })])
  assert.is(after.status, 0, after.all)
  assert.equal(after.tasks[0]!.changes, [])
}

async function rsaSeal(lab: Lab): Promise<void> {
  works(lab, makes({ label: 'rsa', type: 'RSA:2048', id: '0a' }))
  const keys = [oaep('sha1'), { label: 'rsa', mechanism: '0x0001' }]
  const said = works(lab, probe({ keys }))
  assert.match(said, /rsa \(RSA-PKCS-OAEP, encrypted by openssl\), rsa \(RSA-PKCS, encrypted by openssl\)/)
  assert.match(failure(lab, probe({ keys: [oaep('sha256')] })), lost)
  onHost(lab, 'h1', 'mv /usr/bin/openssl /usr/bin/openssl.away')
  try {
    const { all } = run(lab, [
      { ...probe({ keys }), register: 'r' },
      { debug: { msg: '<%= r.keys[0].tried ?? "untried" %>' } },
    ])
    assert.match(all, /rsa was not tried by RSA-PKCS-OAEP: .* the host has no openssl to do it: install openssl/)
    assert.match(all, /"untried"/)
    assert.not.match(all, /keys that work/)
  } finally {
    onHost(lab, 'h1', 'mv /usr/bin/openssl.away /usr/bin/openssl')
  }
  onHost(
    lab,
    'h1',
    `PIN=${pin} pkcs11-tool --module ${softhsmPath} --token-label lab --login --pin env:PIN --delete-object --type pubkey --id 0a`,
  )
  assert.match(works(lab, probe({ keys: [oaep('sha1')] })), /its public key, which encrypts, is not on the token/)
}

/** pkcs11-tool takes a key by its ID, whatever its label. */
async function ids(lab: Lab): Promise<void> {
  makeKey(lab, 'h1', token, 'bare', "''")
  makeKey(lab, 'h1', token, 'twin', '02')
  const said = works(lab, probe({ keys: [{ label: 'bare' }, { label: 'twin' }, { label: 'hsm_demo' }] }))
  assert.match(said, /the key bare was not tried by AES-GCM: it has no CKA_ID/)
  assert.match(said, /the key twin was not tried by AES-GCM: another key has its CKA_ID/)
  assert.match(said, /keys that work: hsm_demo \(/)
  for (const label of ['an object', 'Data object; no key']) {
    works(lab, makes({ label }))
    assert.is(labels(lab, label), 1, label)
  }
}

labSuite(1, [
  ['the token of these tests is made', tokenMade],
  ['keys: two of one label, none, of another type', keys],
  ['keys are made as check says, once', makesKeys],
  ['keys that are made at the same time: one stays', race],
  ['the key of an RSA seal', rsaSeal],
  ['keys without an ID of their own', ids],
])
