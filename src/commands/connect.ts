import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../inventory/connection.ts'
import { openLocal } from '../transport/local.ts'
import type { Connection } from '../transport/stream.ts'
import type { RunningOptions } from './options.ts'
import { askSecret } from './prompt.ts'

/** Seconds between two signs of life: a host that gives none is lost after four times as long. */
const keepalive = 10

/** How hosts are connected to. ssh2 is loaded for the first host that needs it. */
export function connectTo(
  options: RunningOptions,
  password: string | undefined,
): (target: Target) => Promise<Connection> {
  let ssh: Promise<(target: Target) => Promise<Connection>> | undefined
  const load = async () => {
    const { sshConnector } = await import('../transport/ssh.ts')
    return sshConnector({
      knownHosts: options.knownHosts
        ? [options.knownHosts]
        : [join(homedir(), '.ssh/known_hosts'), '/etc/ssh/ssh_known_hosts'],
      acceptNew: options.acceptNew ?? false,
      connectTimeout: options.timeout,
      keepalive,
      agent: process.env.SSH_AUTH_SOCK,
      password,
      askPassphrase: (file) => askSecret(`passphrase of ${file}: `),
    })
  }
  return async (target) => {
    if (target.kind === 'local') return { exec: async (command) => openLocal(command), close: async () => {} }
    ssh ??= load()
    return (await ssh)(target)
  }
}
