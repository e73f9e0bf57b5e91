import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, extname, isAbsolute, join } from 'node:path'
import { namesBrought } from './check-names.ts'
import { type Diagnostic, didYouMean, type Source, type Span } from './diagnostic.ts'
import { loadDocument } from './document.ts'
import { Fields } from './fields.ts'
import type { Item } from './item.ts'
import { taskFileKeys } from './keys.ts'
import { type Include, isInclude, loadInclude } from './load-include.ts'
import { loadParams } from './load-params.ts'
import { loadTask } from './load-task.ts'
import type { ModuleSet } from './module-set.ts'
import type { Task } from './playbook.ts'
import type { ParamsSchema } from './schema.ts'
import { readSource } from './source.ts'

type Report = (d: Diagnostic) => void

/** Tasks, and where files of them are included, in order. */
export interface Written {
  readonly steps: readonly (Task | Include)[]
  /** Names that tasks would bring which could not be read. */
  readonly lost: readonly string[]
}

export interface TaskFile extends Written {
  readonly source: Source
  readonly name: string
  readonly params: ParamsSchema
  readonly handlers: readonly Task[]
}

/** The task files that a playbook includes, each read once. */
export class TaskFiles {
  readonly #modules: ModuleSet
  readonly #playbook: string
  readonly #report: Report
  readonly #files = new Map<string, TaskFile | undefined>()

  /** @param playbook its path. */
  constructor(modules: ModuleSet, playbook: string, report: Report) {
    this.#modules = modules
    this.#playbook = dirname(playbook)
    this.#report = report
  }

  /** @returns undefined where it can't be read, which was told. */
  fileOf({ file, fileSpan }: Include): TaskFile | undefined {
    const path = this.#find(file, fileSpan)
    if (path === undefined) return undefined
    if (!this.#files.has(path)) this.#files.set(path, this.#load(path, fileSpan))
    return this.#files.get(path)
  }

  /** Reads a list of tasks.
   * @param key what it is called where it stands. */
  tasksOf(item: Item | undefined, key: 'tasks' | 'handlers'): Written {
    const steps: (Task | Include)[] = []
    const lost: string[] = []
    if (!item) return { steps, lost }
    if (item.kind !== 'list') {
      this.#error('type', `\`${key}\` is a list of tasks`, item.span)
      return { steps, lost }
    }
    for (const entry of item.items) {
      const step = this.#step(entry, key === 'handlers')
      if (step) steps.push(step)
      else lost.push(...namesLost(entry))
    }
    return { steps, lost }
  }

  #step(item: Item, handler: boolean): Task | Include | undefined {
    if (!isInclude(item)) return loadTask(item, handler, this.#modules, this.#report)
    if (!handler) return loadInclude(item, this.#report)
    const hint = 'a task file brings its own `handlers`'
    this.#error('include', 'an include stands among `tasks`, not among `handlers`', item.span, hint)
    return undefined
  }

  #find(written: string, span: Span): string | undefined {
    const path = written.startsWith('~/') ? join(homedir(), written.slice(2)) : written
    const beside = dirname(span.source.path)
    const dirs = [beside, join(beside, 'tasks'), this.#playbook, join(this.#playbook, 'tasks')]
    const tried = isAbsolute(path) ? [path] : [...new Set(dirs.map((dir) => join(dir, path)))]
    const found = tried.find((p) => existsSync(p))
    if (found !== undefined) return found
    const hint = nearestFile(tried) ?? `looked for ${tried.join(' and ')}`
    this.#error('missing-file', `there is no task file \`${written}\``, span, hint)
    return undefined
  }

  #load(path: string, at: Span): TaskFile | undefined {
    const source = readSource(path, (d) => this.#report(d.span ? d : { ...d, span: at }))
    if (!source) return undefined
    const { root, diagnostics } = loadDocument(source)
    for (const d of diagnostics) this.#report(d)
    if (root?.kind !== 'map') {
      if (root || diagnostics.length === 0) this.#noMapping(root, source)
      return undefined
    }
    const f = new Fields(root, this.#report)
    for (const { key, keySpan } of root.entries) {
      if (taskFileKeys.has(key)) continue
      const near = didYouMean(key, taskFileKeys)
      const hint =
        key === 'vars' ? 'what the file is to be given stands under `params`' : near && `did you mean \`${near}\`?`
      this.#error('unknown-key', `a task file has no key \`${key}\``, keySpan, hint)
    }
    const params = loadParams(f.get('params'), this.#report)
    const { steps, lost } = this.tasksOf(f.get('tasks'), 'tasks')
    const handlers = this.tasksOf(f.get('handlers'), 'handlers').steps as readonly Task[]
    if (!f.get('tasks')) this.#error('task-file', 'the task file has no `tasks`', root.span)
    const file: TaskFile = {
      source,
      name: f.text('name') ?? basename(path, extname(path)),
      params,
      steps,
      handlers,
      lost,
    }
    checkOwnNames(file, this.#report)
    return file
  }

  #noMapping(root: Item | undefined, source: Source): void {
    const span = root?.span ?? { source, start: 0, end: Math.min(1, source.text.length) }
    const hint =
      root?.kind === 'list' ? 'put the list under `tasks:`, and what it is to be given under `params:`' : undefined
    this.#error(
      'task-file',
      'a task file is a mapping with `tasks`',
      { ...span, end: Math.min(span.end, span.start + 1) },
      hint,
    )
  }

  #error(code: string, message: string, span: Span, hint?: string): void {
    this.#report({ code, severity: 'error', message, span, ...(hint === undefined ? {} : { hint }) })
  }
}

/** What a task that can't be read would have brought, so that its users are not told wrong. */
function namesLost(item: Item): string[] {
  const register = item.kind === 'map' ? item.entries.find((e) => e.key === 'register')?.value : undefined
  return register?.kind === 'scalar' ? [String(register.value)] : []
}

/** A parameter is the same for all tasks of its file. */
function checkOwnNames({ steps, handlers, params }: TaskFile, report: Report): void {
  const tasks = [...steps, ...handlers].filter((s): s is Task => 'module' in s)
  const declared = (name: string) => Object.hasOwn(params.properties, name)
  for (const task of tasks)
    for (const name of [...namesBrought(task), ...task.vars.keys()].filter(declared))
      report({
        code: 'param-again',
        severity: 'error',
        message: `\`${name}\` is a parameter of this file, and stays what it was given as`,
        span: task.vars.get(name)?.span ?? task.params.get(name)?.span ?? task.moduleSpan,
        hint: 'take another name here',
      })
}

function nearestFile(tried: readonly string[]): string | undefined {
  for (const path of tried) {
    const near = didYouMean(basename(path), filesIn(dirname(path)))
    if (near !== undefined) return `did you mean \`${near}\`?`
  }
  return undefined
}

function filesIn(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => /\.ya?ml$/.test(name))
  } catch {
    return []
  }
}

/** One file, whatever names it has. */
export function identity({ source }: TaskFile): string {
  try {
    return realpathSync(source.path)
  } catch {
    return source.path
  }
}
