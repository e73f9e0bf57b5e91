import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls'
import { AddressError } from '../../transport/stream.ts'
import type { Way } from '../channel.ts'
import { type CallKind, type Read, read } from '../read.ts'
import { identityCheck } from '../tls.ts'
import { pinMark } from './hsm.ts'

/** An address as the host sees it, and how to shake hands there. */
export interface PortQuestion {
  readonly host: string
  readonly port: number
  /** Seconds for each connection. */
  readonly timeout: number
  readonly tls?: TlsQuestion
}

export interface TlsQuestion {
  /** PEM. */
  readonly ca?: string | undefined
  readonly serverName?: string | undefined
  readonly own?: OwnCertificate | undefined
}

/** Ours, for a port that asks for one: PEM, or PKCS #12 in base64. */
export type OwnCertificate = ({ readonly cert: string; readonly key: string } | { readonly p12: string }) & {
  readonly password?: string | undefined
}

export interface PortLook {
  /** Why there is no connection. */
  readonly unreachable?: { readonly message: string; readonly hint?: string | undefined }
  readonly tls?: TlsLook
}

export interface TlsLook {
  /** What Node says of a handshake that did not come to certificates; one line. */
  readonly failed?: { readonly code: string; readonly message: string }
  readonly protocol?: string
  /** The server's own first. */
  readonly chain: readonly Certificate[]
  /** Node's code of why it is not believed; undefined also where there is nobody to believe. */
  readonly untrusted?: string
  /** By those that our own PKCS #12 file holds, or by whom Node believes. */
  readonly vouched?: true
  /** Why its name is none of those in the certificate. */
  readonly otherName?: string
  /** Whether it lets in who shows no certificate. */
  readonly anonymous: Admission
  /** Whether it lets in who shows ours. */
  readonly own?: Admission & OwnLook
}

export interface OwnLook {
  readonly certificate?: Certificate
  /** What OpenSSL says of a file or password that it can't use. */
  readonly unusable?: string
}

export interface Admission {
  readonly accepted: boolean
  /** Node's code, or what it says. */
  readonly because?: string
}

export interface Certificate {
  readonly subject: string
  readonly issuer: string
  /** As the certificate has them: `DNS:hsm1, IP Address:10.0.0.1`. */
  readonly names: string
  /** ISO 8601. */
  readonly from: string
  readonly until: string
  /** Days from when it was looked at; negative for one that has expired. */
  readonly daysLeft: number
  readonly notYet: boolean
}

/** Whether something answers at an address, as the host sees it, and what TLS there is like. Nothing is sent but handshakes:
 * one without a certificate, and one with ours. */
export function portLook(question: PortQuestion): Read<PortLook> {
  return read(portKind, question)
}

export const portKind: CallKind<PortQuestion, PortLook> = {
  name: 'port',
  key: ({ host, port, tls }) => `${host}:${port} ${tls ? pinMark({ text: JSON.stringify(tls) }) : ''}`,
  about: ({ host, port }) => `${host}:${port}`,
  call: look,
  difference: () => undefined,
}

async function look(question: PortQuestion, way: Way): Promise<PortLook> {
  try {
    const stream = await opened(question, way)
    if (question.tls) return { tls: await tlsLook(stream, question, question.tls, way) }
    stream.destroy()
    return {}
  } catch (e) {
    if (e instanceof AddressError || e instanceof Late) return { unreachable: { message: e.message, hint: e.hint } }
    throw e
  }
}

async function tlsLook(stream: Duplex, question: PortQuestion, tls: TlsQuestion, way: Way): Promise<TlsLook> {
  const bare = await shake(stream, question, undefined)
  // TLS 1.2 refuses who shows no certificate before its own has come to us
  const own = tls.own && (await withOwn(question, tls.own, way))
  const met = bare.met ?? own?.met
  const told = own && { ...admission(own), ...own.more }
  if (!met)
    return { failed: own?.error ?? bare.error!, chain: [], anonymous: admission(bare), ...(told ? { own: told } : {}) }
  const { protocol, chain, untrusted, otherName } = met
  return {
    protocol,
    chain,
    ...(untrusted ? { untrusted } : {}),
    ...(otherName ? { otherName } : {}),
    ...(own?.met?.vouched ? { vouched: true as const } : {}),
    anonymous: admission(bare),
    ...(told ? { own: told } : {}),
  }
}

class Late extends Error {
  readonly hint = 'a firewall may drop what is sent there'
}

async function opened({ host, port, timeout }: PortQuestion, way: Way): Promise<Duplex> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Late(`${host.includes(':') ? `[${host}]` : host}:${port} did not answer within ${timeout} s`)),
      timeout * 1000,
    )
  })
  const opening = way.connect(host, port)
  // one that comes too late is closed again
  opening.then(
    (stream) => stream.on('error', () => {}),
    () => {},
  )
  try {
    return await Promise.race([opening, late])
  } catch (e) {
    if (e instanceof Late) opening.then((stream) => stream.destroy()).catch(() => {})
    throw e
  } finally {
    clearTimeout(timer)
  }
}

