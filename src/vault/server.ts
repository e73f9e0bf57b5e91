import type { ApiRequest, TlsTrust } from '../host/channel.ts'

// What all modules that talk to Vault or OpenBao have in common: where the server is, and how it is asked.

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

/** A server, and who asks it. */
export interface VaultServer {
  /** `http://127.0.0.1:8200`. */
  readonly address: string
  readonly tls: TlsTrust
  readonly namespace: string | undefined
  /** Without one only its status can be asked. */
  readonly token: string | undefined
  /** A token that was given, while nobody says whether it is a wrapping token. */
  readonly unproven?: string
  /** Where the token is from: what is said where the server does not know it. */
  readonly origin?: TokenOrigin
}

export interface TokenOrigin {
  /** `the root token in the store keys.age`. */
  readonly words: string
  /** What it may mean that the server does not know it. */
  readonly otherwise: string
  readonly hint: string
}

/** The same without a token, outside of any namespace. */
export const anonymous = ({ address, tls }: VaultServer): VaultServer => ({
  address,
  tls,
  namespace: undefined,
  token: undefined,
})

/** Whether two questions go to one server. It may have other addresses, which nobody knows. */
export function sameServer(a: VaultServer, b: VaultServer): boolean {
  return a.address === b.address && (a.namespace ?? '') === (b.namespace ?? '')
}

/** A path without slashes around it. */
export const barePath = (path: string) => path.replace(/^\/+|\/+$/g, '')

/** Why a path is none: servers and all between take such parts out, and what is left is another path. */
export function oddPath(path: string): string | undefined {
  return /(^|\/)\.{1,2}(\/|$)|\/\//.test(path)
    ? `${path} is no path of a server: a part of it is empty, \`.\` or \`..\``
    : undefined
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

/** What a token's policy does not allow. */
export interface Lacking {
  /** Below /v1/. */
  readonly path: string
  /** One of them is what it takes. */
  readonly capabilities: readonly string[]
}

/** Why a server does not say what it was asked. */
export interface Refused {
  /** One sentence. */
  readonly refused: string
  readonly hint?: string
  /** It was asked for something that this token may not do. */
  readonly denied?: true
  /** What that was, where it is the token's policy that does not allow it. */
  readonly lacks?: Lacking
  /** It need not be waited for: its certificate is not believed, … */
  readonly forGood?: true
}

export function isRefused(answer: unknown): answer is Refused {
  return typeof answer === 'object' && answer !== null && 'refused' in answer
}

export interface Asked {
  readonly method: string
  /** Below /v1/. */
  readonly path: string
}
