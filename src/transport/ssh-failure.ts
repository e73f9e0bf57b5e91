import type { SshTarget } from './ssh.ts'
import { ConnectError } from './stream.ts'

/** What ssh2 says of a connection that did not come about, as a reason with its hint.
 * @param tried the ways of authentication, in words. */
export function connectFailure(
  e: Error & { level?: string; code?: string },
  target: SshTarget,
  tried: readonly string[],
  timeout: number,
): ConnectError {
  const at = `${target.address} port ${target.port}`
  switch (e.code) {
    case 'ECONNREFUSED':
      return new ConnectError('refused', `${at} refused the connection`, 'is sshd running there, and on this port?')
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new ConnectError('no-route', `there is no route to ${at}`, 'check the address and the network')
    case 'ETIMEDOUT':
      return timedOut(at, timeout)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConnectError(
        'name-unknown',
        `the name ${target.address} is not known`,
        'set ansible_host in the inventory, or check DNS',
      )
  }
  if (e.level === 'client-timeout' || /Timed out while waiting for handshake/.test(e.message))
    return timedOut(at, timeout)
  if (/too many authentication failures/i.test(e.message))
    return new ConnectError(
      'auth',
      `${at} took no more tries for ${target.user} after: ${tried.join(', ')}`,
      'name the one key that it knows with ansible_ssh_private_key_file or --private-key',
    )
  if (e.level === 'client-authentication' || /authentication methods failed/.test(e.message))
    return new ConnectError(
      'auth',
      tried.length === 0
        ? `there is nothing to log in to ${at} as ${target.user} with: no agent, key or password that it takes`
        : `${at} lets ${target.user} in by none of: ${tried.join(', ')}`,
      'name the key with ansible_ssh_private_key_file or --private-key, or ask for the password with --ask-pass',
    )
  if (/Connection lost before handshake|ECONNRESET/.test(`${e.message} ${e.code}`))
    return new ConnectError(
      'dropped',
      `the sshd of ${at} dropped the handshake`,
      'it may have too many at once (MaxStartups)',
    )
  return new ConnectError('other', `${at}: ${e.message}`)
}

function timedOut(at: string, timeout: number): ConnectError {
  return new ConnectError(
    'timeout',
    `${at} did not answer within ${timeout} s`,
    'check the address, or raise --timeout',
  )
}
