import { type Diagnostic, didYouMean, type Span } from './diagnostic.ts'
import type { Play, Task, Value } from './playbook.ts'

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

/** The names that tasks of these plays bring: `register`, and what set_fact sets. */
export function namesBrought(plays: readonly Play[]): Set<string> {
  const names = new Set<string>()
  for (const task of plays.flatMap((p) => [...p.tasks, ...p.handlers])) {
    if (task.register !== undefined) names.add(task.register)
    if (task.module === 'set_fact') for (const name of task.params.keys()) names.add(name)
  }
  return names
}

/** Every name in every expression of a play that nothing defines.
 * @param defined names beyond the play's own: the inventory's, the command line's, `namesBrought`. */
export function unknownNames(play: Play, defined: ReadonlySet<string>, facts: readonly string[]): Diagnostic[] {
  const found: Diagnostic[] = []
  const seen = new Set<string>()
  const check = (value: Value | undefined, more: readonly string[]) => {
    for (const [name, span] of value?.names ?? []) {
      if (name === 'facts') found.push(...unknownFacts(value!, facts))
      if (defined.has(name) || play.vars.has(name) || more.includes(name) || givenNames.includes(name)) continue
      const key = `${span.source.path} ${span.start}`
      if (!seen.has(key))
        found.push(undefinedName(name, span, [...defined, ...play.vars.keys(), ...more, ...givenNames]))
      seen.add(key)
    }
  }
  for (const value of play.vars.values()) check(value, ['item', 'index'])
  check(play.become, [])
  check(play.becomeUser, [])
  for (const task of [...play.tasks, ...play.handlers]) {
    const own = [...task.vars.keys()]
    check(task.loop, own)
    const names = task.loop ? [...own, 'item', 'index'] : own
    for (const value of valuesOf(task)) check(value, names)
  }
  return found
}

function valuesOf(task: Task): (Value | undefined)[] {
  return [
    ...task.params.values(),
    ...task.vars.values(),
    ...task.when,
    ...task.notify,
    ...(task.changedWhen ?? []),
    ...(task.failedWhen ?? []),
    task.become,
    task.becomeUser,
    task.ignoreErrors,
    task.affects,
  ]
}

function undefinedName(name: string, span: Span, known: readonly string[]): Diagnostic {
  const near = didYouMean(name, known)
  return {
    code: 'undefined-variable',
    severity: 'error',
    message: `the variable \`${name}\` is not defined`,
    span,
    ...(near === undefined ? {} : { hint: `did you mean \`${near}\`?` }),
  }
}

/** Facts are named where they are used: a name that there is not would be undefined on every host. */
function unknownFacts(value: Value, facts: readonly string[]): Diagnostic[] {
  const { source, start, end } = value.span
  return [...source.text.slice(start, end).matchAll(/\bfacts\.([A-Za-z_]\w*)/g)].flatMap((m) => {
    if (facts.includes(m[1]!)) return []
    const at = start + m.index + 'facts.'.length
    const near = didYouMean(m[1]!, facts)
    const hint = near === undefined ? `there are: ${facts.join(', ')}` : `did you mean \`facts.${near}\`?`
    const span = { source, start: at, end: at + m[1]!.length }
    return [{ code: 'unknown-fact', severity: 'error', message: `there is no fact \`${m[1]}\``, span, hint }]
  })
}
