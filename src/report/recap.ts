import type { Counts, Event } from './events.ts'

/** What the events of a run add up to. `harmless` are those of the unknown tasks, of all hosts, that cannot change anything. */
export interface Tally {
  readonly hosts: Readonly<Record<string, Counts>>
  readonly harmless: number
}

type Sum = { -readonly [K in keyof Counts]: Counts[K] }

/**
 * Counts per host: every task event is one (so each loop item is), an ignored failure is `ok`. A host that failed or was
 * unreachable outside any task has one of that, unless a task said so already. Trips are no events: hand them in.
 */
export function countEvents(events: Iterable<Event>, trips: Readonly<Record<string, number>> = {}): Tally {
  const hosts = new Map<string, Sum>()
  const dropped: [string, 'failed' | 'unreachable'][] = []
  let harmless = 0
  const of = (host: string): Sum => {
    const known = hosts.get(host)
    if (known) return known
    const sum = { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0, unknown: 0, trips: trips[host] ?? 0 }
    hosts.set(host, sum)
    return sum
  }
  for (const event of events) {
    if (event.event === 'play') for (const host of event.hosts) of(host)
    if (event.event === 'host') dropped.push([event.host, event.status])
    if (event.event !== 'task') continue
    of(event.host)[event.ignored ? 'ok' : event.status]++
    if (event.status === 'unknown' && event.harmless) harmless++
  }
  for (const [host, status] of dropped) of(host)[status] ||= 1
  return { hosts: Object.fromEntries(hosts), harmless }
}

/** 0 all well (check: converged), 1 a host failed, 2 check found changes, 3 a host unreachable and none failed, 130 interrupted. */
export function exitCode(tally: Tally, mode: 'apply' | 'check', { interrupted = false } = {}): 0 | 1 | 2 | 3 | 130 {
  if (interrupted) return 130
  const all = Object.values(tally.hosts)
  if (all.some((host) => host.failed > 0)) return 1
  if (all.some((host) => host.unreachable > 0)) return 3
  const pending = all.reduce((sum, host) => sum + host.changed + host.unknown, -tally.harmless)
  return mode === 'check' && pending > 0 ? 2 : 0
}
