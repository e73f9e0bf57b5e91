import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { run } from '../engine/scratch.ts'
import { type Bao, baoSuite } from './bao.ts'
import { type Enterprise, startEnterprise } from './enterprise.ts'
import { apply, converges, lines, playOf } from './tasks.ts'

// Seal wrap and external entropy: on a real server, which has neither, nothing is green; before a stand-in for Vault
// Enterprise all is.

const wrapCheck = (params: object) => ({ vault_seal_wrap_check: params })
const entropyCheck = (params: object = {}) => ({ vault_entropy_check: params })

async function withStandIn(bao: Bao, use: (it: Enterprise, as: Bao) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'enterprise-'))
  const it = await startEnterprise({ address: bao.address, dataDir: bao.dataDir, storage: join(dir, 'storage') })
  try {
    await use(it, { ...bao, address: it.address })
  } finally {
    await it.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function onOpenBao(bao: Bao): Promise<void> {
  await bao.ask('POST', 'sys/mounts/deaf', { type: 'kv', seal_wrap: true })
  await bao.ask('POST', 'sys/mounts/deaf-transit', { type: 'transit', external_entropy_access: true })
  await bao.ask('POST', 'sys/mounts/bare', { type: 'kv' })
  const check = wrapCheck({ plain: 'bare', wrapped: 'deaf', storage_path: bao.dataDir })
  const [task] = (await apply(bao, [check])).tasks
  assert.is(task!.status, 'failed')
  assert.match(
    task!.message!,
    /^seal wrap does nothing: the canary takes (\d+) bytes at rest in deaf\/, and \1 in bare\/$/,
  )
  assert.match(task!.hint!, /OpenBao 2\.6\.2.*wraps nothing, as all but Vault Enterprise/)
  for (const mount of ['bare', 'deaf']) assert.is((await bao.ask('GET', `${mount}/runbook-canary`)).status, 404)
  const [entropy] = (await apply(bao, [entropyCheck({ mount: 'deaf-transit' })])).tasks
  assert.is(entropy!.status, 'failed')
  assert.match(entropy!.message!, /OpenBao 2\.6\.2.* gives no entropy of its seal/)
}

async function inTheWay(bao: Bao): Promise<void> {
  await bao.ask('POST', 'sys/mounts/kv2', { type: 'kv', options: { version: '2' }, seal_wrap: true })
  const why = async (params: object) => {
    const [task] = (
      await apply(bao, [wrapCheck({ plain: 'bare', wrapped: 'deaf', storage_path: bao.dataDir, ...params })])
    ).tasks
    return `${task!.message} | ${task!.hint}`
  }
  assert.match(await why({ wrapped: 'none' }), /nothing is mounted at none\/ \| vault_mount: .*seal_wrap: true/)
  assert.match(await why({ wrapped: 'kv2' }), /kv of version 2, which hides its names/)
  assert.match(await why({ plain: 'deaf' }), /deaf\/ was mounted with `seal_wrap`/)
  assert.match(await why({ wrapped: 'bare' }), /bare\/ was mounted without `seal_wrap`/)
  assert.match(
    await why({ storage_path: '/nowhere/at/all' }),
    /there is no storage at \/nowhere\/at\/all \| is `storage_path`/,
  )
  assert.match(
    await why({ storage_path: bao.dataDir.replace(/data$/, '') }),
    /no storage|the canary was written and is not at/,
  )
  const [none] = (await apply(bao, [entropyCheck({ mount: 'bare' })])).tasks
  assert.match(none!.message!, /bare\/ is kv, not transit/)
  if (process.getuid!() !== 0) {
    const shut = mkdtempSync(join(tmpdir(), 'enterprise-'))
    chmodSync(shut, 0)
    try {
      assert.match(await why({ storage_path: shut }), /may not be read \| `become: true`/)
    } finally {
      rmSync(shut, { recursive: true })
    }
  }
}

async function standIn(bao: Bao): Promise<void> {
  await withStandIn(bao, async (it, as) => {
    const tasks = [
      { vault_mount: { path: 'kv-unwrapped', type: 'kv', version: 1 } },
      { vault_mount: { path: 'kv-seal-wrapped', type: 'kv', version: 1, seal_wrap: true } },
      { vault_mount: { path: 'transit', type: 'transit', external_entropy_access: true } },
      { vault_transit_key: { name: 'orders' } },
    ]
    assert.equal(await converges(as, tasks), [
      'changed mount kv at kv-unwrapped/ (version 1)',
      'changed mount kv at kv-seal-wrapped/ (version 1, seal wrap)',
      'changed mount transit at transit/ (external entropy)',
      'changed make key orders in transit/ (aes256-gcm96)',
    ])
    const checks = [wrapCheck({ storage_path: it.storage }), entropyCheck({ key: 'orders' }), entropyCheck()]
    const green = await run('apply', playOf(as, checks))
    assert.equal(lines(green), ['ok', 'ok', 'ok'])
    assert.match(green.tasks[0]!.said!, /"labels": \[\s*"hsm_demo",\s*"hsm_hmac_demo"/)
    assert.is((await bao.ask('GET', 'transit/keys/runbook-canary')).status, 404)
    assert.is((await bao.ask('GET', 'kv-seal-wrapped/runbook-canary')).status, 404)
    const other = (await apply(as, [wrapCheck({ storage_path: it.storage, key_labels: ['hsm_demo', 'other'] })]))
      .tasks[0]!
    assert.match(other.message!, /does not name the seal's key other/)
    // what the stand-in shows is not what the real server keeps
    const real = (await apply(as, [wrapCheck({ storage_path: bao.dataDir })])).tasks[0]!
    assert.match(real.message!, /seal wrap does nothing/)

    it.hsm = false
    for (const check of [entropyCheck({ key: 'orders' }), entropyCheck()]) {
      const gone = (await apply(as, [check])).tasks[0]!
      assert.is(gone.status, 'failed')
      assert.match(
        gone.message!,
        /no random bytes from its seal: .*CKR_TOKEN_NOT_PRESENT \(there is no token in the slot\)/,
      )
      assert.match(gone.hint!, /HSM is away, off or not reachable/)
    }
    const key = (await apply(as, [{ vault_transit_key: { name: 'more' } }])).tasks[0]!
    assert.match(
      `${key.message} | ${key.hint}`,
      /CKR_TOKEN_NOT_PRESENT \(there is no token in the slot\) \| the HSM is away/,
    )
    it.hsm = true
    assert.equal(lines(await apply(as, checks)), ['ok', 'ok', 'ok'])
  })
}

baoSuite(
  ['2.6.2'],
  [
    ['what OpenBao says of seal wrap and entropy is not believed', onOpenBao],
    ['what is in the way of the checks is said', inTheWay],
    ['before a stand-in for Vault Enterprise all is green, and red while the HSM is away', standIn],
  ],
)
