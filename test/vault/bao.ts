import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import { type BaoVersion, baoRelease, whyNoServers } from '../lab/bao.ts'
import { nextPort, ownAddress, unsealsNoMore } from './server-rig.ts'

/** A real OpenBao of a test, on loopback, unsealed by a key of its own: for what needs no HSM. */
export interface Bao {
  /** `http://127.…:PORT`. */
  readonly address: string
  readonly version: BaoVersion
  readonly rootToken: string
  /** Of the storage. */
  readonly dataDir: string
  /** Asks as root, or with another token. */
  // biome-ignore lint/suspicious/noExplicitAny: a server's JSON, which the test looks into
  readonly ask: (method: string, path: string, body?: unknown, token?: string) => Promise<{ status: number; data: any }>
  /** It stays sealed. */
  readonly seal: () => Promise<void>
  readonly stop: () => Promise<void>
}

const storages = {
  '2.7.2': (dir: string) => `storage "raft" {\n  path = "${dir}"\n  node_id = "n1"\n  performance_multiplier = 1\n}`,
  '2.6.2': (dir: string) => `storage "file" {\n  path = "${dir}"\n}`,
}

/** 2.7.2 on raft, 2.6.2 on files.
 * @param more what else its configuration says. */
export async function startBao(version: BaoVersion, more = ''): Promise<Bao> {
  const dir = mkdtempSync(join(tmpdir(), 'bao-test-'))
  const dataDir = join(dir, 'data')
  mkdirSync(dataDir)
  writeFileSync(join(dir, 'key'), randomBytes(32), { mode: 0o600 })
  const [api, cluster] = [`${ownAddress}:${nextPort()}`, `${ownAddress}:${nextPort()}`]
  const address = `http://${api}`
  writeFileSync(
    join(dir, 'server.hcl'),
    `${storages[version](dataDir)}
api_addr = "${address}"
cluster_addr = "http://${cluster}"
listener "tcp" {
  address = "${api}"
  cluster_address = "${cluster}"
  tls_disable = true
}
seal "static" {
  current_key_id = "k1"
  current_key = "file://${dir}/key"
}
${more}`,
  )
  const log = join(dir, 'log')
  const start = `exec "$0" server -config="$1/server.hcl" >"$1/log" 2>&1`
  const child = spawn('sh', ['-c', start, baoRelease(version).program, dir], { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const end = () => {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
  process.on('exit', end)
  let rootToken = ''
  const ask: Bao['ask'] = async (method, path, body, token = rootToken) => {
    const headers = { 'x-vault-token': token }
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
    const response = await fetch(`${address}/v1/${path}`, init)
    const text = await response.text()
    return { status: response.status, data: text === '' ? undefined : JSON.parse(text) }
  }
  const until = async (what: string, isSo: () => Promise<boolean>) => {
    for (const late = Date.now() + 40_000; Date.now() < late; await new Promise((r) => setTimeout(r, 50)))
      if (await isSo().catch(() => false)) return
    throw new Error(`${what}: ${existsSync(log) ? readFileSync(log, 'utf8').slice(-1500) : ''}`)
  }
  await until('it does not answer', async () => (await ask('GET', 'sys/health')).status === 501)
  const init = await ask('PUT', 'sys/init', { recovery_shares: 1, recovery_threshold: 1 })
  rootToken = init.data.root_token
  await until('it does not unseal', async () => (await ask('GET', 'sys/health')).status === 200)
  return {
    address,
    version,
    rootToken,
    dataDir,
    ask,
    seal: async () => {
      await unsealsNoMore(log)
      await ask('PUT', 'sys/seal')
      await until('it is not sealed', async () => (await ask('GET', 'sys/seal-status')).data.sealed)
    },
    stop: async () => {
      process.off('exit', end)
      end()
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Runs tests one after the other on one server of each version; where there can be none, all are skipped. */
export function baoSuite(
  versions: readonly BaoVersion[],
  tests: readonly (readonly [string, (bao: Bao) => Promise<void>])[],
  options: { readonly more?: string } = {},
): void {
  const reason = whyNoServers()
  const servers = new Map<BaoVersion, Promise<Bao>>()
  for (const version of versions)
    for (const [name, run] of tests) {
      const full = `OpenBao ${version}: ${name}`
      if (reason !== undefined) {
        console.log(`SKIP ${full}: ${reason}`)
        test.skip(full)
        continue
      }
      test(full, async () => {
        const starting = servers.get(version) ?? startBao(version, options.more)
        servers.set(version, starting)
        await run(await starting)
      })
    }
  test.after(async () => {
    for (const server of servers.values()) await server.then((s) => s.stop())
  })
  test.run()
}
