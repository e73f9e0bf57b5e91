import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Channel } from '../../src/host/channel.ts'
import { localConnection } from '../../src/transport/local.ts'
import { run } from '../engine/scratch.ts'
import { newAuthority } from '../host/certificates.ts'
import { whyNoServers } from '../lab/bao.ts'
import { answers, type BareBao, bareBao, ownSeal } from './bare-bao.ts'
import { ownAddress } from './server-rig.ts'

// A server that is asked by the wrong one of http and https, or whose certificate is another's: told at once, with the fix.

const authority = newAuthority()
const dir = mkdtempSync(join(tmpdir(), 'schemes-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const ca = join(dir, 'ca.pem')
writeFileSync(ca, authority.ca)

async function withTls(names: string): Promise<BareBao> {
  const bao = await bareBao({ seal: ownSeal, tls: authority.issue(names) })
  await bao.start()
  const channel = new Channel(localConnection)
  for (const late = Date.now() + 20_000; ; await new Promise((r) => setTimeout(r, 50))) {
    const said = await channel.api({ url: `${bao.address}/v1/sys/seal-status`, tls: { unverified: true } })
    if ('status' in said && said.status === 200) break
    if (Date.now() > late) throw new Error(`it does not answer: ${bao.log()}`)
  }
  channel.close()
  return bao
}

let stores = 0
const init = () => ({ store: join(dir, `${++stores}.json`), plaintext: true, config: '/none' })

/** Every module that asks a server. */
const modules = (): Record<string, object> => ({
  vault_mount: { path: 'kv', type: 'kv' },
  vault_policy: { name: 'p', policy: 'path "x" {}' },
  vault_secret: { path: 'a', data: { a: '1' } },
  vault_transit_key: { name: 'k' },
  vault_audit: { type: 'file' },
  vault_entropy_check: {},
  vault_seal_wrap_check: { storage_path: '/none' },
  vault_node: { state: 'spare' },
  'vault_node ': { state: 'voter' },
  vault_init: init(),
  'vault_init ': { role: 'join' },
})

async function why(name: string, params: object): Promise<string> {
  const from = Date.now()
  const module = name.trim()
  const told: string[] = []
  for (const mode of ['check', 'apply'] as const) {
    const tasks = [{ [module]: params }]
    const [task] = (await run(mode, JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }]))).tasks
    told.push(`${task!.status}: ${task!.message} | ${task!.hint}`)
  }
  // what waits does so for a minute at least
  assert.ok(Date.now() - from < 30_000, `${name}: at once`)
  // what waits has something to do in a check
  if (!told[0]!.startsWith('ok') && !/^vault_node $/.test(name)) assert.is(told[0], told[1])
  return told[1]!
}

const reason = whyNoServers()
if (reason !== undefined) console.log(`SKIP servers with and without TLS: ${reason}`)
const check = (name: string, body: () => Promise<void>) => (reason === undefined ? test(name, body) : test.skip(name))

check('http for a server that speaks TLS', async () => {
  const bao = await withTls(`IP:${ownAddress}`)
  const address = bao.address.replace('https:', 'http:')
  for (const [name, params] of Object.entries(modules())) {
    const said = await why(name, { ...params, address, ...(name.startsWith('vault_init') ? {} : { token: 'canary' }) })
    assert.match(said, /^failed: .*127\.[\d.]+:\d+ speaks TLS, and was asked without/, name)
    assert.ok(said.endsWith(`| \`address: ${bao.address}\``), said)
  }
  const url = `${address}/v1/sys/health`
  assert.is(
    await why('wait_for', { url }),
    `failed: ${new URL(url).host} speaks TLS, and was asked without | \`url: ${bao.address}/v1/sys/health\``,
  )
  // the step that waits sees it too
  const late = await why('wait_for', { url, delay: 1, msg: 'no server' })
  assert.match(late, /no server \| `url: https:/)
  assert.match(await why('wait_for', { url: `${bao.address}/v1/sys/health`, ca_cert: ca, status_code: [501] }), /^ok/)
  assert.match(await why('wait_for', { url, state: 'stopped' }), /speaks TLS/)
  await bao.kill()
})

check('https for a server that does not', async () => {
  const bao = await bareBao({ seal: ownSeal })
  await bao.start()
  await answers(bao.address, bao.log)
  const address = bao.address.replace('http:', 'https:')
  for (const [name, params] of Object.entries(modules())) {
    const said = await why(name, { ...params, address, ...(name.startsWith('vault_init') ? {} : { token: 'canary' }) })
    assert.match(said, /^failed: .*127\.[\d.]+:\d+ does not speak TLS/, name)
    assert.ok(said.endsWith(`| \`address: ${bao.address}\``), said)
  }
  const url = `${address}/v1/sys/health`
  assert.match(await why('wait_for', { url }), /does not speak TLS \| `url: http:\/\/127\./)
  assert.match(await why('wait_for', { url: `${bao.address}/v1/sys/health`, status_code: [501] }), /^ok/)
  await bao.kill()
})

check('a certificate of another name, of nobody that is believed', async () => {
  const bao = await withTls('DNS:vault.example')
  const ask = (more: object) => why('vault_init', { ...init(), address: bao.address, ...more })
  assert.match(
    await ask({ ca_cert: ca }),
    /is not for this name: .* \| believe it by a name that it has \(`tls_server_name: vault\.example`\), or have it issued/,
  )
  assert.match(
    await ask({}),
    /nobody who is believed signed the certificate of .* \| give the certificate .* with `ca_cert`/,
  )
  const over = await run(
    'check',
    JSON.stringify([
      {
        hosts: 'all',
        tasks: [{ vault_init: { ...init(), address: bao.address, ca_cert: ca, tls_server_name: 'vault.example' } }],
      },
    ]),
  )
  assert.is(over.tasks[0]!.status, 'changed')
  await bao.kill()
})

test.run()
