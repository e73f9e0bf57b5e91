import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newKeyPair } from './key-pair.ts'
import { type EmbeddedHost, startHost } from './server.ts'

export interface EmbeddedHosts {
  /** Holds `hosts.yml`, `known_hosts`, `key` and a home for each host. */
  readonly dir: string
  readonly stop: () => Promise<void>
}

/** Starts hosts e1 … eN, with all that is needed to reach them in a private directory. */
export async function startHosts(count: number): Promise<EmbeddedHosts> {
  const dir = mkdtempSync(join(tmpdir(), 'runbook-embedded-'))
  // a test that fails may not come to its end
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  const user = newKeyPair()
  writeFileSync(join(dir, 'key'), user.private, { mode: 0o600 })
  mkdirSync(join(dir, 'homes'))
  const hosts: EmbeddedHost[] = []
  const [inventory, known] = [['all:', '  hosts:'], [] as string[]]
  for (let i = 1; i <= count; i++) {
    const own = newKeyPair()
    const home = join(dir, 'homes', `e${i}`)
    const host = await startHost({ home, hostKey: own.private, userKey: user.public })
    hosts.push(host)
    known.push(`[127.0.0.1]:${host.port} ${own.public.trim()}`)
    inventory.push(`    e${i}: { ansible_host: 127.0.0.1, ansible_port: ${host.port} }`)
  }
  inventory.push('  vars:', `    ansible_ssh_private_key_file: ${join(dir, 'key')}`)
  writeFileSync(join(dir, 'known_hosts'), `${known.join('\n')}\n`, { mode: 0o600 })
  writeFileSync(join(dir, 'hosts.yml'), `${inventory.join('\n')}\n`)
  return {
    dir,
    stop: async () => {
      await Promise.all(hosts.map((h) => h.close()))
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
