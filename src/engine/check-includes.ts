import { truth } from '../language/compile.ts'
import type { Diagnostic } from '../language/diagnostic.ts'
import type { Scope } from '../language/expression.ts'
import { type Inclusion, type Play, type Value, ValueError } from '../language/playbook.ts'
import { Unknown } from '../unknown.ts'
import { FoundOnHosts } from './found-on-hosts.ts'
import { factsWanted } from './instance.ts'
import type { ReadyHost } from './prepare.ts'
import { HostScope } from './scope.ts'

export interface Known {
  readonly hosts: readonly ReadyHost[]
  readonly names: readonly string[]
  readonly extra: ReadonlyMap<string, Value>
  /** What tasks bring, here and in the plays before: not known yet. */
  readonly brought: Iterable<string>
}

/** The parameters of a play's includes that are of the wrong type with what the inventory says, of those that can be
 * evaluated without a host. */
export function wrongParams(play: Play, { hosts, names, extra, brought }: Known): Diagnostic[] {
  const chains = new Map<Inclusion, readonly Inclusion[]>()
  for (const { includes } of play.tasks)
    for (const [i, include] of includes.entries()) chains.set(include, includes.slice(0, i + 1))
  if (chains.size === 0) return []
  const later = new Map([...brought].map((name) => [name, new Unknown(`the variable ${name}`)] as const))
  const found = new FoundOnHosts()
  for (const { target, variables, given } of hosts) {
    const inventory = new Map([...variables].map(([name, v]) => [name, v.value]))
    const levels = { given: { ...given, play_hosts: names }, inventory, play: play.vars, extra }
    const scope = new HostScope(levels, () => new Unknown(factsWanted))
    for (const [include, chain] of chains) {
      const inside = scope.forTask(new Map(), later, {}, chain)
      if (!chain.every((i) => holds(i, scope, inside))) continue
      for (const [name, value] of include.params) {
        const wrong = value.constant ? undefined : faultOf(name, scope, inside)
        if (wrong) found.add(wrong, [target.name])
      }
    }
  }
  return found.diagnostics(hosts.length)
}

/** Whether the tasks of an include are certainly run. */
function holds({ when }: Inclusion, scope: HostScope, inside: Scope): boolean {
  try {
    return when.every((w) => truth(scope.evaluate(w, inside), w))
  } catch {
    return false
  }
}

function faultOf(name: string, scope: HostScope, inside: Scope): Diagnostic | undefined {
  try {
    scope.within(inside, () => inside[name])
  } catch (e) {
    // what else goes wrong may be for the lack of what is not known yet
    if (e instanceof ValueError && (e.diagnostic.code === 'param' || e.diagnostic.code === 'missing-param'))
      return e.diagnostic
  }
  return undefined
}
