import { type Diagnostic, didYouMean, position, type Span } from './diagnostic.ts'
import type { Play, Task, Value } from './playbook.ts'
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
  /** The values of the hosts' inventory. */
  readonly inventory: Iterable<Value>
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
  const ofTask = (t: Task) => [
    ...[...t.params.values(), ...t.vars.values(), ...t.when, ...(t.changedWhen ?? []), ...(t.failedWhen ?? [])],
    ...[...t.notify, t.loop, t.become, t.becomeUser, t.affects, t.ignoreErrors],
  ]
  const values = [
    ...play.vars.values(),
    play.become,
    play.becomeUser,
    ...[...play.tasks, ...play.handlers].flatMap(ofTask),
  ]
  return values.some((v) => v?.names.has('facts'))
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
  const ofTasks = [...play.tasks, ...play.handlers].flatMap((t) => [...t.vars.keys()])
  for (const value of [...play.vars.values(), ...around.inventory])
    check(value, anywhere, [...ofTasks, 'item', 'index'])
  const sofar = new Set(always)
  for (const value of [play.become, play.becomeUser]) check(value, always)
  for (const task of play.tasks) {
    checkTask(task, sofar, around, check)
    for (const name of namesBrought(task)) sofar.add(name)
  }
  for (const task of play.handlers) checkTask(task, anywhere, around, check)
  return found
}

type Check = (value: Pick<Value, 'names'> | undefined, defined: ReadonlySet<string>, more?: readonly string[]) => void

function checkTask(task: Task, defined: ReadonlySet<string>, around: Surroundings, check: Check): void {
  // what `when` asks for by `typeof` is there where the rest is evaluated
  const asked = task.when.flatMap((w) => [...w.names.keys()]).filter((n) => n.startsWith('typeof '))
  const own = [...task.vars.keys(), ...asked.map((n) => n.slice('typeof '.length))]
  check(task.loop, defined, own)
  const names = task.loop ? [...own, 'item', 'index'] : own
  const before = [
    ...task.params.values(),
    ...task.when,
    ...around.files(task),
    task.become,
    task.becomeUser,
    task.affects,
  ]
  for (const value of before) check(value, defined, names)
  // judged when the task has run; `vars` may be used there only
  const after = [...names, ...namesBrought(task)]
  const judged = [...(task.changedWhen ?? []), ...(task.failedWhen ?? []), ...task.notify, task.ignoreErrors]
  for (const value of [...judged, ...task.vars.values()]) check(value, defined, after)
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
    return {
      ...at,
      message: `the variable \`${name}\` is not defined yet: the task in line ${line} brings it`,
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
