import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request as open } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { baoRelease } from '../lab/bao.ts'
import { nextPort, ownAddress, unsealsNoMore } from './server-rig.ts'

/** A real OpenBao on loopback that nobody has initialised yet. */
export interface BareBao {
  readonly address: string
  readonly config: string
  readonly start: () => Promise<void>
  readonly kill: () => Promise<void>
  /** Its storage is as new. */
  readonly empty: () => Promise<void>
  // biome-ignore lint/suspicious/noExplicitAny: a server's JSON, which the test looks into
  readonly ask: (path: string, token?: string, body?: unknown) => Promise<{ status: number; data: any }>
  readonly log: () => string
  /** Whoever seals it finds it sealed. */
  readonly unsealsNoMore: () => Promise<void>
}

export interface BareOptions {
  /** Undefined: people's keys. */
  readonly seal?: string | undefined
  /** Others that it joins. */
  readonly joins?: readonly string[]
  /** It speaks TLS: its key and certificate, PEM. What it is asked here is not believed, and not needed. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

const running = new Set<ChildProcess>()
const dirs: string[] = []
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})

const keyDir = mkdtempSync(join(tmpdir(), 'bao-key-'))
dirs.push(keyDir)
writeFileSync(join(keyDir, 'key'), randomBytes(32), { mode: 0o600 })

/** A seal that needs no HSM. */
export const ownSeal = `seal "static" {\n  current_key_id = "k1"\n  current_key = "file://${keyDir}/key"\n}`

export async function bareBao({ seal, joins = [], tls }: BareOptions = {}): Promise<BareBao> {
  const dir = mkdtempSync(join(tmpdir(), 'bao-bare-'))
  dirs.push(dir)
  const [port, cluster] = [nextPort(), `${ownAddress}:${nextPort()}`]
  const api = `${ownAddress}:${port}`
  const address = `${tls ? 'https' : 'http'}://${api}`
  const config = join(dir, 'server.hcl')
  const part = (name: string) => join(dir, name)
  for (const [name, text] of Object.entries(tls ?? {})) writeFileSync(part(name), text, { mode: 0o600 })
  const others = joins.map((a) => `  retry_join {\n    leader_api_addr = "${a}"\n  }\n`).join('')
  writeFileSync(
    config,
    `storage "raft" {
  path = "${dir}/data"
  node_id = "n${port}"
  performance_multiplier = 1
${others}}
api_addr = "${address}"
cluster_addr = "http://${cluster}"
listener "tcp" {
  address = "${api}"
  cluster_address = "${cluster}"
  ${tls ? `tls_cert_file = "${part('cert')}"\n  tls_key_file = "${part('key')}"` : 'tls_disable = true'}
}
${seal ?? ''}
`,
  )
  let child: ChildProcess | undefined
  const log = () => (existsSync(join(dir, 'log')) ? readFileSync(join(dir, 'log'), 'utf8').slice(-2000) : '')
  const ask: BareBao['ask'] = async (path, token = '', body) => {
    const options = body === undefined ? {} : { method: 'PUT', body: JSON.stringify(body) }
    const reply = await fetch(`${address}/v1/${path}`, { ...options, headers: { 'x-vault-token': token } })
    const text = await reply.text()
    return { status: reply.status, data: text === '' ? undefined : JSON.parse(text) }
  }
  const start = async () => {
    mkdirSync(join(dir, 'data'), { recursive: true })
    const line = `exec "$0" server -config="$1/server.hcl" >>"$1/log" 2>&1`
    child = spawn('sh', ['-c', line, baoRelease('2.7.2').program, dir], { stdio: 'ignore' })
    // a test that fails must not hold up the end
    child.unref()
    running.add(child)
  }
  const kill = async () => {
    const it = child
    if (!it) return
    running.delete(it)
    it.ref()
    const over = new Promise((resolve) => it.once('exit', resolve))
    if (it.exitCode === null && it.signalCode === null && it.kill('SIGKILL')) await over
    child = undefined
  }
  return {
    ...{ address, config, start, kill, ask, log, unsealsNoMore: () => unsealsNoMore(part('log')) },
    empty: async () => {
      await kill()
      rmSync(join(dir, 'data'), { recursive: true, force: true })
      await start()
      await answers(address, log)
    },
  }
}

export async function answers(address: string, log: () => string): Promise<void> {
  for (const late = Date.now() + 20_000; Date.now() < late; await new Promise((r) => setTimeout(r, 50)))
    if (
      await fetch(`${address}/v1/sys/seal-status`).then(
        (r) => r.ok,
        () => false,
      )
    )
      return
  throw new Error(`it does not answer: ${log()}`)
}

/** What a stand-in for a bad network, or a bad server, does with a request. */
export type Trick =
  | 'pass'
  | 'drop-before'
  | 'drop-after'
  | 'hold'
  | { readonly status: number; readonly errors: string[]; readonly forward: boolean }

/** A stand-in in front of a real server.
 * @param see what the server answers. */
export async function standIn(
  behind: string,
  trick: (what: string) => Trick | Promise<Trick>,
  see: (what: string, body: Buffer) => void = () => {},
) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (d) => parts.push(d))
    request.on('end', async () => {
      const what = `${request.method} ${request.url!.replace(/\?.*/, '')}`
      asked.push(what)
      const how = await trick(what)
      if (how === 'hold') return
      if (how === 'drop-before') return request.socket.destroy()
      const forward = () =>
        new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
          const { connection: _, host: __, ...headers } = request.headers
          const onward = open(`${behind}${request.url}`, { method: request.method!, headers }, (reply) => {
            const got: Buffer[] = []
            reply.on('data', (d) => got.push(d))
            reply.on('end', () => resolve({ status: reply.statusCode!, body: Buffer.concat(got) }))
          })
          onward.on('error', reject)
          onward.end(Buffer.concat(parts))
        })
      if (typeof how === 'object') {
        if (how.forward) await forward()
        response.writeHead(how.status, { 'content-type': 'application/json' })
        return response.end(JSON.stringify({ errors: how.errors }))
      }
      try {
        const { status, body } = await forward()
        see(what, body)
        if (how === 'drop-after') return request.socket.destroy()
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(body)
      } catch {
        request.socket.destroy()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}`,
    asked,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
