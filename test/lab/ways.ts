import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { startRunbook, until } from './runbook.ts'

// How the tests of connections ask for a run, and hear how it went with each host.

export const dir = mkdtempSync(join(tmpdir(), 'connections-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
export const main = join(process.cwd(), 'dist/main.js')

let files = 0
export function file(text: string): string {
  const path = join(dir, `file-${++files}.yml`)
  writeFileSync(path, text)
  return path
}

export const play = (tasks: string, head = '') => file(`- hosts: all\n  gather_facts: false\n${head}  tasks:\n${tasks}`)
export const ping = () => play('    - ping:\n')

/** An inventory of names with variables, all of the same key. */
export function inventory(lab: Lab, hosts: Readonly<Record<string, Readonly<Record<string, unknown>>>>): string {
  const vars = { ansible_user: 'root', ansible_ssh_private_key_file: lab.keyFile }
  return file(JSON.stringify({ all: { vars, hosts } }))
}

type Event = Record<string, unknown> & { event: string; host: string; status: string; message: string; hint?: string }

export interface Told {
  readonly status: number | null
  readonly events: readonly Event[]
  readonly stderr: string
}

export async function told(lab: Lab, args: readonly string[], env: Record<string, string> = {}): Promise<Told> {
  const known = args.includes('--known-hosts') || env.HOME ? [] : ['--known-hosts', lab.knownHostsFile]
  const { status, stdout, stderr } = await startRunbook([...args, '--output', 'ndjson', ...known], undefined, env).ended
  const lines = stdout.split('\n').filter((l) => l !== '')
  return { status, stderr, events: lines.map((l) => JSON.parse(l)) }
}

/** How it went with a host: `ok`, or the words of what went wrong. */
export function wayOf({ events }: Told, host: string): string {
  const bad = events.find((e) => e.host === host && (e.status === 'unreachable' || e.status === 'failed'))
  return bad ? `${bad.status}: ${bad.message}${bad.hint ? ` | ${bad.hint}` : ''}` : 'ok'
}

export async function ways(
  lab: Lab,
  hosts: Parameters<typeof inventory>[1],
  ...args: string[]
): Promise<Record<string, string>> {
  const end = await told(lab, ['apply', ping(), '-i', inventory(lab, hosts), ...args])
  return Object.fromEntries(Object.keys(hosts).map((h) => [h, wayOf(end, h)]))
}

let nextPort = 22_001
/** One more sshd on a host.
 * @returns its port. */
export async function moreSshd(lab: Lab, host: string, ...options: string[]): Promise<number> {
  const port = nextPort++
  const more = options.flatMap((o) => ['-o', o])
  const log = `/var/log/sshd-${port}`
  const done = lab.run(host, ['/usr/sbin/sshd', '-p', `${port}`, '-E', log, '-o', 'PidFile=none', ...more])
  assert.is(done.status, 0, done.stderr)
  await untilListens(lab, host, `${lab.hosts.find((h) => h.name === host)!.address}:${port}`)
  return port
}

/** An sshd goes to the background before it listens. */
export async function untilListens(lab: Lab, host: string, at: string): Promise<void> {
  await until(`${at} is listened on`, () => lab.run(host, ['ss', '-Hltn', 'src', at]).stdout !== '')
}

export function strangeKey(): string {
  const key = join(dir, 'stranger')
  if (!existsSync(key)) spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  return key
}
