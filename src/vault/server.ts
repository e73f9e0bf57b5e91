import type { Failure, Known, ModuleContext } from '../contract.ts'
import type { ApiAnswer, ApiRequest, TlsTrust } from '../host/channel.ts'
import type { Read } from '../host/read.ts'
import { environmentSecret, type LocalFile, type LocalRead, localFile, localPlace } from '../local-read.ts'
import { type Stored, stored } from '../secrets/stored.ts'
import { keptKeys } from './kept-keys.ts'

// What all modules that talk to Vault or OpenBao have in common: where the server is, and who asks.

/** Parameters by which a module finds the server. */
export const vaultServerParams = {
  address: {
    type: 'string',
    aliases: ['url'],
    default: 'http://127.0.0.1:8200',
    pattern: '^https?://[^/?#]+/?$',
    description: 'The server as the host sees it: the calls go through the SSH connection.',
  },
  ca_cert: {
    type: 'string',
    controllerPath: 'files',
    description: "A file of the controller with the certificates (PEM) that sign the server's.",
  },
  tls_server_name: {
    type: 'string',
    description: "The name that its certificate has to have, where it is not the address's.",
  },
  validate_certs: { type: 'boolean', default: true, description: 'Verifies its certificate.' },
  namespace: { type: 'string', description: 'A namespace of the server.' },
} as const

/** … and with what token it asks there. */
export const vaultParams = {
  ...vaultServerParams,
  token: {
    type: 'string',
    secret: true,
    description:
      'A token; otherwise the root token in `store`, otherwise what VAULT_TOKEN or BAO_TOKEN says in the environment of the controller.',
  },
  store: { type: 'string', description: 'The file of the controller in which vault_init keeps what it was told.' },
  identity: {
    type: 'string',
    description:
      'The file of the controller with the age identity that opens `store`; otherwise RUNBOOK_AGE_IDENTITY says it.',
  },
} as const

interface Params {
  readonly address: string
  readonly ca_cert?: string | undefined
  readonly tls_server_name?: string | undefined
  readonly validate_certs: boolean
  readonly namespace?: string | undefined
  readonly token?: string | undefined
  readonly store?: string | undefined
  readonly identity?: string | undefined
}

/** A server, and who asks it. */
export interface VaultServer {
  /** `http://127.0.0.1:8200`. */
  readonly address: string
  readonly tls: TlsTrust
  readonly namespace: string | undefined
  /** Without one only its status can be asked. */
  readonly token: string | undefined
}

/** What of the controller tells where the server is and who asks. */
interface VaultLocals {
  readonly ca: LocalRead<LocalFile | undefined> | undefined
  readonly vaultToken: LocalRead<string | undefined>
  readonly baoToken: LocalRead<string | undefined>
  readonly kept: Read<Stored> | undefined
}

/** The answers to them. */
interface Locals {
  readonly ca: LocalFile | undefined
  readonly vaultToken: string | undefined
  readonly baoToken: string | undefined
  readonly kept: Stored | undefined
}

export function vaultLocals(p: Params, known: Known): VaultLocals {
  const place = (path: string | undefined) => (path === undefined ? undefined : known(localPlace(path)))
  const store = p.token === undefined || p.token === '' ? place(p.store) : undefined
  return {
    ca: p.ca_cert === undefined ? undefined : localFile(p.ca_cert),
    vaultToken: environmentSecret('VAULT_TOKEN'),
    baoToken: environmentSecret('BAO_TOKEN'),
    kept: store === undefined ? undefined : stored(store, place(p.identity)),
  }
}

/** The same answered, as far as it is known, while questions are made. */
export function knownLocals(p: Params, known: Known): Locals {
  const { ca, vaultToken, baoToken, kept } = vaultLocals(p, known)
  return { ca: ca && known(ca), vaultToken: known(vaultToken), baoToken: known(baoToken), kept: kept && known(kept) }
}

/** The one place that tokens come from. All that a store holds is hidden from here on. */
export function vaultServer(p: Params, locals: Locals, context: ModuleContext): VaultServer {
  const { ca, vaultToken, baoToken, kept } = locals
  const keys = kept && keptKeys(kept, context.secret)
  const root = keys?.root_token_pgp ? undefined : keys?.root_token
  const own = [p.token, p.store === undefined ? undefined : (root ?? '')].find((t) => t !== undefined && t !== '')
  const token =
    own ?? (p.store === undefined ? [vaultToken, baoToken].find((t) => t !== undefined && t !== '') : undefined)
  if (token !== undefined) context.secret(token)
  return {
    address: p.address.replace(/\/$/, ''),
    tls: { ca: ca?.bytes.toString('utf8'), serverName: p.tls_server_name, unverified: !p.validate_certs },
    namespace: p.namespace,
    token: token?.trim(),
  }
}

