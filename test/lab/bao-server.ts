import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type BaoVersion, baoRelease, kmsPlugin, pluginName } from './bao.ts'
import { libraryPath, onHost, rootOf, type Token } from './hsm.ts'
import type { Lab } from './lab.ts'

// A server on a host of the lab, set up by hand: for tests of what talks to one.

export interface ServerOptions {
  readonly version?: BaoVersion
  /** 2.7 has no `file`. */
  readonly storage?: 'raft' | 'file'
  readonly token: Token
  readonly keyLabel: string
  /** Lines of HCL besides. */
  readonly more?: string
  /** Lines of HCL in the seal's block besides. */
  readonly seal?: string
}

const unit = 'openbao.service'

/** Puts program, plugin, configuration, PIN and unit on a host and starts it. The host has the library, the token and the
 * key. Everything is below /opt/openbao and /etc/openbao.
 * @returns where its API is, as this machine and the hosts reach it: `http://127.77.x.y:8200`. */
export function startServer(lab: Lab, host: string, options: ServerOptions): string {
  const { version = '2.7.2', storage = 'raft', token } = options
  const plugin = kmsPlugin()
  putFile(lab, host, baoRelease(version).program, '/usr/local/bin/bao')
  putFile(lab, host, plugin.program, `/opt/openbao/plugins/${pluginName}`)
  const address = lab.hosts.find((h) => h.name === host)!.address
  const write = (path: string, text: string, mode: number) => {
    const at = join(rootOf(lab, host), path)
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, text, { mode })
  }
  write('/etc/openbao/server.hcl', config(host, address, storage, plugin.sha256, options), 0o644)
  write('/etc/openbao/hsm-pin', token.pin, 0o600)
  write(`/etc/systemd/system/${unit}`, unitText, 0o644)
  onHost(
    lab,
    host,
    `id openbao >/dev/null 2>&1 || useradd --system --home /etc/openbao --shell /bin/false openbao
mkdir -p /opt/openbao/data && chown -R openbao: /opt/openbao/data
systemctl daemon-reload && systemctl enable -q ${unit} && systemctl restart ${unit}`,
  )
  return `http://${address}:8200`
}

/** Copies a file of this machine to a host, mode 0755. */
function putFile(lab: Lab, host: string, from: string, to: string): void {
  const at = join(rootOf(lab, host), to)
  if (existsSync(at)) return
  mkdirSync(dirname(at), { recursive: true })
  copyFileSync(from, at)
  chmodSync(at, 0o755)
}

function config(
  host: string,
  address: string,
  storage: 'raft' | 'file',
  pluginHash: string,
  { token, keyLabel, more = '', seal = '' }: ServerOptions,
): string {
  const raft = `storage "raft" {\n  path = "/opt/openbao/data"\n  node_id = "${host}"\n  performance_multiplier = 1\n}`
  return `${storage === 'raft' ? raft : 'storage "file" {\n  path = "/opt/openbao/data"\n}'}
cluster_addr = "http://${address}:8201"
api_addr = "http://${address}:8200"
listener "tcp" {
  address = "${address}:8200"
  cluster_address = "${address}:8201"
  tls_disable = true
}
plugin_directory = "/opt/openbao/plugins"
plugin "kms" "pkcs11" {
  command = "${pluginName}"
  version = "v0.1.0"
  sha256sum = "${pluginHash}"
}
seal "pkcs11" {
  lib = "${libraryPath}"
  token_label = "${token.label}"
  key_label = "${keyLabel}"
  pin = "file:///run/credentials/${unit}/hsm-pin"
${seal}
}
ui = true
${more}
`
}

const unitText = `[Unit]
Description=OpenBao, of the lab
StartLimitIntervalSec=60
StartLimitBurst=3
[Service]
User=openbao
Group=openbao
LoadCredential=hsm-pin:/etc/openbao/hsm-pin
ExecStart=/usr/local/bin/bao server -config=/etc/openbao/server.hcl
KillMode=process
KillSignal=SIGINT
TimeoutStopSec=30
LimitNOFILE=65536
[Install]
WantedBy=multi-user.target
`

/** What a server says of itself; undefined where it does not answer. */
export interface Health {
  /** HTTP: 501 not initialised, 503 sealed, 200 active, 429 standby. */
  readonly status: number
  readonly initialized: boolean
  readonly sealed: boolean
}

export async function healthOf(api: string): Promise<Health | undefined> {
  try {
    const reply = await fetch(`${api}/v1/sys/health`, { signal: AbortSignal.timeout(10_000) })
    const { initialized, sealed } = (await reply.json()) as Health
    return { status: reply.status, initialized, sealed }
  } catch {
    return undefined
  }
}

/** Waits until a server answers with this status.
 * @throws Error with what its journal says where it does not. */
export async function untilHealth(
  lab: Lab,
  host: string,
  api: string,
  status: number | readonly number[],
  seconds = 120,
): Promise<void> {
  let last: Health | undefined
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await new Promise((r) => setTimeout(r, 100))) {
    last = await healthOf(api)
    if (last !== undefined && [status].flat().includes(last.status)) return
  }
  const journal = lab.run(host, ['journalctl', '--no-pager', '-n', '30', '-u', unit, '-u', 'vault']).stdout
  throw new Error(`${host} was to answer ${status}, last: ${JSON.stringify(last)}\n${journal}`)
}

export interface Initialised {
  readonly rootToken: string
  /** Base64. */
  readonly recoveryKeys: readonly string[]
}

/** Initialises a server that has an HSM's seal. */
export async function initServer(api: string): Promise<Initialised> {
  const body = JSON.stringify({ recovery_shares: 1, recovery_threshold: 1 })
  const reply = await fetch(`${api}/v1/sys/init`, { method: 'PUT', body, signal: AbortSignal.timeout(60_000) })
  const said = (await reply.json()) as { root_token: string; recovery_keys_base64: string[]; errors?: string[] }
  if (reply.status !== 200) throw new Error(`init: ${reply.status} ${said.errors?.join('; ')}`)
  return { rootToken: said.root_token, recoveryKeys: said.recovery_keys_base64 }
}
