import { type Diagnostic, didYouMean, type Source, type Span } from './diagnostic.ts'
import { loadDocument } from './document.ts'
import { expand } from './expand-include.ts'
import { Fields } from './fields.ts'
import { entryOf, type Item, type MapItem } from './item.ts'
import { otherKey, playKeys, unsupported } from './keys.ts'
import { loadOrder, loadSerial } from './load-serial.ts'
import type { ModuleSet } from './module-set.ts'
import type { Play, Playbook, Task } from './playbook.ts'
import { TaskFiles } from './task-files.ts'

type Report = (d: Diagnostic) => void

/** Reads a playbook: its shape, its names of modules and parameters, its expressions. All that is wrong is reported at
 * once; a playbook that has errors is not to be run.
 * @param modules all that are named have to be prepared (`prepareValidators`). */
export function loadPlaybook(
  source: Source,
  modules: ModuleSet,
): { readonly playbook: Playbook | undefined; readonly diagnostics: readonly Diagnostic[] } {
  const { root, diagnostics: found } = loadDocument(source)
  const diagnostics = [...found]
  // a file that is included twice is not wrong twice
  const told = new Set<string>()
  const report: Report = (d) => {
    const key = `${d.span?.source.path} ${d.span?.start} ${d.code} ${d.message}`
    if (!told.has(key)) diagnostics.push(d)
    told.add(key)
  }
  const whole: Span = { source, start: 0, end: Math.min(1, source.text.length) }
  if (!root) {
    if (diagnostics.length === 0)
      report({ code: 'playbook', severity: 'error', message: 'the playbook is empty', span: whole })
    return { playbook: undefined, diagnostics }
  }
  if (root.kind !== 'list') {
    report({
      code: 'playbook',
      severity: 'error',
      message: 'a playbook is a list of plays',
      span: root.span,
      hint:
        entryOf(root, 'tasks') && !entryOf(root, 'hosts')
          ? 'a task file is included: `- include: FILE` in a play'
          : 'start with `- hosts: …`',
    })
    return { playbook: undefined, diagnostics }
  }
  const files = new TaskFiles(modules, source.path, report)
  const plays = root.items.flatMap((item) => loadPlay(item, files, report) ?? [])
  return { playbook: { source, plays }, diagnostics }
}

function loadPlay(item: Item, files: TaskFiles, report: Report): Play | undefined {
  if (item.kind !== 'map') {
    report({
      code: 'play',
      severity: 'error',
      message: 'a play is a mapping with `hosts` and `tasks`',
      span: item.span,
    })
    return undefined
  }
  const f = new Fields(item, report)
  checkKeys(item, f)
  if (entryOf(item, 'import_playbook')) return undefined
  const hosts = loadHosts(f)
  const own = files.tasksOf(f.get('handlers'), 'handlers')
  const { tasks, handlers: brought, lost } = expand(files.tasksOf(f.get('tasks'), 'tasks'), files, report)
  const handlers = [...(own.steps as readonly Task[]), ...brought]
  checkNotify([...tasks, ...handlers], handlers, report)
  if (!hosts) return undefined
  return {
    name: f.text('name') ?? String(hosts.evaluate({})),
    span: item.span,
    hosts,
    become: f.boolean('become'),
    becomeUser: f.value('become_user'),
    vars: f.variables('vars'),
    gatherFacts: f.flag('gather_facts', true),
    serial: loadSerial(f),
    order: loadOrder(f),
    anyErrorsFatal: f.flag('any_errors_fatal', false),
    tags: f.texts('tags'),
    tasks,
    handlers,
    lost: [...lost, ...own.lost],
  }
}

function loadHosts(f: Fields): Play['hosts'] | undefined {
  const hosts = f.value('hosts')
  if (!hosts) {
    f.error('hosts', 'the play does not say on which `hosts` it runs', f.item.entries[0]?.keySpan ?? f.item.span)
    return undefined
  }
  if (!hosts.constant) {
    f.error('hosts', '`hosts` is a plain pattern: which hosts there are is settled before any variable', hosts.span)
    return undefined
  }
  const data = [hosts.evaluate({})].flat()
  if (data.length === 0 || data.some((d) => typeof d === 'string' && d.trim() === '')) {
    f.error('hosts', '`hosts` is empty', hosts.span, 'write `hosts: all` for every host')
    return undefined
  }
  if (data.every((d) => typeof d === 'string')) return { ...hosts, evaluate: () => data.join(',') }
  f.error('hosts', '`hosts` is a pattern or a list of patterns', hosts.span)
  return undefined
}

function checkKeys(item: MapItem, f: Fields): void {
  for (const { key, keySpan } of item.entries) {
    if (playKeys.has(key)) continue
    const other = otherKey(key, 'play')
    const near = didYouMean(key, playKeys)
    if (other !== undefined)
      f.error('unsupported', `\`${key}\` of a play ${unsupported(other)}`, keySpan, other || undefined)
    else f.error('unknown-key', `a play has no key \`${key}\``, keySpan, near && `did you mean \`${near}\`?`)
  }
}

function checkNotify(tasks: readonly Task[], handlers: readonly Task[], report: Report): void {
  const names = new Set(handlers.flatMap((h) => [h.name, ...h.listen]))
  for (const value of tasks.flatMap((t) => t.notify)) {
    if (!value.constant) continue
    for (const name of [value.evaluate({})].flat().map(String)) {
      if (names.has(name)) continue
      const near = didYouMean(name, names)
      report({
        code: 'notify',
        severity: 'error',
        message: `no handler of this play is named \`${name}\` or listens to it`,
        span: value.span,
        ...(near === undefined ? {} : { hint: `did you mean \`${near}\`?` }),
      })
    }
  }
}
