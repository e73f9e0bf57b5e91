import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where process groups of control hang that a systemd makes its own below: of version 1, 2, or both side by side. */
const hierarchies = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].filter((at) =>
  existsSync(join(at, 'cgroup.procs')),
)

/** A shell's words that move it, and what it becomes, into control groups of that name. Hosts that shared one would end
 * each other's services: a service has the same group on all of them. */
export function intoOwnGroups(name: string): string {
  const groups = hierarchies.map((at) => join(at, name))
  for (const group of groups) mkdirSync(group, { recursive: true })
  return groups.map((group) => `echo $$ >${group}/cgroup.procs`).join('; ')
}

/** Takes the groups away; what ran in them was told to end and may take a moment. */
export function removeGroups(name: string): void {
  for (let tries = 0; tries < 500 && !hierarchies.every((at) => removeBelow(join(at, name))); tries++)
    spawnSync('sleep', ['0.02'])
}

function removeBelow(group: string): boolean {
  if (!existsSync(group)) return true
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory()) removeBelow(join(group, entry.name))
    rmdirSync(group)
    return true
  } catch {
    return false
  }
}