/** Ours, shown: what came of it, or why it can't be. */
async function withOwn(
  question: PortQuestion,
  own: OwnCertificate,
  way: Way,
): Promise<Shaken & { readonly more: OwnLook }> {
  const { createSecureContext } = await import('node:tls')
  try {
    if (lacksPassword(own)) throw new Error('empty password')
    createSecureContext(ownOptions(own))
  } catch (e) {
    const unusable = (e as Error).message.split('\n')[0]!
    return { met: undefined, error: { code: '', message: unusable }, shown: undefined, more: { unusable } }
  }
  const shaken = await shake(await opened(question, way), question, own)
  return { ...shaken, more: shaken.shown ? { certificate: shaken.shown } : {} }
}

/** OpenSSL tries the empty one then, which seems to fit one key of 256. */
function lacksPassword(own: OwnCertificate): boolean {
  return own.password === undefined && !('p12' in own) && /^(-----BEGIN |Proc-Type: 4,)ENCRYPTED/m.test(own.key)
}

function ownOptions(own: OwnCertificate) {
  const passphrase = own.password === undefined ? {} : { passphrase: own.password }
  if ('p12' in own) return { pfx: Buffer.from(own.p12, 'base64'), ...passphrase }
  return { cert: own.cert, key: own.key, ...passphrase }
}

interface Met {
  readonly protocol: string
  readonly chain: readonly Certificate[]
  readonly untrusted: string | undefined
  readonly vouched: boolean
  readonly otherName: string | undefined
}

interface Shaken {
  /** Undefined: no certificate came. */
  readonly met: Met | undefined
  readonly error: { readonly code: string; readonly message: string } | undefined
  /** Ours. */
  readonly shown: Certificate | undefined
}

const admission = ({ error }: Shaken): Admission =>
  error ? { accepted: false, because: error.code || error.message } : { accepted: true }

/** Milliseconds for a server to refuse who seems to be let in: TLS 1.3 tells only then. One that gives a ticket has not. */
const patience = 1500

async function shake(stream: Duplex, question: PortQuestion, own: OwnCertificate | undefined): Promise<Shaken> {
  const [tls, identityOf] = await Promise.all([import('node:tls'), identityCheck()])
  const { host, timeout, tls: wanted = {} } = question
  const name = wanted.serverName ?? host
  return new Promise((resolve) => {
    let met: Met | undefined
    const socket: TLSSocket = tls.connect({
      socket: stream,
      host: name,
      ...(isIP(name) ? {} : { servername: name }),
      ...(wanted.ca === undefined ? {} : { ca: wanted.ca }),
      ...(own ? ownOptions(own) : {}),
      // what is not believed is looked at all the same
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    const mine = socket.getCertificate() as PeerCertificate | null
    const shown = own && mine && 'subject' in mine ? certificateOf(mine) : undefined
    const end = (error?: Shaken['error']) => {
      clearTimeout(timer)
      resolve({ met, error, shown })
      socket.destroy()
      stream.destroy()
    }
    let timer = setTimeout(
      () => end({ code: 'ETIMEDOUT', message: `no handshake within ${timeout} s` }),
      timeout * 1000,
    )
    socket.on('error', (e: NodeJS.ErrnoException) => end({ code: e.code ?? '', message: e.message }))
    socket.on('close', () => end({ code: 'ECONNRESET', message: 'it ended the connection' }))
    socket.on('end', () => end({ code: 'ECONNRESET', message: 'it ended the connection' }))
    socket.on('session', () => met && end())
    socket.on('secureConnect', () => {
      const leaf = socket.getPeerCertificate(true)
      const protocol = socket.getProtocol() ?? ''
      const reason =
        wanted.ca === undefined ? undefined : (socket.authorizationError as unknown as Error | string | undefined)
      met = {
        protocol,
        chain: chainOf(leaf),
        untrusted: reason ? String((reason as NodeJS.ErrnoException).code ?? reason) : undefined,
        vouched: socket.authorized,
        otherName: identityOf(name, leaf)?.message.split('\n')[0],
      }
      clearTimeout(timer)
      if (protocol === 'TLSv1.3') timer = setTimeout(end, Math.min(patience, timeout * 1000))
      else end()
    })
    socket.resume()
  })
}

function chainOf(leaf: DetailedPeerCertificate): Certificate[] {
  const chain: Certificate[] = []
  for (let c: DetailedPeerCertificate | undefined = leaf; c && chain.length < 10; ) {
    if (!('subject' in c)) break
    chain.push(certificateOf(c))
    c = c.issuerCertificate === c ? undefined : c.issuerCertificate
  }
  return chain
}

function certificateOf(c: PeerCertificate): Certificate {
  const [from, until] = [new Date(c.valid_from), new Date(c.valid_to)]
  return {
    subject: words(c.subject),
    issuer: words(c.issuer),
    names: c.subjectaltname ?? '',
    from: from.toISOString(),
    until: until.toISOString(),
    daysLeft: Math.floor((until.getTime() - Date.now()) / 86_400_000),
    notYet: from.getTime() > Date.now(),
  }
}

/** `O=Futurex, CN=Production`. */
function words(name: PeerCertificate['subject'] | undefined): string {
  return Object.entries(name ?? {})
    .map(([key, value]) => `${key}=${[value].flat().join('+')}`)
    .join(', ')
}
