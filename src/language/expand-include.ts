import { basename, dirname } from 'node:path'
import { checkParams, evaluateParams } from './check-params.ts'
import { validatorFor } from './check-value.ts'
import { dataValue } from './compile.ts'
import { type Diagnostic, didYouMean, type Span } from './diagnostic.ts'
import { hideSecrets } from './hidden.ts'
import type { Include } from './load-include.ts'
import type { ModuleSpec } from './module-set.ts'
import type { Inclusion, Kind, Task, Value } from './playbook.ts'
import type { ParamSchema } from './schema.ts'
import { identity, type TaskFile, type TaskFiles, type Written } from './task-files.ts'

/** What a list of tasks comes to when all its includes are put in place. */
export interface Expanded {
  readonly tasks: readonly Task[]
  readonly handlers: readonly Task[]
  readonly lost: readonly string[]
}

/** Puts the tasks of files in the place of what includes them, so that a run sees nothing but tasks. */
export function expand({ steps, lost }: Written, files: TaskFiles, report: (d: Diagnostic) => void): Expanded {
  return expandAll(steps, lost, { files, report, stack: [], includes: [], kinds: new Map() })
}

interface Place {
  readonly files: TaskFiles
  readonly report: (d: Diagnostic) => void
  readonly stack: readonly TaskFile[]
  readonly includes: readonly Inclusion[]
  /** Of the parameters of the file. */
  readonly kinds: ReadonlyMap<string, Kind>
}

function expandAll(steps: Written['steps'], lost: readonly string[], place: Place): Expanded {
  const parts = steps.map((step) => ('module' in step ? one(step) : expandOne(step, place)))
  return {
    tasks: parts.flatMap((p) => p.tasks),
    handlers: parts.flatMap((p) => p.handlers),
    lost: [...lost, ...parts.flatMap((p) => p.lost)],
  }
}

const nothing: Expanded = { tasks: [], handlers: [], lost: [] }
const one = (task: Task): Expanded => ({ ...nothing, tasks: [task] })

function expandOne(include: Include, place: Place): Expanded {
  const { files, report, stack, includes } = place
  const file = files.fileOf(include)
  if (!file) return nothing
  if (stack.some((f) => identity(f) === identity(file))) {
    const way = [...stack, file].slice(stack.findIndex((f) => identity(f) === identity(file)))
    const message = `the file includes itself: ${way.map((f) => f.source.path).join(' → ')}`
    report({ code: 'include-cycle', severity: 'error', message, span: include.fileSpan })
    return nothing
  }
  const outside = includes.length
  const there = (value: Value): Value => ({ ...value, outside })
  const inclusion: Inclusion = {
    span: include.span,
    label: include.name ?? file.name,
    dir: dirname(file.source.path),
    vars: include.vars,
    params: paramsOf(include, file, place),
    when: include.when.map(there),
    become: include.become && there(include.become),
    becomeUser: include.becomeUser && there(include.becomeUser),
  }
  const own = [...includes, inclusion]
  const kinds = new Map(Object.entries(file.params.properties).flatMap(([name, s]) => kindEntry(name, s)))
  const inner = expandAll(file.steps, file.lost, { ...place, stack: [...stack, file], includes: own, kinds })
  const isOwn = (task: Task) => task.includes.length === 0
  const named = (task: Task): Task =>
    isOwn(task) ? { ...task, name: `${inclusion.label} : ${task.name}`, includes: own } : task
  const handlers = file.handlers.map((h) => ({ ...named(h), listen: [h.name, ...h.listen] }))
  return {
    tasks: inner.tasks.map((t) => under(named(t), inclusion, include)),
    handlers: [...handlers, ...inner.handlers].map((h) => as(h, inclusion)),
    lost: inner.lost,
  }
}

/** A task with what stands at its include, which counts for each task. */
function under(task: Task, inclusion: Inclusion, { tags }: Include): Task {
  return { ...as(task, inclusion), when: [...inclusion.when, ...task.when], tags: [...tags, ...task.tags] }
}

function as(task: Task, { become, becomeUser }: Inclusion): Task {
  return { ...task, become: task.become ?? become, becomeUser: task.becomeUser ?? becomeUser }
}

function kindEntry(name: string, { type }: ParamSchema): [string, Kind][] {
  const kind = type === 'integer' ? 'number' : type
  return typeof kind === 'string' ? [[name, kind as Kind]] : []
}

/** All that the file declares, each with a check of its own for when it is evaluated. What can be seen to be wrong is
 * reported. */
function paramsOf(include: Include, file: TaskFile, { report, kinds }: Place): Map<string, Value> {
  const name = basename(file.source.path)
  const spec: ModuleSpec = { name, params: file.params, validate: validatorFor(file.params) }
  const { properties } = file.params
  const given = new Map<string, Value>()
  for (const [key, value] of include.params) {
    if (Object.hasOwn(properties, key)) given.set(key, kindOf(value, kinds))
    else {
      const near = didYouMean(key, Object.keys(properties))
      if (near !== undefined && value.item) hideSecrets(near, value.item, properties[near])
      report(unknownParam(name, key, include.paramSpans.get(key) ?? value.span, Object.keys(properties)))
    }
  }
  for (const [key, value] of include.vars)
    if (Object.hasOwn(properties, key))
      report({
        code: 'params',
        severity: 'error',
        message: `\`${key}\` is a parameter of \`${name}\`, and no variable`,
        span: value.span,
        hint: 'put it under `params:`',
      })
  const wrong: Span[] = []
  checkParams(spec, given, include.fileSpan, (d) => {
    report(d)
    if (d.span) wrong.push(d.span)
  })
  // what was told is not told again when it is evaluated
  const isWrong = ({ span }: Value) => wrong.some((w) => w.source === span.source && isWithin(w, span))
  return new Map(
    Object.entries(properties).map(([key, schema]) => {
      const value = given.get(key)
      return [key, value && !isWrong(value) ? checked(spec, key, value) : absent(schema)]
    }),
  )
}

function isWithin(inner: Span, outer: Span): boolean {
  return inner.start >= outer.start && inner.end <= outer.end
}

/** What a name stands for that is a parameter of the file around. */
function kindOf(value: Value, kinds: ReadonlyMap<string, Kind>): Value {
  const only = value.item?.kind === 'scalar' && /^<%[=-]\s*(\w+)\s*%>$/.exec(String(value.item.value))
  const kind = only ? kinds.get(only[1]!) : undefined
  return kind ? { ...value, kind } : value
}

function absent(schema: ParamSchema): Value {
  return { ...dataValue(schema.default ?? null), ...(schema.secret ? { secret: true } : {}) }
}

function checked({ name, params }: ModuleSpec, key: string, value: Value): Value {
  const schema = params.properties[key]!
  const required = params.required?.filter((r) => r === key) ?? []
  const single = { type: 'object', properties: { [key]: schema }, required } as const
  const spec: ModuleSpec = { name, params: single, validate: validatorFor(single) }
  return {
    ...value,
    ...(schema.secret ? { secret: true } : {}),
    evaluate: (scope) => evaluateParams(spec, new Map([[key, value]]), value.span, scope)[key] ?? null,
  }
}

function unknownParam(file: string, key: string, span: Span, known: readonly string[]): Diagnostic {
  const near = didYouMean(key, known)
  const hint =
    near !== undefined
      ? `did you mean \`${near}\`?`
      : known.length === 0
        ? 'the file declares none: they stand under `params: { properties: … }` in it'
        : `there are: ${known.join(', ')}`
  return { code: 'unknown-param', severity: 'error', message: `\`${file}\` has no parameter \`${key}\``, span, hint }
}
