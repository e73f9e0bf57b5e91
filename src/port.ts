import type { PortLook, TlsLook } from './host/reads/port.ts'
import type { HsmProblem } from './hsm.ts'

// What is wrong with a port and its TLS, in words.

/** What is wanted of a port. */
export interface PortWanted {
  readonly host: string
  readonly port: number
  readonly tls?: {
    /** There are certificates that are to have signed its own. */
    readonly trust: boolean
    readonly serverName: string | undefined
    /** It is shown a certificate of ours. */
    readonly own: boolean
  }
}

/** Why a port can't be used as it should be. */
export function portProblem(look: PortLook, wanted: PortWanted): HsmProblem | undefined {
  const place = placeText(wanted)
  if (look.unreachable) {
    const hint = 'look at the address, at firewalls, and whether the HSM listens there'
    return { message: look.unreachable.message, hint: look.unreachable.hint ?? hint }
  }
  const { tls } = look
  if (!tls || !wanted.tls) return undefined
  if (tls.own?.unusable !== undefined) return unusable(tls.own.unusable)
  const ours = tls.own?.certificate
  if (ours && ours.daysLeft < 0)
    return {
      message: `our certificate ${ours.subject} expired on ${day(ours.until)}`,
      hint: 'have the CA of the HSM sign a new one',
    }
  if (ours?.notYet)
    return {
      message: `our certificate ${ours.subject} is valid only from ${day(ours.from)}`,
      hint: 'compare the clocks',
    }
  if (tls.failed && tls.own) return noHandshake(place, tls.failed, 'with our certificate')
  if (tls.failed) return noHandshake(place, tls.failed, 'without a certificate')
  return serverProblem(place, tls, wanted.tls.serverName) ?? clientProblem(place, tls, wanted.tls.own)
}

function noHandshake(place: string, { code, message }: { code: string; message: string }, shown: string): HsmProblem {
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE/.test(code))
    return { message: `${place} does not speak TLS`, hint: 'another port, or `tls: false`' }
  if (code === 'ETIMEDOUT')
    return { message: `${place} takes connections and does not answer to TLS`, hint: 'another port, or `tls: false`' }
  if (/ECONNRESET|EPIPE/.test(code))
    return {
      message: `${place} ends the TLS handshake with a client ${shown}, and does not say why`,
      hint: 'it may demand a client certificate, or another one; speak no TLS; or not let this address in: look at the log of the HSM',
    }
  if (refusals.some(([pattern]) => pattern.test(code))) return refused(place, code, shown)
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_PROTOCOLS/.test(code))
    return { message: `${place} speaks only versions of TLS that are too old`, hint: 'update the HSM’s firmware' }
  if (/NO_SHARED_CIPHER|NO_CIPHER/.test(code))
    return {
      message: `${place} and this machine have no cipher in common`,
      hint: 'look at the ciphers that the HSM allows',
    }
  return { message: `${place}: the TLS handshake failed: ${message}`, hint: 'look at the log of the HSM' }
}

function serverProblem(place: string, tls: TlsLook, serverName: string | undefined): HsmProblem | undefined {
  const old = tls.chain.find((c) => c.daysLeft < 0)
  if (old)
    return {
      message: `the certificate ${old.subject} of ${place} expired on ${day(old.until)}`,
      hint: 'renew it on the HSM',
    }
  const early = tls.chain.find((c) => c.notYet)
  if (early)
    return {
      message: `the certificate ${early.subject} of ${place} is valid only from ${day(early.from)}`,
      hint: 'compare the clocks',
    }
  if (tls.untrusted)
    return {
      message: `none of \`tls_ca\` signed the certificate of ${place}, which is by ${tls.chain.at(-1)?.issuer} (${tls.untrusted})`,
      hint: 'export the CA’s certificate from the HSM again, and all between it and the port’s',
    }
  if (serverName !== undefined && tls.otherName)
    return {
      message: `the certificate of ${place} is not for ${serverName}: it is ${nameOf(tls)}`,
      hint: 'use a name that it has, or have it issued for this one',
    }
  return undefined
}

function clientProblem(place: string, tls: TlsLook, given: boolean): HsmProblem | undefined {
  const { own, anonymous } = tls
  if (!given && !anonymous.accepted)
    return {
      message: `${place} demands a client certificate, and none is given`,
      hint: '`tls_p12`, or `tls_cert` with `tls_key`; or the port is to be anonymous',
    }
  if (!own) return undefined
  return own.accepted ? undefined : refused(place, own.because ?? '', 'with our certificate')
}

