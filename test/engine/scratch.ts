import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepare } from '../../src/engine/prepare.ts'
import { Run, type RunOptions } from '../../src/engine/run.ts'
import { registry } from '../../src/generated/registry.ts'
import { complete, emptyInventory, groupOf, hostOf } from '../../src/inventory/inventory.ts'
import { constantValue, dataValue } from '../../src/language/compile.ts'
import { formatDiagnostic } from '../../src/language/diagnostic.ts'
import { loadPlaybook } from '../../src/language/load-playbook.ts'
import { prepareValidators } from '../../src/language/validators.ts'
import type { Module } from '../../src/module.ts'
import type { Event, RecapEvent, TaskEvent } from '../../src/report/events.ts'
import { localConnection } from '../../src/transport/local.ts'

/** A directory of its own, gone when the process ends. */
export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'engine-test-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export interface Ran {
  readonly events: readonly Event[]
  readonly tasks: readonly TaskEvent[]
  readonly warnings: readonly string[]
  readonly recap: RecapEvent
}

export interface RanOptions extends Partial<Omit<RunOptions, 'plays' | 'emit' | 'extra'>> {
  readonly hosts?: readonly string[]
  readonly modules?: readonly Module[]
  readonly extra?: Record<string, unknown>
  readonly tags?: readonly string[]
  readonly onEvent?: (event: Event, run: Run) => void
}

/** Loads a playbook and runs it on this machine, under names of hosts of its own. Nothing but the connection is put in.
 * @throws Error with the diagnostics of a playbook that is wrong. */
export async function run(mode: 'apply' | 'check', text: string, options: RanOptions = {}): Promise<Ran> {
  const { hosts = ['here'], modules: own = [], tags = [], extra = {}, onEvent, ...rest } = options
  const modules = new Map<string, Module>([...registry, ...own.map((m) => [m.name, m] as const)])
  await prepareValidators(modules.values())
  const inventory = emptyInventory()
  const item = {
    kind: 'scalar',
    value: 'local',
    quoted: false,
    span: { source: { path: '', text: '' }, start: 0, end: 0 },
  } as const
  for (const name of hosts) {
    const host = hostOf(inventory, name)
    host.vars.set('ansible_connection', { value: constantValue(item), from: 'test' })
    groupOf(inventory, 'all').hosts.add(name)
  }
  complete(inventory)
  const set = { get: (name: string) => modules.get(name), names: () => [...modules.keys()] }
  const loaded = loadPlaybook({ path: join(process.cwd(), 'test/engine/play.yml'), text }, set)
  const values = new Map(Object.entries(extra).map(([k, v]) => [k, dataValue(v)]))
  const selection = { tags, skipTags: [], extra: values, target: {} }
  const ready = loaded.playbook
    ? prepare([loaded.playbook], inventory, modules, selection)
    : { plays: [], diagnostics: [] }
  const wrong = [...loaded.diagnostics, ...ready.diagnostics]
  if (wrong.length > 0) throw new Error(wrong.map((d) => formatDiagnostic(d)).join('\n'))
  const events: Event[] = []
  const it: Run = new Run({
    mode,
    playbooks: ['play.yml'],
    version: 'test',
    forks: 10,
    diff: false,
    become: false,
    becomePassword: undefined,
    forceHandlers: false,
    strict: false,
    connect: async () => localConnection,
    ...rest,
    extra: values,
    plays: ready.plays,
    emit: (event) => {
      events.push(event)
      onEvent?.(event, it)
    },
  })
  await it.start()
  return {
    events,
    tasks: events.filter((e): e is TaskEvent => e.event === 'task'),
    warnings: events.flatMap((e) => (e.event === 'warning' ? [`${e.code}: ${e.message}`] : [])),
    recap: events.find((e): e is RecapEvent => e.event === 'recap')!,
  }
}
