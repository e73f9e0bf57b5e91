import type { Inventory } from '../inventory/inventory.ts'
import { magicOf, variablesOf } from '../inventory/variables.ts'
import type { Value } from '../language/playbook.ts'
import { HostScope } from './scope.ts'

/** What `register` and `set_fact` gave in the plays before, by host. */
export type Remembered = ReadonlyMap<string, ReadonlyMap<string, unknown>>

/** What `hostvars` gives: the variables of every host, made when they are asked for. Of another host a play sees what the
 * inventory says and what the plays before left: never what depends on how far that host has come. */
export function hostvarsOf(
  inventory: Inventory,
  groups: Readonly<Record<string, readonly string[]>>,
  extra: ReadonlyMap<string, Value>,
  remembered: Remembered,
): object {
  const hostvars = {}
  const made = new Map<string, object>()
  for (const name of inventory.hosts.keys()) {
    const get = () => {
      if (!made.has(name)) made.set(name, variables(name))
      return withRemembered(made.get(name)!, remembered.get(name))
    }
    Object.defineProperty(hostvars, name, { get, enumerable: true })
  }

  function variables(name: string): object {
    const values = new Map([...variablesOf(inventory, name)].map(([k, v]) => [k, v.value]))
    const given = { ...magicOf(inventory, name), groups, hostvars }
    const facts = () => {
      throw new Error(`\`hostvars\` has no facts of ${name}: only its own are known to a host`)
    }
    const scope = new HostScope({ given, inventory: values, play: new Map(), extra }, facts)
    const top = scope.forTask(new Map(), new Map())
    const found = {}
    for (const key of new Set([...Object.keys(magicOf(inventory, name)), ...values.keys(), ...extra.keys()]))
      Object.defineProperty(found, key, { get: () => scope.within(top, () => top[key]), enumerable: true })
    // not among its keys: only who asks for it is told
    return Object.defineProperty(found, 'facts', { get: facts })
  }

  return hostvars
}

function withRemembered(found: object, remembered: ReadonlyMap<string, unknown> | undefined): object {
  if (!remembered || remembered.size === 0) return found
  const all = Object.defineProperties({}, Object.getOwnPropertyDescriptors(found))
  for (const [key, value] of remembered)
    if (!Object.hasOwn(all, key)) Object.defineProperty(all, key, { value, enumerable: true })
  return all
}
