import { type Diagnostic, didYouMean, position, type Span } from './diagnostic.ts'
import type { Inclusion, Play, Task, Value } from './playbook.ts'
import { globals } from './values.ts'

/** Names that every expression of a play may use, whatever the host. */
export const givenNames = [
  'facts',
  'inventory_hostname',
  'inventory_hostname_short',
  'group_names',
  'groups',
  'hostvars',
  'play_hosts',
]

/** What a play may name besides what it defines itself. */
export interface Surroundings {
  /** By the hosts' inventory and by the command line. */
  readonly defined: ReadonlySet<string>
  /** By tasks of the plays before it. */
  readonly brought: ReadonlySet<string>
  /** The variables of the hosts' inventory; one may have other values on other hosts. */
  readonly inventory: Iterable<readonly [name: string, value: Value]>
  readonly facts: readonly string[]
  /** What a task uses outside its own text: its templates. */
  readonly files: (task: Task) => readonly Pick<Value, 'names'>[]
}

/** The names that a task brings: `register`, and what set_fact sets. */
export function namesBrought(task: Task): string[] {
  const register = task.register === undefined ? [] : [task.register]
  return task.module === 'set_fact' ? [...register, ...task.params.keys()] : register
}

/** All names that a play brings. */
export function namesOfPlay(play: Play): string[] {
  return [...[...play.tasks, ...play.handlers].flatMap(namesBrought), ...play.lost]
}

/** Whether any expression of a play looks at facts. */
export function namesFacts(play: Play): boolean {
  return valuesOfPlay(play).some((v) => v.names.has('facts'))
}

/** All that a play evaluates, but for its templates. */
function valuesOfPlay(play: Play): Value[] {
  const ofTask = (t: Task) => [
    ...[
      ...t.params.values(),
      ...t.vars.values(),
      ...t.when,
      ...(t.changedWhen ?? []),
      ...(t.failedWhen ?? []),
      ...(t.until ?? []),
    ],
    ...[...t.notify, t.loop, t.become, t.becomeUser, t.affects, t.ignoreErrors, t.retries, t.delay],
    ...t.includes.flatMap(valuesOf),
  ]
  const values = [
    ...play.vars.values(),
    play.become,
    play.becomeUser,
    ...[...play.tasks, ...play.handlers].flatMap(ofTask),
  ]
  return values.filter((v) => v !== undefined)
}

/** Of the inventory what the play uses, and what that is made of: the rest may be for other playbooks. */
function inventoryUsed(play: Play, around: Surroundings): Value[] {
  const values = new Map<string, Value[]>()
  for (const [name, value] of around.inventory) values.set(name, [...(values.get(name) ?? []), value])
  const files = [...play.tasks, ...play.handlers].flatMap(around.files)
  const used = new Set([...valuesOfPlay(play), ...files].flatMap((v) => [...v.names.keys()]))
  if (used.has('hostvars')) return [...values.values()].flat()
  // how a host is reached is evaluated whatever a play does
  for (const name of values.keys()) if (name.startsWith('ansible_')) used.add(name)
  const found: Value[] = []
  for (const name of used)
    for (const value of values.get(name) ?? []) {
      found.push(value)
      for (const other of value.names.keys()) used.add(other)
    }
  return found
}

/** All that an include evaluates where it stands. */
function valuesOf(i: Inclusion): (Value | undefined)[] {
  return [...i.when, ...i.vars.values(), ...i.params.values(), i.become, i.becomeUser]
}

/** Every name in every expression of a play that nothing defines, or that is defined only later. */
export function unknownNames(play: Play, around: Surroundings): Diagnostic[] {
  const found: Diagnostic[] = []
  const seen = new Set<string>()
  const always = new Set([...around.defined, ...around.brought, ...play.vars.keys(), ...play.lost, ...givenNames])
  const anywhere = new Set([...always, ...namesOfPlay(play)])
  const firstBy = new Map(
    [...play.tasks, ...play.handlers].flatMap((t) => namesBrought(t).map((n) => [n, t])).reverse() as [string, Task][],
  )
  const check = (
    value: Pick<Value, 'names'> | undefined,
    defined: ReadonlySet<string>,
    more: readonly string[] = [],
  ) => {
    for (const [name, span] of value?.names ?? []) {
      const key = `${span.source.path} ${span.start}`
      if (name.startsWith('typeof ') || value!.names.has(`typeof ${name}`)) continue
      if (defined.has(name) || more.includes(name) || seen.has(key)) continue
      const d = name.startsWith('facts.')
        ? unknownFact(name, span, around.facts)
        : undefinedName(name, span, [...defined, ...more], around.facts, firstBy.get(name))
      if (d) found.push(d)
      seen.add(key)
    }
  }
  // a variable is evaluated where it is used: whatever a task may have there, it may name
  const ofTasks = [...play.tasks, ...play.handlers].flatMap((t) => [
    ...t.vars.keys(),
    ...t.includes.flatMap((i) => [...i.vars.keys(), ...i.params.keys()]),
  ])
  for (const value of [...play.vars.values(), ...inventoryUsed(play, around)])
    check(value, anywhere, [...ofTasks, 'item', 'index'])
  const sofar = new Set(always)
  const included = new Set<Inclusion>()
  for (const value of [play.become, play.becomeUser]) check(value, always)
  for (const task of play.tasks) {
    for (const [depth, include] of task.includes.entries()) {
      if (included.has(include)) continue
      included.add(include)
      const names = [...include.vars.keys(), ...namesInside(task.includes.slice(0, depth))]
      for (const value of valuesOf(include)) check(value, sofar, [...names, ...namesAsked(include.when)])
    }
    checkTask(task, sofar, around, check)
    for (const name of namesBrought(task)) sofar.add(name)
  }
  for (const task of play.handlers) checkTask(task, anywhere, around, check)
  return found
}

