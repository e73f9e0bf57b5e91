import type { Module } from '../contract.ts'
import type { Task } from '../language/playbook.ts'
import { Unknown } from '../unknown.ts'
import type { Instance } from './instance.ts'
import type { Verdict } from './judge.ts'

/** A play's tasks and, behind them, its handlers, for one host. */
export interface Queue {
  readonly entries: readonly { readonly task: Task; readonly module: Module }[]
  readonly handlersFrom: number
}

/** How far a host has come in a play. A walk works on a copy; what was applied is kept. */
export interface Memory {
  position: number
  /** The loop at that position, once it is evaluated, and what its items came to so far. */
  items: readonly unknown[] | undefined
  results: Readonly<Record<string, unknown>>[]
  /** How often what is there was tried in vain. */
  tries: number
  /** What `register` and `set_fact` gave. */
  known: Map<string, unknown>
  /** Handlers that are to run, by position; Unknown: perhaps. */
  notified: Map<number, true | Unknown>
  ran: Set<number>
}

/** @param known what the plays before gave. */
export function newMemory(known: ReadonlyMap<string, unknown> = new Map()): Memory {
  return {
    position: 0,
    items: undefined,
    results: [],
    tries: 0,
    known: new Map(known),
    notified: new Map(),
    ran: new Set(),
  }
}

export function copyOf(m: Memory): Memory {
  return { ...m, results: [...m.results], known: new Map(m.known), notified: new Map(m.notified), ran: new Set(m.ran) }
}

/** Moves to the next entry that is to run: any task, a handler only when it is notified. False at the end. */
export function atNext(memory: Memory, queue: Queue): boolean {
  if (memory.position < queue.handlersFrom || memory.items !== undefined) return true
  const waiting = [...memory.notified.keys()].filter((p) => !memory.ran.has(p)).sort((a, b) => a - b)
  const next = waiting.find((p) => p >= memory.position) ?? waiting[0]
  if (next !== undefined) memory.position = next
  return next !== undefined
}

/** Keeps what an instance came to, and moves on.
 * @param notify the names that its task notifies. */
export function advance(
  memory: Memory,
  queue: Queue,
  instance: Instance,
  verdict: Verdict,
  notify: readonly string[],
): void {
  const { task, item, outcome } = instance
  memory.tries = 0
  if (outcome.kind === 'planned')
    for (const [name, value] of Object.entries(outcome.plan.variables ?? {})) memory.known.set(name, value)
  if (outcome.kind === 'unknown' && task.module === 'set_fact')
    for (const name of task.params.keys()) memory.known.set(name, new Unknown(outcome.because))
  if (verdict.changed !== false && !verdict.failed)
    for (const name of notify)
      for (const position of handlersNamed(queue, name, task))
        if (memory.notified.get(position) !== true) memory.notified.set(position, verdict.changed)
  if (item) memory.results.push({ ...spread(verdict.result), item: item.value })
  if (item && item.index + 1 < item.count && !stops(verdict)) return
  if (task.register !== undefined) memory.known.set(task.register, item ? loopResult(memory.results) : verdict.result)
  if (instance.position >= queue.handlersFrom) memory.ran.add(instance.position)
  memory.position = instance.position + 1
  memory.items = undefined
  memory.results = []
}

export function stops(verdict: Verdict): boolean {
  return verdict.failed && !verdict.ignored
}

/** An unknown result has no own keys to spread: its item is unknown as a whole. */
function spread(result: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return result.changed instanceof Unknown && Object.keys(result).length === 0 ? { changed: result.changed } : result
}

function loopResult(results: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const unknown = results.find((r) => r.changed instanceof Unknown)?.changed
  return {
    results,
    changed: results.some((r) => r.changed === true) || (unknown ?? false),
    failed: results.some((r) => r.failed === true),
    skipped: results.length > 0 && results.every((r) => r.skipped === true),
  }
}

/** Handlers of that name, or that listen to it: those of the task's own file, else of the file that includes it, up to the
 * play; else of any file. */
export function handlersNamed(queue: Queue, name: string, { includes }: Task): number[] {
  const all = queue.entries.flatMap(({ task }, i) =>
    i >= queue.handlersFrom && (task.name === name || task.listen.includes(name)) ? [i] : [],
  )
  for (let depth = includes.length; depth >= 0; depth--) {
    const near = all.filter((i) => {
      const own = queue.entries[i]!.task.includes
      return own.length === depth && own.at(-1) === includes[depth - 1]
    })
    if (near.length > 0) return near
  }
  return all
}
