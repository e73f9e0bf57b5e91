import { hideValues } from './hidden.ts'
import type { ModuleSet } from './module-set.ts'
import type { Play, Value } from './playbook.ts'

/** Hides what the plays' secret parameters are made of where it is written, whatever the variables are called.
 * @param variables of the hosts and of the command line. */
export function hideVariables(plays: readonly Play[], modules: ModuleSet, variables: Iterable<[string, Value]>): void {
  const written = new Map<string, Value[]>()
  const add = (of: Iterable<readonly [string, Value]>) => {
    for (const [name, value] of of) written.set(name, [...(written.get(name) ?? []), value])
  }
  add(variables)
  const names = new Set<string>()
  const use = (value: Value) => {
    for (const name of value.names.keys()) names.add(name)
  }
  for (const play of plays) {
    add(play.vars)
    for (const task of [...play.tasks, ...play.handlers]) {
      const { properties } = modules.get(task.module)!.params
      add(task.vars)
      for (const { vars, params } of task.includes) {
        add([...vars, ...params])
        for (const value of params.values()) if (value.secret) use(value)
      }
      for (const [name, value] of task.params) if (properties[name]?.secret || task.noLog) use(value)
    }
  }
  for (const name of names)
    for (const value of written.get(name) ?? []) {
      if (value.item) hideValues(value.item)
      use(value)
    }
}