type Check = (value: Pick<Value, 'names'> | undefined, defined: ReadonlySet<string>, more?: readonly string[]) => void

function checkTask(task: Task, defined: ReadonlySet<string>, around: Surroundings, check: Check): void {
  const own = [...task.vars.keys(), ...namesInside(task.includes), ...namesAsked(task.when)]
  check(task.loop, defined, own)
  const names = task.loop ? [...own, 'item', 'index'] : own
  const before = [
    ...task.params.values(),
    ...task.when,
    ...around.files(task),
    task.become,
    task.becomeUser,
    task.affects,
    task.retries,
    task.delay,
  ]
  // what stands at an include was looked at there
  for (const value of before) if (!isOutside(value)) check(value, defined, names)
  // judged when the task has run; `vars` may be used there only
  const after = [...names, ...namesBrought(task)]
  const conditions = [...(task.changedWhen ?? []), ...(task.failedWhen ?? []), ...(task.until ?? [])]
  const judged = [...conditions, ...task.notify, task.ignoreErrors]
  for (const value of [...judged, ...task.vars.values()]) check(value, defined, after)
}

function isOutside(value: Pick<Value, 'names' | 'outside'> | undefined): boolean {
  return value?.outside !== undefined
}

/** Inside of a file there are its own parameters, and the `vars` of all includes around. */
function namesInside(includes: readonly Inclusion[]): string[] {
  return [...includes.flatMap((i) => [...i.vars.keys()]), ...(includes.at(-1)?.params.keys() ?? [])]
}

/** What `when` asks for by `typeof` is there where the rest is evaluated. */
function namesAsked(when: readonly Value[]): string[] {
  const asked = when.flatMap((w) => [...w.names.keys()]).filter((n) => n.startsWith('typeof '))
  return asked.map((n) => n.slice('typeof '.length))
}

function undefinedName(
  name: string,
  span: Span,
  known: readonly string[],
  facts: readonly string[],
  later: Task | undefined,
): Diagnostic {
  const at = { code: 'undefined-variable', severity: 'error', span } as const
  if (later) {
    const { line } = position(later.span.source, later.span.start)
    const { path } = later.span.source
    const where = path === span.source.path ? `line ${line}` : `${path}:${line}`
    return {
      ...at,
      message: `the variable \`${name}\` is not defined yet: the task in ${where} brings it`,
      hint: 'move this behind that task',
    }
  }
  const hint = hintFor(name, known, facts)
  return { ...at, message: `the variable \`${name}\` is not defined`, ...(hint === undefined ? {} : { hint }) }
}

const otherWords: Readonly<Record<string, string>> = {
  True: 'write `true`',
  False: 'write `false`',
  None: 'write `null`',
  omit: 'a parameter that is null is not given: `x ?? null`',
  ansible_facts: 'write `facts`',
  ansible_play_hosts: 'write `play_hosts`',
  ansible_play_hosts_all: 'write `play_hosts`',
  ansible_hostname: 'write `facts.hostname`',
  ansible_user_id: 'write `facts.user`',
  ansible_loop: 'the number of the item is `index`',
  item: 'it is there in a task with `loop`',
  index: 'it is there in a task with `loop`',
}

function hintFor(name: string, known: readonly string[], facts: readonly string[]): string | undefined {
  if (Object.hasOwn(otherWords, name)) return otherWords[name]
  if (Object.hasOwn(globals, name)) return `\`${name}\` is a function: call it`
  const fact = name.replace(/^ansible_/, '')
  if (fact !== name && facts.includes(fact)) return `write \`facts.${fact}\``
  const near = didYouMean(name, known)
  return near === undefined ? 'define it in vars, group_vars or the inventory, or with -e' : `did you mean \`${near}\`?`
}

/** Facts are named where they are used: a name that there is not would be undefined on every host. */
function unknownFact(name: string, span: Span, facts: readonly string[]): Diagnostic | undefined {
  const fact = name.slice('facts.'.length)
  if (facts.includes(fact)) return undefined
  const near = didYouMean(fact, facts)
  const hint = near === undefined ? `there are: ${facts.join(', ')}` : `did you mean \`facts.${near}\`?`
  return { code: 'unknown-fact', severity: 'error', message: `there is no fact \`${fact}\``, span, hint }
}
