import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

// what root made others may not be able to run, and have no place in
const cache =
  process.getuid?.() === 0 ? '/var/cache/runbook-lab/servers' : join(homedir(), '.cache/runbook-lab/servers')

/** Runs shell text that fills the directory $new; the directory appears whole or not at all. One process does it, the
 * others wait. */
export function makeOnce(name: string, script: string, argument: string): string {
  const at = join(cache, name)
  if (existsSync(at)) return at
  mkdirSync(cache, { recursive: true })
  const text = `set -eu
test ! -e "$2" || exit 0
new=$2.new
rm -rf "$new"
mkdir "$new"
${script}
mv "$new" "$2"`
  const done = spawnSync('flock', [`${at}.lock`, 'sh', '-c', text, 'sh', argument, at], {
    encoding: 'utf8',
    timeout: 540_000,
  })
  if (done.status !== 0)
    throw new Error(`${name} can't be made: ${`${done.error?.message ?? ''}${done.stdout}${done.stderr}`.slice(-2000)}`)
  return at
}
