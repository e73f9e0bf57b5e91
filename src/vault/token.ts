import type { Failure, Known, ModuleContext } from '../contract.ts'
import type { Read } from '../host/read.ts'
import { environmentSecret, type LocalFile, type LocalRead, localFile, localPlace } from '../local-read.ts'
import { type Stored, stored } from '../secrets/stored.ts'
import { ifKnown } from '../unknown.ts'
import { type KeptKeys, keptKeys } from './kept-keys.ts'
import { isRefused, type Refused, type TokenOrigin, type VaultServer, vaultServerParams } from './server.ts'
import { refusal, unusable, type VaultStatus } from './status.ts'
import { type Look, noTokenIn, vaultUnwrap, vaultWrapping } from './wrapping.ts'

// Who asks a server: the one place that tokens come from.

/** Where the server is, and with what token it is asked there. */
export const vaultParams = {
  ...vaultServerParams,
  token: {
    type: 'string',
    secret: true,
    description:
      'A token, or a wrapping token that holds one; otherwise the root token in `store`, otherwise what VAULT_TOKEN or BAO_TOKEN says in the environment of the controller.',
  },
  store: { type: 'string', description: 'The file of the controller in which vault_init keeps what it was told.' },
  identity: {
    type: 'string',
    description:
      'The file of the controller with the age identity that opens `store`; otherwise RUNBOOK_AGE_IDENTITY says it.',
  },
} as const

interface ServerParams {
  readonly address: string
  readonly ca_cert?: string | undefined
  readonly tls_server_name?: string | undefined
  readonly validate_certs: boolean
  readonly namespace?: string | undefined
}

interface Params extends ServerParams {
  readonly token?: string | undefined
  readonly store?: string | undefined
  readonly identity?: string | undefined
}

/** What of the controller tells whom to believe. */
export function vaultTrust(p: ServerParams): { readonly ca: LocalRead<LocalFile | undefined> | undefined } {
  return { ca: p.ca_cert === undefined ? undefined : localFile(p.ca_cert) }
}

/** The server that parameters name, asked by nobody. */
export function knownTrust(p: ServerParams, ca: LocalFile | undefined): VaultServer {
  return {
    address: p.address.replace(/\/$/, ''),
    tls: { ca: ca?.bytes.toString('utf8'), serverName: p.tls_server_name, unverified: !p.validate_certs },
    namespace: p.namespace,
    token: undefined,
  }
}

/** What tells where the server is and who asks. */
interface VaultLocals {
  readonly ca: LocalRead<LocalFile | undefined> | undefined
  readonly vaultToken: LocalRead<string | undefined>
  readonly baoToken: LocalRead<string | undefined>
  readonly kept: Read<Stored> | undefined
  readonly wrapping: Read<Look | Refused> | undefined
  readonly unwrapped: Read<{ readonly token: string } | Refused> | undefined
}

/** The answers to them. */
interface Locals {
  readonly ca: LocalFile | undefined
  readonly vaultToken: string | undefined
  readonly baoToken: string | undefined
  readonly kept: Stored | undefined
  readonly wrapping: Look | Refused | undefined
  readonly unwrapped: { readonly token: string } | Refused | undefined
}

export function vaultLocals(p: Params, known: Known): VaultLocals {
  const place = (path: string | undefined) => (path === undefined ? undefined : known(localPlace(path)))
  const own = isSet(p.token)
  const store = own ? undefined : place(p.store)
  const { ca } = vaultTrust(p)
  const [vaultToken, baoToken] = [environmentSecret('VAULT_TOKEN'), environmentSecret('BAO_TOKEN')]
  const token = givenToken(p, known(vaultToken), known(baoToken))
  // which token it is, and which server, says the question: it is asked of the one that will be asked with it
  const asked = token === undefined ? undefined : { ...knownTrust(p, ca && known(ca)), token }
  const wrapping = asked && vaultWrapping(asked)
  const look = wrapping && known(wrapping)
  return {
    ...{ ca, vaultToken, baoToken, wrapping },
    kept: store === undefined ? undefined : stored(store, place(p.identity)),
    unwrapped: asked && look && isToken(look) ? vaultUnwrap(asked, look) : undefined,
  }
}

