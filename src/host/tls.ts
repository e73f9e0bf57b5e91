import { isIP, isIPv6 } from 'node:net'
import type { Duplex } from 'node:stream'
import type { checkServerIdentity } from 'node:tls'
import type { TlsTrust } from './channel.ts'

/** Whether a certificate is for a name or an address. Node 22.23 and 24 take an IPv6 address for a name, which no certificate
 * has. */
export async function identityCheck(): Promise<typeof checkServerIdentity> {
  const [tls, { X509Certificate }] = await Promise.all([import('node:tls'), import('node:crypto')])
  return (name, cert) => {
    const error = tls.checkServerIdentity(name, cert)
    return error && isIPv6(name) && new X509Certificate(cert.raw).checkIP(name) ? undefined : error
  }
}

/** TLS on a stream, as a client.
 * @throws Error with Node's code when the server is not believed. */
export async function tlsOver(stream: Duplex, host: string, { ca, serverName, unverified }: TlsTrust): Promise<Duplex> {
  const [{ connect }, checkServerIdentity] = await Promise.all([import('node:tls'), identityCheck()])
  return new Promise((resolve, reject) => {
    const name = serverName ?? host
    const socket = connect({
      socket: stream,
      host: name,
      // an address is no name that a server is asked for
      ...(isIP(name) ? {} : { servername: name }),
      ...(ca === undefined ? {} : { ca }),
      rejectUnauthorized: !unverified,
      checkServerIdentity,
      ALPNProtocols: ['http/1.1'],
    })
    const fail = (e: Error) => {
      stream.destroy()
      reject(e)
    }
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

/** What servers that speak TLS answer to who speaks HTTP to them: of Go (Vault, OpenBao), nginx, Apache. */
const wantsTls =
  /HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|plain HTTP to an SSL-enabled/i

/** What such an answer means; undefined for any other. */
export function spokeWithoutTls(status: number, body: unknown, host: string) {
  if (status !== 400 || typeof body !== 'string' || !wantsTls.test(body)) return undefined
  return {
    unreachable: `${host} speaks TLS, and was asked without`,
    hint: `\`address: https://${host}\``,
    forGood: true as const,
    sent: false,
  }
}

/** The names that a certificate has, as Node tells them: `DNS:vault, IP Address:192.0.2.1`. */
const namesOf = (e: Error) =>
  ((e as { cert?: { subjectaltname?: string } }).cert?.subjectaltname ?? '')
    .split(/, */)
    .map((n) => n.replace(/^[^:]*:/, ''))
    .filter((n) => n !== '')

/** Why a stream gave no answer: what Node says of TLS and HTTP, as one sentence with its hint. `forGood`: time alone does
 * not change it. */
export function streamFailure(
  e: Error & { code?: string },
  host: string,
): { unreachable: string; hint?: string; forGood?: true } {
  const trust = 'give the certificate that signed it with `ca_cert`'
  switch (e.code) {
    case 'CERT_HAS_EXPIRED':
      return { unreachable: `the certificate of ${host} has expired`, hint: 'renew it on the server', forGood: true }
    case 'CERT_NOT_YET_VALID':
      return { unreachable: `the certificate of ${host} is not valid yet`, hint: 'compare the clocks' }
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const names = namesOf(e)
      return {
        unreachable: `the certificate of ${host} is not for this name: it is for ${names.length === 0 ? 'none' : names.join(', ')}`,
        hint: `${names.length === 0 ? '' : `believe it by a name that it has (\`tls_server_name: ${names[0]}\`), or `}have it issued for this one`,
        forGood: true,
      }
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return {
        unreachable: `nobody who is believed signed the certificate of ${host}: it is self-signed`,
        hint: trust,
        forGood: true,
      }
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return { unreachable: `nobody who is believed signed the certificate of ${host}`, hint: trust, forGood: true }
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return { unreachable: `${host} does not speak TLS`, hint: `\`address: http://${host}\``, forGood: true }
    case 'ECONNRESET':
    case 'EPIPE':
      return { unreachable: `${host} ended the connection before it answered` }
  }
  if (e.code?.startsWith('HPE_')) return { unreachable: `what answers at ${host} does not speak HTTP` }
  return { unreachable: `${host}: ${e.message}` }
}
