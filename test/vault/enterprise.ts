import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

// A stand-in for Vault Enterprise, which can't be had here: it puts the two things that only that does in front of a real
// server, and leaves all else to it. Seal wrap: in a directory of its own it shows the real server's file storage, what is in
// engines with `seal_wrap` wrapped as the guide describes it. External entropy: engines that have it get random bytes from
// the seal without a warning, and errors of PKCS #11 while the HSM is away.

export interface Enterprise {
  readonly address: string
  /** The file storage as Vault Enterprise would have it. */
  readonly storage: string
  /** Whether the HSM is there. */
  hsm: boolean
  readonly close: () => Promise<void>
}

export interface EnterpriseOptions {
  /** The real server, and its file storage. */
  readonly address: string
  readonly dataDir: string
  /** Where the stand-in keeps what it shows of it; it is made anew. */
  readonly storage: string
  readonly labels?: readonly string[]
  readonly listen?: string
  readonly port?: number
}

const away = 'error performing token check: pkcs11: 0xE0: CKR_TOKEN_NOT_PRESENT'

export async function startEnterprise(options: EnterpriseOptions): Promise<Enterprise> {
  const { address, dataDir, storage, labels = ['hsm_demo', 'hsm_hmac_demo'], listen = '127.0.0.1', port = 0 } = options
  const wrapped = new Map<string, Buffer>()
  const mountsOf = async (headers: IncomingHttpHeaders) => {
    const said = await fetch(`${address}/v1/sys/mounts`, {
      headers: { 'x-vault-token': String(headers['x-vault-token']) },
    })
    return (
      (await said.json()) as {
        data?: Record<string, { uuid: string; seal_wrap: boolean; external_entropy_access: boolean }>
      }
    ).data
  }
  /** The mounts by the directories of their storage that are wrapped. */
  const mirror = (uuids: ReadonlySet<string>) => {
    rmSync(storage, { recursive: true, force: true })
    mkdirSync(storage, { recursive: true })
    for (const file of filesBelow(dataDir)) {
      const bytes = readFileSync(join(dataDir, file))
      const uuid = /^logical\/([^/]+)\//.exec(file)?.[1]
      mkdirSync(join(storage, file, '..'), { recursive: true })
      writeFileSync(join(storage, file), uuid !== undefined && uuids.has(uuid) ? wrap(file, bytes) : bytes)
    }
  }
  const wrap = (file: string, bytes: Buffer) => {
    const { Value } = JSON.parse(bytes.toString()) as { Value: string }
    const inner = Buffer.from(Value, 'base64')
    const envelope =
      wrapped.get(file + Value) ?? Buffer.concat([...labels.map((l) => Buffer.from(`\x12${l}`)), randomBytes(64)])
    wrapped.set(file + Value, envelope)
    return Buffer.from(JSON.stringify({ Value: Buffer.concat([envelope, inner]).toString('base64') }))
  }
  const it: { hsm: boolean } = { hsm: true }
  const server = createServer(async (request, response) => {
    const path = request.url!.replace(/^\/v1\//, '').replace(/\?.*/, '')
    let body = ''
    for await (const part of request.setEncoding('utf8')) body += part
    const mounts = await mountsOf(request.headers)
    const mount = Object.keys(mounts ?? {}).find((m) => path.startsWith(m))
    const isEntropy = mount !== undefined && mounts![mount]!.external_entropy_access
    const fromSeal = /\/random\/seal/.test(path) && (isEntropy || path.startsWith('sys/tools/'))
    if (path === 'sys/sealwrap/rewrap' && mounts) return json(response, 200, { data: { entries: [] } })
    if (!it.hsm && ((isEntropy && request.method !== 'GET') || fromSeal)) return json(response, 500, { errors: [away] })
    const headers = { 'x-vault-token': String(request.headers['x-vault-token'] ?? '') }
    const method = request.method!
    const said = await fetch(`${address}${request.url}`, body === '' ? { method, headers } : { method, headers, body })
    const text = await said.text()
    if (method !== 'GET' && mounts)
      mirror(
        new Set(Object.values((await mountsOf(request.headers)) ?? {}).flatMap((m) => (m.seal_wrap ? [m.uuid] : []))),
      )
    if (text === '') return response.writeHead(said.status).end()
    const data = JSON.parse(text)
    if (fromSeal) data.warnings = null
    if (path === 'sys/seal-status' || path === 'sys/health') data.version = '1.19.0+ent.hsm'
    if (path === 'sys/seal-status') {
      data.build_date = data.commit_date
      delete data.commit_date
      delete data.recovery_seal_type
    }
    return json(response, said.status, data)
  })
  await new Promise<void>((resolve) => server.listen(port, listen, resolve))
  mirror(new Set())
  return Object.assign(it, {
    address: `http://${listen}:${(server.address() as AddressInfo).port}`,
    storage,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      rmSync(storage, { recursive: true, force: true })
    },
  })
}

function json(response: ServerResponse, status: number, data: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(data))
}

function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return []
  const all = readdirSync(dir, { recursive: true }) as string[]
  return all.filter((name) => statSync(join(dir, name), { throwIfNoEntry: false })?.isFile())
}
