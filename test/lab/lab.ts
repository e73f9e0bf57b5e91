import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { base, cache, makeBase } from './base.ts'
import { intoOwnGroups, removeGroups } from './cgroup.ts'

export { canBootLab } from './base.ts'

export interface LabHost {
  readonly name: string
  readonly address: string
  /** Its root as seen from outside. */
  readonly root: string
}

/** Real hosts on loopback: each a systemd with an sshd of its own. */
export interface Lab {
  readonly hosts: readonly LabHost[]
  readonly dir: string
  readonly keyFile: string
  readonly knownHostsFile: string
  /** As Ansible reads it too. */
  readonly inventoryFile: string
  /** Runs a program inside a host. */
  readonly run: (name: string, argv: readonly string[]) => { status: number; stdout: string; stderr: string }
  readonly reboot: (name: string) => Promise<void>
  /** Leaves no process, mount or file. */
  readonly stop: () => void
}

/** In the environment of what a test itself runs inside a host, to tell it from what the product runs there. */
export const labOwn = 'RUNBOOK_LAB=own'

const runs = join(cache, 'runs')
const users = 'root deploy admin plain shbash shdash shzsh shfish shcsh shmksh noisy'.split(' ')

/** Boots hosts h1 … hN. What a run that crashed left is swept first.
 * @param options.keep they outlive this process. */
export async function bootLab(count: number, options: { keep?: boolean } = {}): Promise<Lab> {
  makeBase((line) => console.error(line))
  makeRoom()
  sweep()
  const block = claimBlock()
  const dir = join(runs, String(block))
  const keyFile = join(dir, 'key')
  keygen(keyFile)
  const hosts = Array.from({ length: count }, (_, i): LabHost => {
    const name = `h${i + 1}`
    return { name, address: `127.77.${block}.${11 + i}`, root: join(dir, name, 'root') }
  })
  const stop = () => tearDown(dir)
  process.on('exit', stop)
  try {
    for (const host of hosts) prepareHost(host, dir, keyFile)
    writeInventory(dir, hosts, keyFile)
    await Promise.all(hosts.map((h) => boot(h, dir)))
    if (options.keep) {
      writeFileSync(join(dir, 'owner'), 'kept')
      process.off('exit', stop)
    }
  } catch (e) {
    stop()
    throw e
  }
  return labOf(dir, hosts, stop)
}

/** The lab that was left running, if there is one. */
export function findLab(block: string): Lab | undefined {
  const dir = join(runs, block)
  if (!existsSync(join(dir, 'hosts.yml'))) return undefined
  const hosts = readdirSync(dir)
    .filter((n) => /^h\d+$/.test(n))
    .map((name) => ({ name, address: `127.77.${block}.${10 + Number(name.slice(1))}`, root: join(dir, name, 'root') }))
  return labOf(dir, hosts, () => tearDown(dir))
}

export function keptLabs(): string[] {
  if (!existsSync(runs)) return []
  return readdirSync(runs).filter((b) => readOwner(join(runs, b)) === 'kept')
}

function labOf(dir: string, hosts: readonly LabHost[], stop: () => void): Lab {
  const hostNamed = (name: string) => hosts.find((h) => h.name === name)!
  return {
    hosts,
    dir,
    keyFile: join(dir, 'key'),
    knownHostsFile: join(dir, 'known_hosts'),
    inventoryFile: join(dir, 'hosts.yml'),
    run: (name, argv) => {
      const inside = ['--target', String(leaderOf(join(dir, name))), '--all', '--', ...argv]
      const [own, value] = labOwn.split('=') as [string, string]
      const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', [own]: value }
      const done = spawnSync('nsenter', inside, { encoding: 'utf8', env, maxBuffer: 1 << 26 })
      return { status: done.status ?? -1, stdout: done.stdout, stderr: done.stderr }
    },
    reboot: async (name) => {
      endProcess(join(dir, name))
      await boot(hostNamed(name), dir)
    },
    stop,
  }
}

