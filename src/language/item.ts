import type { Span } from './diagnostic.ts'

/** A YAML value with its place. Mappings keep order; keys are strings. Nothing of the YAML library shows through. */
export type Item = MapItem | ListItem | ScalarItem

export interface MapItem {
  readonly kind: 'map'
  readonly span: Span
  readonly entries: readonly { readonly key: string; readonly keySpan: Span; readonly value: Item }[]
}

export interface ListItem {
  readonly kind: 'list'
  readonly span: Span
  readonly items: readonly Item[]
}

export interface ScalarItem {
  readonly kind: 'scalar'
  readonly span: Span
  readonly value: string | number | boolean | null
  /** Quoted or block text: always meant as a string. */
  readonly quoted: boolean
}

/** The plain data of an item. */
export function toData(item: Item): unknown {
  if (item.kind === 'scalar') return item.value
  if (item.kind === 'list') return item.items.map(toData)
  const data: Record<string, unknown> = {}
  for (const { key, value } of item.entries) {
    Object.defineProperty(data, key, { value: toData(value), enumerable: true, configurable: true, writable: true })
  }
  return data
}

/** The entry of a mapping, or undefined. */
export function entryOf(item: Item | undefined, key: string): MapItem['entries'][number] | undefined {
  return item?.kind === 'map' ? item.entries.find((e) => e.key === key) : undefined
}

/** The item a JSON pointer leads to, or the nearest one above it that exists. */
export function itemAt(root: Item, pointer: readonly string[]): Item {
  let item = root
  for (const part of pointer) {
    const next = item.kind === 'list' ? item.items[Number(part)] : entryOf(item, part)?.value
    if (!next) return item
    item = next
  }
  return item
}

/** YAML 1.2 has no `yes`. */
export function booleanHint(value: unknown): string | undefined {
  if (/^(yes|on|y|true)$/i.test(String(value))) return 'write `true`'
  if (/^(no|off|n|false)$/i.test(String(value))) return 'write `false`'
  return undefined
}
