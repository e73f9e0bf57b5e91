import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const cache = '/var/cache/runbook-lab/python'

/** A virtual environment with these packages, made once a machine; undefined where it can't be made. */
export function pythonTool(name: string, packages: readonly string[], program: string): string | undefined {
  const at = join(cache, name)
  const path = join(at, 'bin', program)
  if (existsSync(path)) return path
  mkdirSync(cache, { recursive: true })
  const made = spawnSync('python3', ['-m', 'venv', at])
  if (made.status !== 0) return undefined
  const installed = spawnSync(join(at, 'bin/pip'), ['install', '-q', ...packages], { timeout: 400_000 })
  return installed.status === 0 && existsSync(path) ? path : undefined
}

/** As it was measured against. */
export const ansibleCore = 'ansible-core==2.19.*'
