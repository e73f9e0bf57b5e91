import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../inventory/connection.ts'
import { Dialled } from '../transport/dial.ts'
import { localConnection } from '../transport/local.ts'
import type { SshConnector } from '../transport/ssh.ts'
import type { Connection } from '../transport/stream.ts'
import type { RunningOptions } from './options.ts'
import { askSecret } from './prompt.ts'
import { Interrupted } from './usage-error.ts'

/** Seconds between two signs of life: a host that gives none is lost after four times as long. */
const keepalive = 10

/** How these hosts are connected to. What has to be asked for that is asked now: later the screen is the reporter's. ssh2 is
 * loaded only where a host needs it.
 * @param first those that will be connected to at once. */
export async function connectTo(
  targets: readonly Target[],
  first: readonly Target[],
  options: RunningOptions,
  password: string | undefined,
): Promise<(target: Target) => Promise<Connection>> {
  const remote = targets.filter((t) => t.kind === 'ssh')
  let ssh: SshConnector | undefined
  let interrupted: Interrupted | undefined
  if (remote.length > 0) {
    const dialled = new Dialled()
    for (const t of first) if (t.kind === 'ssh') dialled.ahead(t.address, t.port)
    const { sshConnector } = await import('../transport/ssh.ts')
    ssh = await sshConnector({
      knownHosts: options.knownHosts
        ? [options.knownHosts]
        : [join(homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'],
      acceptNew: options.acceptNew ?? false,
      connectTimeout: options.timeout,
      keepalive,
      agent: process.env.SSH_AUTH_SOCK,
      password,
      dialled,
      askPassphrase: (file) =>
        askSecret(`passphrase of ${file}: `).catch((e: Error) => {
          if (e instanceof Interrupted) interrupted = e
          throw e
        }),
    })
    await ssh.unlock(remote)
    if (interrupted) throw interrupted
  }
  return async (target) => {
    if (target.kind === 'local') return localConnection
    // what the command line says comes before the inventory
    return ssh!.connect(options.knownHosts === undefined ? target : { ...target, knownHosts: undefined })
  }
}
