import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

const main = join(process.cwd(), 'dist/main.js')

/** Runs the built command line against a lab. */
export function runbook(
  args: readonly string[],
  lab?: Lab,
  options: { cwd?: string; env?: Record<string, string>; timeout?: number } = {},
): { status: number; stdout: string; stderr: string } {
  if (!existsSync(main)) throw new Error('dist/ is not built: npm run build')
  const reach = lab ? ['-i', lab.inventoryFile, '--known-hosts', lab.knownHostsFile] : []
  const done = spawnSync(process.execPath, [main, ...args, ...reach], {
    encoding: 'utf8',
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    timeout: options.timeout ?? 120_000,
    maxBuffer: 1 << 27,
  })
  return { status: done.status ?? -1, stdout: done.stdout, stderr: done.stderr }
}
