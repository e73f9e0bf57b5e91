import { consult } from '../../src/engine/instance.ts'
import { Models } from '../../src/engine/models.ts'
import { registry } from '../../src/generated/registry.ts'
import type { Facts } from '../../src/host/facts.ts'
import { withEntries } from '../../src/host/model.ts'
import type { Read } from '../../src/host/read.ts'
import type { Step, StepEnd } from '../../src/host/step.ts'
import { evaluateParams } from '../../src/language/check-params.ts'
import type { Diagnostic } from '../../src/language/diagnostic.ts'
import { loadDocument } from '../../src/language/document.ts'
import type { Scope } from '../../src/language/expression.ts'
import { loadTask } from '../../src/language/load-task.ts'
import { ValueError } from '../../src/language/playbook.ts'
import { prepareValidators } from '../../src/language/validators.ts'
import { type LocalRead, localFileOf } from '../../src/local-read.ts'
import type { Failure, Module, Plan, Settled } from '../../src/module.ts'
import { answersOf, type Tree } from './world.ts'

// A module consulted as the engine consults it, on answers that are data: params + answers → steps.

/** What a module is told. All of it may be left out. */
export interface Given {
  /** What is on the host, by absolute path; directories above are there too. */
  readonly host?: Tree
  /** Answers to reads that are not about files. */
  readonly answers?: readonly (readonly [read: Read, answer: unknown])[]
  /** What a read-only command says, and its status: 0 without one. */
  readonly outputs?: (argv: readonly string[]) => { readonly stdout?: string; readonly status?: number }
  readonly facts?: Partial<Facts>
  /** The controller's files, by path relative to files/ or templates/. */
  readonly files?: Readonly<Record<string, string | Buffer>>
  /** Of the controller. */
  readonly environment?: Readonly<Record<string, string>>
  /** Variables that the parameters' templates see. */
  readonly vars?: Scope
  readonly diff?: boolean
  readonly here?: boolean
}

export interface Planned {
  /** What is wrong with the parameters before anything connects. */
  readonly invalid: readonly string[]
  readonly failed: string | undefined
  readonly hint: string | undefined
  /** Summaries of the steps; none: all is as it should be. */
  readonly steps: readonly string[]
  /** Planned once more when they are done: empty for what is idempotent. */
  readonly again: readonly string[]
  readonly result: Readonly<Record<string, unknown>>
  readonly plan: Plan | undefined
  readonly warnings: readonly string[]
  /** What the module marked as secret. */
  readonly secrets: readonly string[]
  /** What comes of the steps' ends: `{ stdout: 'x\n' }` is a step that was done. */
  readonly settle: (...ends: Partial<Said>[]) => Settled
}

interface Said {
  status: number
  stdout: string
  stderr: string
  ms: number
}

const standardFacts: Facts = {
  os_family: 'Debian',
  distribution: 'Debian',
  distribution_version: '12.5',
  distribution_major_version: '12',
  distribution_release: 'bookworm',
  architecture: 'x86_64',
  kernel: '6.1.0',
  hostname: 'h1',
  fqdn: 'h1',
  user: 'root',
  uid: 0,
  gid: 0,
  group: 'root',
  home: '/root',
  umask: '0022',
  service_manager: 'systemd',
  systemd_version: 252,
  openssl_version: '3.0.15',
  addresses: ['192.0.2.1'],
  memory_mb: 2048,
  cores: 2,
  package_manager: 'apt',
}

const nothing: Planned = {
  invalid: [],
  failed: undefined,
  hint: undefined,
  steps: [],
  again: [],
  result: {},
  plan: undefined,
  warnings: [],
  secrets: [],
  settle: () => ({ result: {} }),
}

/** @param params a mapping, or text for the module's free form.
 * @throws Error where the module asks what `given` does not answer. */