const isToken = (look: Look | Refused): look is Look =>
  !isRefused(look) && look.holds !== undefined && noTokenIn(look) === undefined

/** The same answered, as far as it is known, while questions are made. */
export function knownLocals(p: Params, known: Known): Locals {
  const { ca, vaultToken, baoToken, kept, wrapping, unwrapped } = vaultLocals(p, known)
  return {
    ca: ca && known(ca),
    vaultToken: known(vaultToken),
    baoToken: known(baoToken),
    kept: kept && known(kept),
    wrapping: wrapping && known(wrapping),
    // what a check can't know is no reason not to ask for the rest
    unwrapped: unwrapped && ifKnown(() => known(unwrapped)),
  }
}

const isSet = (token: string | undefined): token is string => token !== undefined && token.trim() !== ''

/** The token that somebody gave, as it was given; undefined where it is to come from a store. */
function givenToken(p: Params, vaultToken: string | undefined, baoToken: string | undefined): string | undefined {
  if (isSet(p.token)) return p.token.trim()
  return p.store === undefined ? [vaultToken, baoToken].find(isSet)?.trim() : undefined
}

/** All that a store holds, and what was wrapped, is hidden from here on. */
export function vaultServer(p: Params, locals: Locals, context: ModuleContext): VaultServer {
  const server = knownTrust(p, locals.ca)
  const keys = locals.kept && keptKeys(locals.kept, context.secret)
  const given = givenToken(p, locals.vaultToken, locals.baoToken)
  if (given === undefined) {
    const root = keys?.root_token_pgp ? undefined : keys?.root_token
    return isSet(root) ? { ...server, token: root.trim(), origin: storeOrigin(p.store!, keys!) } : server
  }
  context.secret(given)
  const { wrapping } = locals
  // a wrapping token that is used for anything else is used up: nothing is asked before it is known to be none
  if (wrapping === undefined) return server
  if (isRefused(wrapping)) return { ...server, unproven: given }
  if (wrapping.holds === undefined) return { ...server, token: given, origin: givenOrigin }
  if (noTokenIn(wrapping)) return server
  const { unwrapped } = locals
  if (unwrapped === undefined || isRefused(unwrapped)) return server
  context.secret(unwrapped.token)
  return { ...server, token: unwrapped.token, origin: wrappedOrigin }
}

const givenOrigin: TokenOrigin = {
  words: 'the token',
  otherwise: '',
  hint: 'it is over, was revoked, or is of another server. A wrapping token looks the same when it was used already or is over: then somebody else may have read what it held, so have that revoked, and get another one',
}

const wrappedOrigin: TokenOrigin = {
  words: 'the token that was wrapped',
  otherwise: '',
  hint: 'it is over or was revoked since, or is of another server',
}

/** A store knows for which server it was written, and when; what has become of that one it does not. */
function storeOrigin(store: string, { address, host, at }: KeptKeys): TokenOrigin {
  const of = [...(address ? [`for ${address}`] : []), ...(host ? [`on ${host}`] : []), ...(at ? [`at ${at}`] : [])]
  return {
    words: `the root token in ${store}`,
    otherwise: `: the store is of another server${of.length === 0 ? '' : ` (it was written ${of.join(' ')})`}, or that token was revoked`,
    hint: `name the store that vault_init wrote for this server, or leave \`store\` out and give a token; a server whose storage was emptied since is another one`,
  }
}

/** Why nothing can be asked of a server with the token that there is; undefined where it can. */
export function unaskable(
  p: Params,
  a: Locals & { readonly status: VaultStatus | Refused },
  server: VaultServer,
): Failure | undefined {
  return unusable(a.status, server) ?? (server.token === undefined ? noToken(p, a) : undefined)
}

/** Why there is no token. */
export function noToken(p: Params, locals: Pick<Locals, 'kept' | 'wrapping' | 'unwrapped'>): Failure {
  const { kept, wrapping } = locals
  if (isRefused(wrapping)) return refusal(wrapping)
  if (wrapping?.holds !== undefined) {
    const other = noTokenIn(wrapping)
    if (other) return other
    if (isRefused(locals.unwrapped)) return refusal(locals.unwrapped)
  }
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
