import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../lab/lab.ts'
import { startProxy } from '../lab/proxy.ts'
import { median, timed } from './timed.ts'

const main = join(process.cwd(), 'dist/main.js')

/** The most trips any host took, as the recap of a run tells. */
export function tripsOf(events: string): number {
  const recap = JSON.parse(events.trim().split('\n').at(-1)!) as { hosts: Record<string, { trips: number }> }
  return Math.max(...Object.values(recap.hosts).map((h) => h.trips))
}

/** Milliseconds, at a round-trip time of 50. */
export interface Distance {
  readonly ssh: number
  readonly apply: number
}

/** `ssh HOST true` and an apply that finds nothing to do, through a line that is 25 ms long each way. */
export async function measureDistance(lab: Lab, playbook: string, dir: string, rounds: number): Promise<Distance> {
  const host = lab.hosts[0]!
  const proxy = await startProxy({ address: host.address }, { delay: 25 })
  try {
    const known = join(dir, 'far-known')
    const key = readFileSync(lab.knownHostsFile, 'utf8')
      .split('\n')
      .find((l) => l.startsWith(`${host.address} `))!
    writeFileSync(known, `${key.replace(host.address, `[${proxy.address}]:${proxy.port}`)}\n`)
    const inventory = join(dir, 'far.yml')
    const reached = `ansible_host: ${proxy.address}, ansible_port: ${proxy.port}, ansible_user: root`
    writeFileSync(inventory, `all:\n  hosts:\n    far: { ${reached}, ansible_ssh_private_key_file: ${lab.keyFile} }\n`)
    const ssh = [
      'ssh',
      '-F',
      '/dev/null',
      '-o',
      `UserKnownHostsFile=${known}`,
      '-o',
      'BatchMode=yes',
      '-i',
      lab.keyFile,
    ]
    const took = { ssh: [] as number[], apply: [] as number[] }
    for (let i = 0; i < rounds; i++) {
      const plain = await timed([...ssh, '-p', String(proxy.port), `root@${proxy.address}`, 'true'])
      const ours = await timed([process.execPath, main, 'apply', playbook, '-i', inventory, '--known-hosts', known])
      if (plain.status !== 0 || ours.status !== 0) throw new Error(`${plain.stderr}${ours.stderr}${ours.stdout}`)
      took.ssh.push(plain.ms)
      took.apply.push(ours.ms)
    }
    return { ssh: median(took.ssh), apply: median(took.apply) }
  } finally {
    await proxy.close()
  }
}

export interface Crowd {
  readonly connections: number
  readonly failed: number
  readonly seconds: number
  readonly peakMb: number
}

/** Twenty names for each host, all connected at once. */
export async function measureCrowd(lab: Lab, playbook: string, dir: string): Promise<Crowd> {
  const inventory = join(dir, 'crowd.yml')
  const names = lab.hosts.flatMap((h) =>
    Array.from({ length: 20 }, (_, i) => `    ${h.name}-${i}: { ansible_host: ${h.address} }`),
  )
  const vars = `  vars: { ansible_user: root, ansible_ssh_private_key_file: ${lab.keyFile} }`
  writeFileSync(inventory, `all:\n${vars}\n  hosts:\n${names.join('\n')}\n`)
  const reach = ['-i', inventory, '--known-hosts', lab.knownHostsFile, '--forks', '200', '--output', 'ndjson']
  const done = await timed([process.execPath, main, 'apply', playbook, ...reach], { memory: true })
  const recap = JSON.parse(done.stdout.trim().split('\n').at(-1)!) as {
    hosts: Record<string, { ok: number; failed: number; unreachable: number }>
  }
  const hosts = Object.values(recap.hosts)
  const well = hosts.filter((h) => h.ok > 0 && h.failed === 0 && h.unreachable === 0).length
  return { connections: names.length, failed: names.length - well, seconds: done.ms / 1000, peakMb: done.peakMb }
}
