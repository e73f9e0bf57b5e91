import type { Batch, Order } from '../language/playbook.ts'

/** The hosts that go together, one batch after the other.
 * @param serial the size of each batch, the last for all that is left; undefined for all at once. */
export function batchesOf<T>(hosts: readonly T[], serial: readonly Batch[] | undefined): (readonly T[])[] {
  if (hosts.length === 0) return []
  if (!serial) return [hosts]
  const found: (readonly T[])[] = []
  for (let at = 0; at < hosts.length; ) {
    const size = sizeOf(serial[Math.min(found.length, serial.length - 1)]!, hosts.length)
    found.push(hosts.slice(at, at + size))
    at += size
  }
  return found
}

/** As Ansible: rounded down, and at least one. */
function sizeOf(batch: Batch, all: number): number {
  return 'hosts' in batch ? batch.hosts : Math.max(1, Math.floor(batch.share * all))
}

/** Names of hosts in the order of their turns.
 * @param names as the inventory has them. */
export function ordered(names: readonly string[], order: Order): string[] {
  const found = order.endsWith('sorted') ? names.toSorted() : [...names]
  return order.startsWith('reverse_') ? found.reverse() : found
}
