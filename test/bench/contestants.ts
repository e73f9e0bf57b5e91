import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import type { Lab } from '../lab/lab.ts'
import { ansibleCore, pythonTool } from '../lab/python-tools.ts'
import { type Timed, timed } from './timed.ts'

export type Mode = 'apply' | 'check'

/** What is measured: it brings all hosts of a lab into state, or says what it would change. */
export interface Contestant {
  readonly name: string
  readonly version: string
  /** @throws Error when it did not do all it was to do. */
  readonly run: (lab: Lab, mode: Mode) => Promise<Timed>
  readonly checks: boolean
}

const here = join(process.cwd(), 'test/bench')
const main = join(process.cwd(), 'dist/main.js')
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** @param dir where playbooks and files are; `writeBenchFiles` was there. */
export function ourselves(dir: string): Contestant {
  const playbook = join(dir, 'runbook.yml')
  writeFileSync(playbook, playOf(readFileSync(join(here, 'tasks.yml'), 'utf8')))
  return {
    name: 'runbook',
    version: `${manifest.version} on Node ${process.versions.node}`,
    checks: true,
    run: async (lab, mode) =>
      must(
        await timed([process.execPath, main, mode, playbook, ...reach(lab), '--output', 'ndjson']),
        mode === 'check',
      ),
  }
}

/** The options by which runbook reaches a lab. */
export function reach(lab: Lab): string[] {
  return ['-i', lab.inventoryFile, '--known-hosts', lab.knownHostsFile]
}

/** The hand-written program; it only asks. */
export async function floor(dir: string): Promise<Contestant> {
  // beside node_modules, so that it finds ssh2
  const program = join(process.cwd(), `node_modules/.runbook-floor-${process.pid}.mjs`)
  await build({
    entryPoints: [join(here, 'floor.ts')],
    outfile: program,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  process.on('exit', () => spawnSync('rm', ['-f', program]))
  return {
    name: 'floor',
    version: 'test/bench/floor.ts, ssh2',
    checks: false,
    run: async (lab) =>
      must(await timed([process.execPath, program, lab.keyFile, ...lab.hosts.map((h) => h.address)], { cwd: dir })),
  }
}

/** ansible-core as its users make it quick. */
export function ansible(dir: string, mitogen = false): Contestant | undefined {
  const packages = mitogen ? [ansibleCore, 'mitogen==0.3.*'] : [ansibleCore]
  const program = pythonTool(mitogen ? 'mitogen' : 'ansible', packages, 'ansible-playbook')
  if (program === undefined) return undefined
  const playbook = join(dir, 'ansible.yml')
  const tasks = readFileSync(join(here, 'tasks.yml'), 'utf8').replace('systemd_unit:', 'systemd_service:')
  writeFileSync(playbook, playOf(tasks))
  const home = join(dir, mitogen ? 'mitogen' : 'ansible')
  mkdirSync(home, { recursive: true })
  const env: Record<string, string> = {
    HOME: home,
    ANSIBLE_PIPELINING: '1',
    ANSIBLE_FORKS: '10',
    ANSIBLE_SSH_ARGS: '-o ControlMaster=auto -o ControlPersist=60s',
    ANSIBLE_HOST_KEY_CHECKING: '1',
    ...(mitogen ? { ANSIBLE_STRATEGY: 'mitogen_linear', ANSIBLE_STRATEGY_PLUGINS: strategyOf(program) } : {}),
  }
  return {
    name: mitogen ? 'Mitogen' : 'ansible-core',
    version: versions(program, mitogen ? ['mitogen', 'ansible-core'] : ['ansible-core']),
    checks: !mitogen,
    run: async (lab, mode) =>
      must(
        await timed([program, '-i', lab.inventoryFile, playbook, ...(mode === 'check' ? ['--check'] : [])], {
          env,
          cwd: dir,
        }),
      ),
  }
}

export function pyinfra(dir: string): Contestant | undefined {
  const program = pythonTool('pyinfra', ['pyinfra==3.*'], 'pyinfra')
  if (program === undefined) return undefined
  return {
    name: 'pyinfra',
    version: versions(program, ['pyinfra']),
    checks: false,
    run: async (lab) => {
      const inventory = join(dir, 'inventory.py')
      writeFileSync(inventory, pyinfraInventory(lab))
      return must(
        await timed([program, '-y', inventory, join(here, 'deploy.py')], {
          env: { BENCH_FILES: dir, HOME: join(dir) },
          cwd: dir,
        }),
      )
    },
  }
}

function pyinfraInventory(lab: Lab): string {
  const rows = lab.hosts.map((h) => `    ("${h.address}", {}),`)
  return [
    'hosts = ([',
    ...rows,
    '], {',
    `    "ssh_user": "root", "ssh_key": "${lab.keyFile}",`,
    `    "ssh_known_hosts_file": "${lab.knownHostsFile}", "ssh_strict_host_key_checking": "yes",`,
    '})',
    '',
  ].join('\n')
}

function playOf(tasks: string): string {
  const body = tasks.split('\n').filter((l) => l !== '' && !l.startsWith('#'))
  return `- hosts: all\n  gather_facts: false\n  tasks:\n${body.map((l) => `    ${l}`).join('\n')}\n`
}

function strategyOf(program: string): string {
  const python = join(dirname(program), 'python')
  const asked = spawnSync(python, ['-c', 'import ansible_mitogen as m; print(m.__path__[0])'], { encoding: 'utf8' })
  return join(asked.stdout.trim(), 'plugins/strategy')
}

function versions(program: string, packages: readonly string[]): string {
  const python = join(dirname(program), 'python')
  const code = `from importlib.metadata import version as v; print(', '.join(f'{p} {v(p)}' for p in ${JSON.stringify(packages)}))`
  return spawnSync(python, ['-c', code], { encoding: 'utf8' }).stdout.trim()
}

function must(done: Timed, mayChange = false): Timed {
  if (done.status === 0 || (mayChange && done.status === 2)) return done
  throw new Error(`exit status ${done.status}: ${done.stderr.slice(-3000)}${done.stdout.slice(-3000)}`)
}
