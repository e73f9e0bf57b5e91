import { isAlias, isMap, isScalar, isSeq, type Node, type Pair } from 'yaml'
import type { Source, Span } from './diagnostic.ts'
import type { Item, MapItem, ScalarItem } from './item.ts'

export type Report = (code: string, message: string, start: number, end: number, hint?: string) => void

/** Aliases of aliases grow exponentially: past this many nodes a file is hostile. */
const mostByAlias = 200_000

/** What a node of the YAML library is to us: aliases and merges resolved, each key once.
 * @param report is told of what YAML allows and a playbook does not. */
export function itemOf(root: Node, source: Source, report: Report): Item {
  const span = (node: Node): Span => ({ source, start: node.range?.[0] ?? 0, end: node.range?.[1] ?? 0 })
  const aliasesUnderWay = new Set<Node>()
  let convertedByAlias = 0
  // kept while walking: the library's own look-up reads the whole document for every alias
  const anchors = new Map<string, Node>()

  function convert(node: Node, place?: Span): Item {
    const at = place ?? span(node)
    if (aliasesUnderWay.size > 0 && ++convertedByAlias > mostByAlias) {
      if (convertedByAlias === mostByAlias + 1) report('yaml-alias', 'the aliases unfold to too much', at.start, at.end)
      return { kind: 'scalar', span: at, value: null, quoted: false }
    }
    if (isAlias(node)) return convertAlias(node, at)
    if ('anchor' in node && node.anchor) anchors.set(node.anchor, node)
    if (isMap(node))
      return { kind: 'map', span: at, entries: convertPairs(node.items as Pair<Node, Node | null>[], at) }
    if (isSeq(node)) return { kind: 'list', span: at, items: (node.items as Node[]).map((n) => convert(n)) }
    if (!isScalar(node)) return { kind: 'scalar', span: at, value: null, quoted: false }
    const quoted = node.type !== 'PLAIN' && node.type !== undefined
    return { kind: 'scalar', span: at, value: plainValue(node.value), quoted }
  }

  function convertAlias(node: Node & { source: string }, at: Span): Item {
    const target = anchors.get(node.source)
    if (!target || aliasesUnderWay.has(target)) {
      report('yaml-alias', 'the alias leads nowhere', at.start, at.end)
      return { kind: 'scalar', span: at, value: null, quoted: false }
    }
    aliasesUnderWay.add(target)
    const item = convert(target, at)
    aliasesUnderWay.delete(target)
    return item
  }

  function convertPairs(pairs: Pair<Node, Node | null>[], parent: Span): MapItem['entries'] {
    const entries: MapItem['entries'][number][] = []
    const merged: MapItem['entries'][number][] = []
    const seen = new Set<string>()
    for (const { key, value } of pairs) {
      const keySpan = key?.range ? span(key) : parent
      const item: Item = value ? convert(value) : { kind: 'scalar', span: keySpan, value: null, quoted: false }
      if (!isScalar(key)) {
        const braces = source.text.startsWith('{{', parent.start)
        if (braces) reportBraces(parent)
        else report('yaml-key', 'a key has to be plain text', keySpan.start, keySpan.end)
        continue
      }
      if (key.type === 'PLAIN' && key.source === '<<') {
        merged.push(...mergeSources(item))
        continue
      }
      const name = String(key.value)
      if (seen.has(name)) {
        report('yaml-duplicate-key', `the key \`${name}\` stands twice in this mapping`, keySpan.start, keySpan.end)
        continue
      }
      seen.add(name)
      entries.push({ key: name, keySpan, value: item })
    }
    for (const entry of merged) {
      if (seen.has(entry.key)) continue
      seen.add(entry.key)
      entries.push(entry)
    }
    return entries
  }

  /** `{{ x }}` without quotes is a mapping whose key is a mapping. */
  function reportBraces({ start, end }: Span): void {
    const inner = source.text
      .slice(start, end)
      .replace(/^\{\{|\}\}$/g, '')
      .trim()
    report(
      'jinja',
      'this is a Jinja template; values are interpolated with `<%= … %>` here',
      start,
      end,
      `write \`<%= ${inner} %>\``,
    )
  }

  function mergeSources(item: Item): MapItem['entries'] {
    if (item.kind === 'map') return item.entries
    if (item.kind === 'list') return item.items.flatMap(mergeSources)
    report('yaml-merge', '`<<` merges a mapping or a list of mappings', item.span.start, item.span.end)
    return []
  }

  return convert(root)
}

function plainValue(value: unknown): ScalarItem['value'] {
  if (typeof value === 'bigint') return Number(value)
  if (value === null || value === undefined) return null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : String(value)
}