export async function plan(module: string | Module, params: unknown, given: Given = {}): Promise<Planned> {
  const it = typeof module === 'string' ? registry.get(module)! : module
  await prepareValidators([it])
  const diagnostics: Diagnostic[] = []
  const text = JSON.stringify({ name: 'it', [it.name]: params })
  const { root } = loadDocument({ path: 'task.yml', text })
  const set = { get: (name: string) => (name === it.name ? it : undefined), names: () => [it.name] }
  const task = loadTask(root!, false, set, (d) => void diagnostics.push(d))
  const invalid = diagnostics.map((d) => d.message)
  if (!task || invalid.length > 0) return { ...nothing, invalid, hint: diagnostics[0]?.hint }
  const facts: Facts = { ...standardFacts, ...given.facts }
  let values: Record<string, unknown>
  try {
    values = withPaths(it, evaluateParams(it, task.params, task.moduleSpan, given.vars ?? {}), facts)
  } catch (e) {
    if (!(e instanceof ValueError)) throw e
    return { ...nothing, invalid: [e.diagnostic.message], hint: e.diagnostic.hint }
  }
  return consulted(it, values, given, facts)
}

function withPaths(module: Module, params: Record<string, unknown>, facts: Facts): Record<string, unknown> {
  for (const [name, schema] of Object.entries(module.params.properties)) {
    const value = params[name]
    if (schema.hostPath && typeof value === 'string' && !value.startsWith('/'))
      params[name] = `${facts.home}/${value.replace(/^~\//, '')}`
  }
  return params
}

function consulted(module: Module, params: Record<string, unknown>, given: Given, facts: Facts): Planned {
  const models = new Models(() => facts)
  const answer = answersOf(given.host ?? {}, given.answers ?? [], given.outputs)
  const secrets: string[] = []
  const ask = (): Plan | Failure => {
    for (;;) {
      const answered = consult({
        module,
        params,
        view: models.view(''),
        diff: given.diff ?? false,
        here: given.here ?? false,
        local: (read) =>
          read.local === 'environment' ? given.environment?.[read.path] : localAnswer(read, given.files ?? {}),
        secret: (value) => void secrets.push(value),
      })
      if (answered.kind === 'plan') return answered.plan
      if (answered.kind === 'unknown') return { failed: `known only after apply: ${answered.because}` }
      const reads = withEntries(answered.reads)
      models.learn('', reads, new Map(reads.map((r) => [r.key, answer(r)])))
    }
  }
  const first = ask()
  if ('failed' in first)
    return { ...nothing, failed: first.failed, hint: first.hint, result: first.result ?? {}, secrets }
  for (const step of first.steps) models.add(step.effects)
  const second = first.steps.length === 0 ? first : ask()
  const again = 'failed' in second ? [second.failed] : second.steps.filter((s) => !s.harmless).map((s) => s.summary)
  return {
    ...nothing,
    steps: first.steps.map((s) => s.summary),
    again,
    result: first.result ?? {},
    plan: first,
    warnings: first.warnings ?? [],
    secrets,
    settle: (...ends) => first.settle!(ends.map(endOf)),
  }
}

function endOf({ status = 0, stdout = '', stderr = '', ms = 0 }: Partial<Said>): StepEnd {
  const outcome = status === 0 ? 'done' : 'failed'
  return { outcome, status, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr), ms }
}

function localAnswer(read: LocalRead, files: Readonly<Record<string, string | Buffer>>): unknown {
  if (read.local === 'place') return `/playbooks/${read.path}`
  const path = read.path.replace(/\/+$/, '')
  const at = (name: string) =>
    localFileOf(name, 0o644, Buffer.from(files[name]!).length, () => Buffer.from(files[name]!))
  if (read.local === 'template') return Object.hasOwn(files, path) ? Buffer.from(files[path]!) : undefined
  if (read.local === 'file') return Object.hasOwn(files, path) ? at(path) : undefined
  const below = Object.keys(files).filter((name) => path !== '' && name.startsWith(`${path}/`))
  if (below.length === 0) return undefined
  const found = new Map<string, unknown>()
  for (const name of below.sort()) {
    const parts = name.slice(path.length + 1).split('/')
    for (let i = 1; i < parts.length; i++) found.set(parts.slice(0, i).join('/'), undefined)
    found.set(parts.join('/'), at(name))
  }
  return found
}

/** The shell text of a step, with what is sent beside it left out. */
export function scriptOf(step: Step): string {
  return step.script!({
    word: (text) => `'${text.replaceAll("'", `'\\''`)}'`,
    words: (texts) => texts.map((t) => `'${t.replaceAll("'", `'\\''`)}'`).join(' '),
    blob: () => '"$blob"',
  })
}