/** Why there is no token. */
export function noToken(p: Params, { kept }: Pick<Locals, 'kept'>): Failure {
  if (kept === undefined || p.store === undefined)
    return {
      failed: 'there is no token to ask the server with',
      hint: 'give `token` or `store`, or set VAULT_TOKEN or BAO_TOKEN in the environment of the controller',
    }
  const about = `there is no token in the store ${p.store}`
  if (kept.problem !== undefined)
    return { failed: `${about}: ${kept.problem}`, ...(kept.hint === undefined ? {} : { hint: kept.hint }) }
  if (kept.state === 'empty')
    return {
      failed: `${about}: there is no such file`,
      hint: 'vault_init fills it, but only where it initialises the server; otherwise leave `store` out and set VAULT_TOKEN or BAO_TOKEN',
    }
  if (keptKeys(kept, () => {})?.root_token_pgp)
    return { failed: `${about} that can be used: the root token is encrypted by PGP`, hint: 'give `token`' }
  return { failed: about, hint: 'is it the file that vault_init wrote?' }
}

/** Whether two questions go to one server. It may have other addresses, which nobody knows. */
export function sameServer(a: VaultServer, b: VaultServer): boolean {
  return a.address === b.address && (a.namespace ?? '') === (b.namespace ?? '')
}

/** @param path below /v1/, each part as it is: `kv/data/app one`. A query may follow behind it. */
export function vaultRequest(
  server: VaultServer,
  method: ApiRequest['method'],
  path: string,
  body?: unknown,
  query = '',
): ApiRequest {
  const headers: Record<string, string> = { 'x-vault-request': 'true' }
  if (server.token !== undefined) headers['x-vault-token'] = server.token
  if (server.namespace !== undefined) headers['x-vault-namespace'] = server.namespace
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  return {
    ...(method === undefined ? {} : { method }),
    url: `${server.address}/v1/${encoded}${query}`,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(server.address.startsWith('https') ? { tls: server.tls } : {}),
  }
}

/** Why a server does not say what it was asked. */
export interface Refused {
  /** One sentence. */
  readonly refused: string
  readonly hint?: string
  /** It was asked for something that this token may not do. */
  readonly denied?: true
  /** It need not be waited for: its certificate is not believed, … */
  readonly forGood?: true
}

export function isRefused(answer: unknown): answer is Refused {
  return typeof answer === 'object' && answer !== null && 'refused' in answer
}

/** What a server said. */
export interface VaultSaid {
  readonly status: number
  /** What stands under `data`; all of it where there is no such thing. */
  readonly data: Readonly<Record<string, unknown>>
  readonly warnings: readonly string[]
  /** Its errors in one line; empty where there are none. */
  readonly errors: string
}

/** What an answer means whatever was asked. */
export function vaultSaid(answer: ApiAnswer, { address }: VaultServer): VaultSaid | Refused {
  if ('unreachable' in answer) {
    const { unreachable: refused, hint, forGood } = answer
    return { refused, ...(hint ? { hint } : {}), ...(forGood ? { forGood } : {}) }
  }
  const { status, body, headers } = answer
  const all = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const errors = errorsIn(body)
  if (status >= 300 && status < 400)
    return {
      refused: `${address} is a standby and sends to ${headers.location ?? 'another server'}`,
      hint: 'use the address of the active server',
    }
  if (status === 403)
    return {
      refused: `${address} denies it: ${errors || 'permission denied'}`,
      hint: 'is the token right, not over, and does its policy allow this?',
      denied: true,
    }
  if (status === 503) return { refused: `${address} answers 503: ${errors || 'it is sealed'}` }
  const data = typeof all.data === 'object' && all.data !== null ? all.data : all
  return { status, data: data as VaultSaid['data'], warnings: textsIn(all.warnings), errors }
}

export const isGood = (said: VaultSaid) => said.status >= 200 && said.status < 300

const textsIn = (list: unknown): string[] => (Array.isArray(list) ? list.map(String) : [])

/** The errors in an answer, without what Go and plugins put around them. */
export function errorsIn(body: unknown): string {
  const list = typeof body === 'string' ? [body] : textsIn((body as { errors?: unknown } | undefined)?.errors)
  return list
    .map((text) =>
      text
        .replace(/\d+ errors? occurred:\s*/g, '')
        .replace(/rpc error: code = \w+ desc = /g, '')
        .replace(/^\s*\* /gm, '')
        .trim()
        .replace(/\s*\n+\s*/g, '; '),
    )
    .filter((text) => text !== '')
    .join('; ')
}
