import { type Diagnostic, didYouMean, type Span } from './diagnostic.ts'
import { Fields } from './fields.ts'
import { isTemplated } from './interpolation.ts'
import { entryOf, type Item, type MapItem } from './item.ts'
import { includeKeys, notOfInclude, otherKey, taskKeys } from './keys.ts'
import type { Value } from './playbook.ts'

/** A task that includes a file, as it is written. */
export interface Include {
  readonly span: Span
  /** As written: where it is, is looked for beside the file that includes it. */
  readonly file: string
  readonly fileSpan: Span
  readonly name: string | undefined
  readonly params: ReadonlyMap<string, Value>
  readonly paramSpans: ReadonlyMap<string, Span>
  readonly when: readonly Value[]
  readonly tags: readonly string[]
  readonly become: Value | undefined
  readonly becomeUser: Value | undefined
  readonly vars: ReadonlyMap<string, Value>
}

export function isInclude(item: Item): item is MapItem {
  return entryOf(item, 'include') !== undefined
}

/** Reads a task that includes a file; undefined when it does not say which. */
export function loadInclude(item: MapItem, report: (d: Diagnostic) => void): Include | undefined {
  const f = new Fields(item, report)
  for (const { key, keySpan } of item.entries) if (!includeKeys.has(key)) wrongKey(f, key, keySpan)
  const params = loadGiven(f)
  const rest = {
    span: item.span,
    name: f.text('name'),
    params: params.values,
    paramSpans: params.spans,
    when: f.conditions('when') ?? [],
    tags: f.texts('tags'),
    become: f.boolean('become'),
    becomeUser: f.value('become_user'),
    vars: f.variables('vars'),
  }
  const file = loadFile(f)
  return file && { ...rest, ...file }
}

function loadFile(f: Fields): { readonly file: string; readonly fileSpan: Span } | undefined {
  const { value } = entryOf(f.item, 'include')!
  const span = value.span
  if (value.kind !== 'scalar' || typeof value.value !== 'string' || value.value.trim() === '') {
    f.error('include', '`include` is the path of a task file', span)
    return undefined
  }
  const text = value.value
  if (isTemplated(text) || text.includes('{{')) {
    const hint = 'write an include for each file, with a `when`'
    f.error('include', '`include` is plain text: which tasks there are is settled before any host is asked', span, hint)
    return undefined
  }
  const inline = /^(\S+)\s+(\w+)=(\S+)/.exec(text)
  if (inline) {
    f.error(
      'include',
      '`include` is a path alone',
      span,
      `\`include: ${inline[1]}\`, and \`params: { ${inline[2]}: ${inline[3]} }\``,
    )
    return undefined
  }
  return { file: text, fileSpan: span }
}

function loadGiven(f: Fields): { readonly values: Map<string, Value>; readonly spans: Map<string, Span> } {
  const spans = new Map<string, Span>()
  const item = f.get('params')
  if (item?.kind === 'map') for (const { key, keySpan } of item.entries) spans.set(key, keySpan)
  return { values: f.variables('params'), spans }
}

function wrongKey(f: Fields, key: string, span: Span): void {
  const other = otherKey(key, 'task')
  if (taskKeys.has(key) || other !== undefined) {
    const hint = taskKeys.has(key)
      ? notOfInclude(key)
      : key.startsWith('with_')
        ? notOfInclude('loop')
        : other || undefined
    f.error('unsupported', `\`${key}\` of an include is not supported`, span, hint)
    return
  }
  const near = didYouMean(key, includeKeys)
  const hint = near === undefined ? 'what the file is to know stands under `params`' : `did you mean \`${near}\`?`
  f.error('unknown-key', `an include has no key \`${key}\``, span, hint)
}