const refusals: readonly (readonly [RegExp, string])[] = [
  [/UNKNOWN_CA/, 'the HSM does not know the CA that signed it: give the port that CA, or have its own sign a new one'],
  [/CERTIFICATE_EXPIRED/, 'it has expired for the HSM: look at both clocks'],
  [/CERTIFICATE_REVOKED/, 'it was revoked: have a new one signed'],
  [/UNSUPPORTED_CERTIFICATE/, 'its key usage does not fit a client: it needs clientAuth'],
  [/BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|ACCESS_DENIED|DECRYPT_ERROR/, 'the HSM does not take it: look at its log'],
  [/CERTIFICATE_REQUIRED/, 'it demands one: the one that was given was not sent, or is of a CA that it does not name'],
  [
    /HANDSHAKE_FAILURE|ECONNRESET|EPIPE/,
    'it ends the handshake without saying why: mutual TLS may be on, look at its log',
  ],
]

function refused(place: string, because: string, shown: string): HsmProblem {
  const hint = refusals.find(([pattern]) => pattern.test(because))?.[1] ?? 'look at the log of the HSM'
  return { message: `${place} refuses a client ${shown} (${because.replace(/^ERR_SSL_/, '')})`, hint }
}

/** What OpenSSL says of a key that can't be used. */
function unusable(said: string): HsmProblem {
  const known: readonly (readonly [RegExp, string, string])[] = [
    [/mac verify failure/i, 'the password of the PKCS #12 file is wrong', 'correct `tls_key_password`'],
    [
      /bad decrypt|bad password|interrupted or cancelled|empty password/i,
      'the password of the key is wrong or missing',
      'correct `tls_key_password`',
    ],
    [/key values mismatch/i, 'the certificate is not for this key', 'take the pair that belongs together'],
    [
      /no start line|PEM|not enough data|wrong tag|asn1|DECODER/i,
      'the certificate or key is damaged or of another format',
      'PEM for `tls_cert` and `tls_key`, PKCS #12 for `tls_p12`; of 256 wrong passwords one looks like this, too',
    ],
    [/unsupported/i, 'the key is protected by a cipher that OpenSSL 3 no longer reads', 'export it anew, with AES-256'],
  ]
  const [, message, hint] = known.find(([pattern]) => pattern.test(said)) ?? [undefined, said, 'look at the files']
  return { message: `our certificate can't be used: ${message}`, hint: hint! }
}

/** What may soon be wrong, or is not as safe as it could be. */
export function portWarnings({ tls }: PortLook, { tls: wanted, host, port }: PortWanted): string[] {
  if (!tls || !wanted) return []
  const place = placeText({ host, port })
  const soon = [...tls.chain, ...(tls.own?.certificate ? [tls.own.certificate] : [])]
    .filter((c) => c.daysLeft < 30)
    .map(
      (c) =>
        `the certificate ${c.subject} expires on ${day(c.until)}, in ${c.daysLeft} day${c.daysLeft === 1 ? '' : 's'}`,
    )
  return [
    ...soon,
    ...(!wanted.trust && !tls.vouched
      ? [`nobody vouches for the certificate of ${place}: there is no \`tls_ca\`, and no CA of it in \`tls_p12\``]
      : []),
    ...(wanted.serverName === undefined && tls.otherName
      ? [`the certificate of ${place} is not for this address: it is ${nameOf(tls)}`]
      : []),
    ...(tls.own && tls.anonymous.accepted ? [`${place} lets in who shows no certificate, too`] : []),
  ]
}

/** For the result of a task. */
export function portResult(look: PortLook, { host, port }: PortWanted): Record<string, unknown> {
  const { tls } = look
  if (!tls) return { address: host, port }
  const { protocol, chain, anonymous, own } = tls
  return {
    address: host,
    port,
    protocol,
    chain,
    anonymous: anonymous.accepted,
    ...(own ? { accepted: own.accepted } : {}),
  }
}

/** `10.0.0.1:9100`, `[::1]:9100`. */
export const placeText = ({ host, port }: { readonly host: string; readonly port: number }) =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

const day = (iso: string) => iso.slice(0, 10)
const nameOf = ({ chain }: TlsLook) => [chain[0]?.subject, chain[0]?.names].filter((n) => n).join(', ')
