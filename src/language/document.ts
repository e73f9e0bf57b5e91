import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type YAMLError,
  type YAMLWarning,
} from 'yaml'
import type { Diagnostic, Source, Span } from './diagnostic.ts'

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

export interface Loaded {
  /** Undefined for an empty document, and where errors left nothing to look at. */
  readonly root: Item | undefined
  readonly diagnostics: readonly Diagnostic[]
}

/** Aliases of aliases grow exponentially: past this many nodes a file is hostile. */
const mostByAlias = 200_000

/** Reads one YAML 1.2 document with every place kept. All that is wrong is reported at once, warnings of the parser as
 * errors (`when: !x` is a tag to YAML, and would silently lose its `!`). */
export function loadDocument(source: Source): Loaded {
  const diagnostics: Diagnostic[] = []
  const report = (code: string, message: string, start: number, end: number, hint?: string) =>
    void diagnostics.push({
      code,
      severity: 'error',
      message,
      span: { source, start, end },
      ...(hint === undefined ? {} : { hint }),
    })

  const lineCounter = new LineCounter()
  // duplicates are found below with a Set: the library's own check is quadratic
  const documents = parseAllDocuments(source.text, {
    version: '1.2',
    merge: true,
    uniqueKeys: false,
    lineCounter,
    prettyErrors: false,
  })
  const list = Array.isArray(documents) ? documents : []
  const document = list[0]
  if (!document) return { root: undefined, diagnostics }
  const second = list[1]
  if (second) {
    const start = second.range[0]
    report(
      'yaml-documents',
      'a file holds one YAML document, this is a second one',
      start,
      start + 3,
      'put it into a file of its own',
    )
  }
  const lines = new Set<number>()
  for (const e of [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])) {
    const { line } = lineCounter.linePos(e.pos[0])
    // what comes behind it in the same line is only its echo, and so is all that has no place in the document any more
    if (lines.has(line) || (lines.size > 0 && /in YAML stream/.test(e.message))) continue
    lines.add(line)
    report(
      e.code === 'TAG_RESOLVE_FAILED' ? 'yaml-tag' : 'yaml',
      messageOf(e),
      e.pos[0],
      Math.max(e.pos[0] + 1, e.pos[1]),
      yamlHint(source.text, e),
    )
  }
  if (!document.contents || lines.size > 0) return { root: undefined, diagnostics }

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

  return { root: convert(document.contents as Node), diagnostics }
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

function plainValue(value: unknown): ScalarItem['value'] {
  if (typeof value === 'bigint') return Number(value)
  if (value === null || value === undefined) return null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : String(value)
}

function messageOf({ code, message }: YAMLError | YAMLWarning): string {
  if (code === 'BLOCK_AS_IMPLICIT_KEY') return 'a second `: ` in one line: this is no mapping and no text'
  if (code === 'TAG_RESOLVE_FAILED') return 'this tag has no meaning here'
  if (code === 'TAB_AS_INDENT') return 'a tab stands where YAML wants spaces'
  if (code === 'MISSING_CHAR' && /quote/.test(message)) return 'the closing quote is missing'
  return message.split('\n')[0]!.replace(/\.$/, '')
}

function yamlHint(text: string, { code, message, pos: [at] }: YAMLError | YAMLWarning): string | undefined {
  const line = text.slice(
    text.lastIndexOf('\n', at - 1) + 1,
    text.indexOf('\n', at) === -1 ? undefined : text.indexOf('\n', at),
  )
  if (code === 'TAB_AS_INDENT') return 'indent with spaces'
  if (/<%/.test(line)) return "quote the whole value: key: '<%= … %>'"
  if (/\{\{/.test(line)) return "write `<%= … %>` for `{{ … }}`, and quote the whole value: key: '<%= … %>'"
  if (code === 'TAG_RESOLVE_FAILED') return "quote the whole value: when: '!x'"
  if (/^\s*(-\s+)?[\w.-]+:\s+['"]/.test(line))
    return 'a value that starts with a quote ends with it: quote the whole value'
  if (code === 'BLOCK_AS_IMPLICIT_KEY') return 'quote the value if it is text; look at the indentation if it is not'
  if (code === 'BAD_SCALAR_START' || /flow-(seq|map)-start at node end/.test(message)) return 'quote the whole value'
  return undefined
}

/** YAML 1.2 has no `yes`. */
export function booleanHint(value: unknown): string | undefined {
  if (/^(yes|on|y|true)$/i.test(String(value))) return 'write `true`'
  if (/^(no|off|n|false)$/i.test(String(value))) return 'write `false`'
  return undefined
}
