import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const shared = '/var/cache/runbook-lab/python'
// what root made others may not be able to run, and have no place in
const cache = process.getuid?.() === 0 ? shared : join(homedir(), '.cache/runbook-lab/python')

/** A virtual environment with these packages, made once a machine; undefined where it can't be made. */
export function pythonTool(name: string, packages: readonly string[], program: string): string | undefined {
  const at = join(cache, name)
  const path = join(at, 'bin', program)
  if (runs(path)) return path
  mkdirSync(cache, { recursive: true })
  const made = spawnSync('python3', ['-m', 'venv', at])
  if (made.status !== 0) return undefined
  const installed = spawnSync(join(at, 'bin/pip'), ['install', '-q', ...packages], { timeout: 400_000 })
  return installed.status === 0 && runs(path) ? path : undefined
}

const runs = (path: string) => spawnSync(path, ['--version']).status === 0

/** As it was measured against. */
export const ansibleCore = 'ansible-core==2.19.*'