const mostWatchers = '/proc/sys/fs/inotify/max_user_instances'

/** A host takes seven instances of inotify, and a Linux gives 128 to all of them together. Where none is left systemd stands
 * still while it boots, and says nothing. The limit stays raised until this machine boots. */
function makeRoom(): void {
  if (Number(readFileSync(mostWatchers, 'utf8')) >= 1024) return
  try {
    writeFileSync(mostWatchers, '1024')
  } catch {
    // in a container that may not: some hosts fit
  }
}

/** A block of addresses nobody else has; its directory is the claim. */
function claimBlock(): number {
  mkdirSync(runs, { recursive: true })
  for (let block = 1; block < 250; block++) {
    try {
      mkdirSync(join(runs, String(block)), { mode: 0o700 })
      writeFileSync(join(runs, String(block), 'owner'), String(process.pid))
      return block
    } catch {
      // somebody has it
    }
  }
  throw new Error('no block of addresses is free')
}

function keygen(file: string): void {
  spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', file])
}

function prepareHost(host: LabHost, dir: string, keyFile: string): void {
  const at = join(dir, host.name)
  const upper = join(at, 'upper')
  for (const part of ['upper/etc/ssh/sshd_config.d', 'work', 'root']) mkdirSync(join(at, part), { recursive: true })
  keygen(join(upper, 'etc/ssh/ssh_host_ed25519_key'))
  const publicKey = readFileSync(join(upper, 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8').trim()
  appendFileSync(join(dir, 'known_hosts'), `${host.address} ${publicKey.split(' ').slice(0, 2).join(' ')}\n`)
  writeFileSync(
    join(upper, 'etc/ssh/sshd_config.d/address.conf'),
    `ListenAddress ${host.address}\nHostKey /etc/ssh/ssh_host_ed25519_key\nAuthorizedKeysFile /etc/ssh/lab_keys\n`,
  )
  writeFileSync(join(upper, 'etc/ssh/lab_keys'), readFileSync(`${keyFile}.pub`))
  writeFileSync(join(upper, 'etc/hostname'), `${host.name}\n`)
  writeFileSync(join(upper, 'etc/hosts'), `127.0.0.1 localhost ${host.name}\n`)
}

function writeInventory(dir: string, hosts: readonly LabHost[], keyFile: string): void {
  const lines = [
    'all:',
    '  vars:',
    '    ansible_user: root',
    `    ansible_ssh_private_key_file: ${keyFile}`,
    `    ansible_ssh_common_args: -o UserKnownHostsFile=${join(dir, 'known_hosts')}`,
    '    ansible_python_interpreter: /usr/bin/python3',
    '  hosts:',
    ...hosts.map((h) => `    ${h.name}: { ansible_host: ${h.address} }`),
  ]
  writeFileSync(join(dir, 'hosts.yml'), `${lines.join('\n')}\n`)
}

async function boot(host: LabHost, dir: string): Promise<void> {
  const at = join(dir, host.name)
  const options = `lowerdir=${base},upperdir=${join(at, 'upper')},workdir=${join(at, 'work')}`
  if (!isMounted(host.root)) must('mount', ['-t', 'overlay', 'overlay', '-o', options, host.root])
  const log = openSync(join(at, 'console'), 'a')
  const child = spawn(
    'sh',
    [
      '-c',
      `${intoOwnGroups(groupOf(at))}; exec systemd-nspawn "$@"`,
      'sh',
      `--directory=${host.root}`,
      `--machine=${host.name}`,
      '--boot',
      '--quiet',
      '--console=pipe',
      '--register=no',
      '--keep-unit',
      // Vault locks its memory
      '--capability=CAP_IPC_LOCK',
    ],
    { stdio: ['ignore', log, log], detached: true },
  )
  closeSync(log)
  child.unref()
  writeFileSync(join(at, 'pid'), String(child.pid))
  const said = () => readFileSync(join(at, 'console'), 'utf8').trim().split('\n').slice(-10).join('\n')
  await until(
    async () => child.exitCode !== null || (await answers(host.address)),
    180_000,
    () => `${host.name} does not answer: ${said()}`,
  )
  if (child.exitCode !== null) throw new Error(`${host.name} ended: ${said()}`)
  const nologin = () => `/proc/${leaderOf(at)}/root/run/nologin`
  await until(
    async () => leaderOf(at) !== undefined && !existsSync(nologin()),
    180_000,
    () => `${host.name} lets nobody in`,
  )
}

/** By block and host. */
function groupOf(at: string): string {
  return `runbook-lab-${basename(dirname(at))}-${basename(at)}`
}

function must(command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`)
}

function isMounted(path: string): boolean {
  return readFileSync('/proc/mounts', 'utf8').includes(` ${path} `)
}

/** Process 1 of the host, as this machine numbers it. */
function leaderOf(at: string): number | undefined {
  const pid = readPid(at)
  if (pid === undefined) return undefined
  const found = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).stdout.split('\n')[0]
  return found ? Number(found) : undefined
}

function readPid(at: string): number | undefined {
  try {
    return Number(readFileSync(join(at, 'pid'), 'utf8'))
  } catch {
    return undefined
  }
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 500 })
    const end = (ok: boolean) => {
      socket.destroy()
      resolve(ok)
    }
    socket.once('data', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
    socket.once('close', () => end(false))
  })
}

async function until(test: () => Promise<boolean>, ms: number, message: () => string): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (await test()) return
    await new Promise((r) => setTimeout(r, 50))
  }
  throw new Error(message())
}

function endProcess(at: string): void {
  const pid = readPid(at)
  if (pid === undefined || !isOurs(pid)) return
  const leader = leaderOf(at)
  try {
    process.kill(pid, 'SIGKILL')
    if (leader) process.kill(leader, 'SIGKILL')
  } catch {
    // it was gone already
  }
  for (let i = 0; i < 500 && (isOurs(pid) || (leader && isAlive(leader))); i++) spawnSync('sleep', ['0.02'])
  rmSync(join(at, 'pid'), { force: true })
}

/** Process 1 of a host is over only when all others of it are: until then an sshd of it may answer. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** A number may be somebody else's process by now. */
function isOurs(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(runs)
  } catch {
    return false
  }
}

function tearDown(dir: string): void {
  if (!existsSync(dir)) return
  for (const name of readdirSync(dir).filter((n) => /^h\d+$/.test(n))) {
    const at = join(dir, name)
    endProcess(at)
    removeGroups(groupOf(at))
    if (isMounted(join(at, 'root'))) spawnSync('umount', ['--lazy', join(at, 'root')])
  }
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
}

const readOwner = (dir: string) => readText(join(dir, 'owner'))

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Takes down what runs left that ended without doing so. */
export function sweep(): void {
  if (!existsSync(runs)) return
  for (const dir of readdirSync(runs).map((block) => join(runs, block))) {
    // whoever else sweeps it may have done so since, and somebody may have claimed the block anew
    if (isLeft(dir) && takeBroom(dir)) {
      try {
        if (isLeft(dir)) tearDown(dir)
        else rmSync(broomOf(dir), { force: true })
      } catch (e) {
        // what another run left is no reason for this one to fail
        console.error(`what a run left in ${dir} could not be removed: ${e}`)
      }
    }
  }
}

function isLeft(dir: string): boolean {
  const owner = readOwner(dir)
  return owner !== undefined && owner !== 'kept' && !existsSync(`/proc/${owner}`)
}

const broomOf = (dir: string) => join(dir, 'sweeper')

/** One at a time. */
function takeBroom(dir: string): boolean {
  const sweeper = readText(broomOf(dir))
  if (sweeper !== undefined && !existsSync(`/proc/${sweeper}`)) rmSync(broomOf(dir), { force: true })
  try {
    writeFileSync(broomOf(dir), String(process.pid), { flag: 'wx' })
    return true
  } catch {
    return false
  }
}

export { users as labUsers }
