import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TaskEvent } from '../../src/report/events.ts'
import type { Lab } from './lab.ts'
import { runbook } from './runbook.ts'

export interface Outcome {
  readonly status: number
  readonly tasks: readonly TaskEvent[]
  /** `STATUS` of each task, in order. */
  readonly statuses: readonly string[]
  readonly warnings: readonly string[]
  readonly trips: number
  /** All that was printed. */
  readonly text: string
}

/** Runs a list of tasks on a host of the lab by the built command line.
 * @param options.files beside the playbook, by path. */
export function runTasks(
  lab: Lab,
  mode: 'apply' | 'check',
  tasks: readonly object[],
  options: {
    host?: string
    files?: Readonly<Record<string, string | Buffer>>
    args?: readonly string[]
    vars?: object
  } = {},
): Outcome {
  const { host = 'h1', files = {}, args = [], vars = {} } = options
  const dir = mkdtempSync(join(tmpdir(), 'tasks-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true })
      writeFileSync(join(dir, name), content)
    }
    // JSON is YAML
    writeFileSync(join(dir, 'play.yml'), JSON.stringify([{ hosts: host, vars, tasks }]), { mode: 0o600 })
    const { status, stdout, stderr } = runbook([mode, join(dir, 'play.yml'), '--output', 'ndjson', ...args], lab)
    const events = stdout
      .split('\n')
      .filter((l) => l.startsWith('{'))
      .map((l) => JSON.parse(l))
    const found = events.filter((e): e is TaskEvent => e.event === 'task')
    return {
      status,
      tasks: found,
      statuses: found.map((t) => t.status),
      warnings: events.filter((e) => e.event === 'warning').map((e) => `${e.code}: ${e.message}`),
      trips: events.find((e) => e.event === 'recap')?.hosts[host]?.trips ?? 0,
      text: stdout + stderr,
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
