import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Client } from 'ssh2'
import { AddressError, ConnectError } from './stream.ts'

/** A stream to an address as an sshd sees it.
 * @param lost why the connection is gone.
 * @throws AddressError, ConnectError (as rejections) */
export function forward(client: Client, host: string, port: number, lost: () => string | undefined): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const gone = (why: string) => reject(new ConnectError('lost', `the connection was lost: ${why}`))
    const why = lost()
    if (why !== undefined) return gone(why)
    try {
      client.forwardOut('127.0.0.1', 0, host, port, (e, channel) => {
        if (!e) return resolve(channel)
        // a connection that dies refuses what is being opened, and says only then that it is dead
        setImmediate(() => {
          const dead = lost()
          if (dead === undefined)
            reject(forwardError(e as Error & { reason?: number | string }, addressText(host, port)))
          else gone(dead)
        })
      })
    } catch (e) {
      // ssh2 throws where it is not connected
      gone((e as Error).message)
    }
  })
}

/** A stream from this machine.
 * @throws AddressError (as a rejection) */
export function connectHere(host: string, port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    const fail = (e: Error & { code?: string; errors?: readonly (Error & { code?: string })[] }) =>
      // a name of several addresses fails with as many errors
      reject(localError(e.errors?.[0] ?? e, addressText(host, port)))
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const serviceHint = 'does the service run, and listen on this address and port?'

/** RFC 4254: 1 is administratively prohibited, 2 connect failed, 4 resource shortage. What is said besides is the sshd's. */
function forwardError({ reason, message }: Error & { reason?: number | string }, at: string): AddressError {
  const said = message.replace(/^\(SSH\) Channel open failure: /, '')
  if (reason === 1)
    return new AddressError(
      'prohibited',
      `the host's sshd lets no connection through to ${at} (${said})`,
      'it needs `AllowTcpForwarding yes` (or `local`) and a `PermitOpen` that allows this address, in sshd_config',
    )
  if (reason === 4)
    return new AddressError('limit', `the host's sshd has no room for a connection to ${at} (${said})`, serviceHint)
  if (/refused/i.test(said)) return new AddressError('refused', `${at} refused the connection`, serviceHint)
  if (/name|resolve|not known/i.test(said)) return nameUnknown(at)
  if (/route|unreachable/i.test(said)) return noRoute(at)
  if (/timed out/i.test(said)) return new AddressError('timeout', `${at} does not answer`, serviceHint)
  // OpenSSH tells no more than this
  if (reason === 2) return new AddressError('refused', `${at} can't be reached from the host (${said})`, serviceHint)
  return new AddressError('other', `the host opens no connection to ${at}: ${said}`)
}

function localError(e: Error & { code?: string }, at: string): AddressError {
  switch (e.code) {
    case 'ECONNREFUSED':
      return new AddressError('refused', `${at} refused the connection`, serviceHint)
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return noRoute(at)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return nameUnknown(at)
    case 'ETIMEDOUT':
      return new AddressError('timeout', `${at} does not answer`, serviceHint)
    default:
      return new AddressError('other', `${at}: ${e.message}`)
  }
}

const nameUnknown = (at: string) =>
  new AddressError('name-unknown', `the host does not know the name in ${at}`, 'check its DNS and /etc/hosts')

const noRoute = (at: string) =>
  new AddressError('no-route', `the host has no route to ${at}`, 'check the address and the network')
