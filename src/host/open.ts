import { type CommandStream, ConnectError, type Connection } from '../transport/stream.ts'
import { bootstrapCommand } from './bootstrap.ts'
import { isLoopEnding, newNonce, Session, type SessionLost } from './session.ts'
import { quote } from './shell.ts'

/** As whom a shell runs on a host. */
export interface Become {
  readonly user: string
  /** For sudo, where it asks. */
  readonly password?: string | undefined
}

/** Opens the framed shell on a connection; under sudo when another user is wanted. It does not wait for the host: what is
 * sent on the session at once goes ahead.
 * @throws ConnectError when sudo refuses the password. */
export async function openSession(connection: Connection, become?: Become): Promise<Session> {
  const nonce = newNonce()
  const loop = bootstrapCommand(nonce)
  if (!become) return new Session(await connection.exec(loop), nonce)
  const prompt = `runbook-${nonce}:`
  const ask = become.password === undefined ? '-n' : `-S -p ${prompt}`
  const stream = await connection.exec(`exec sudo -H ${ask} -u ${quote(become.user)} -- ${loop.replace(/^exec /, '')}`)
  const session = new Session(stream, nonce)
  if (become.password !== undefined) await answerPrompt(stream, session, prompt, become)
  return session
}

/** Why a session never started, as an error for the report. */
export function startFailure(e: SessionLost, become?: Become): ConnectError {
  if (become && e.code !== undefined && !isLoopEnding(e.code)) return becomeError(e.message, e.code, become)
  return new ConnectError('shell', `no POSIX shell was started on the host: ${e.message}`)
}

function becomeError(said: string, code: number, { user, password }: Become): ConnectError {
  const last = said.trim().split('\n').pop() ?? ''
  if (/must have a tty/.test(said))
    return new ConnectError(
      'become',
      `sudo on the host works only on a terminal (requiretty), so ${user} can not be become`,
      `take requiretty away for this user: \`Defaults:NAME !requiretty\` in /etc/sudoers.d`,
    )
  if (/a password is required|a terminal is required/.test(said))
    return new ConnectError(
      'become',
      `sudo asks for a password to become ${user}`,
      'give it with --ask-become-pass, or ansible_become_password in the inventory',
    )
  if (password !== undefined && /try again|incorrect password/i.test(said))
    return new ConnectError(
      'become',
      `sudo does not take this password to become ${user}`,
      'check what --ask-become-pass was given',
    )
  if (/not in the sudoers|not allowed to/.test(said))
    return new ConnectError(
      'become',
      `this user may not become ${user} by sudo`,
      'allow it in /etc/sudoers.d, or connect as another user',
    )
  if (code === 127 || /sudo.*not found|not found.*sudo/i.test(said))
    return new ConnectError('become', 'there is no sudo on the host', 'install sudo, or connect as root without become')
  if (/unknown user/.test(said)) return new ConnectError('no-user', `the host has no user ${user}`)
  return new ConnectError('become', `sudo to ${user} failed: ${last || 'it ended at once'}`)
}

/** Gives sudo the password when, and only when, it asks: a line that sudo does not read would be the loop's. */
async function answerPrompt(stream: CommandStream, session: Session, prompt: string, become: Become): Promise<void> {
  const opened = session.ready.then(
    () => true,
    () => true,
  )
  let sent = false
  for (;;) {
    if (await Promise.race([opened, new Promise<false>((r) => setTimeout(r, 10, false))])) return
    const asked = stream.errors().split(prompt).length - 1
    if (asked > 1) {
      await session.kill()
      throw becomeError('try again', 1, become)
    }
    if (asked === 1 && !sent) stream.input.write(`${become.password}\n`)
    sent ||= asked === 1
  }
}
