import type { Source, Span } from './diagnostic.ts'
import type { Item } from './item.ts'
import type { ParamSchema } from './schema.ts'

// What a frame does not show of the files that it is cut out of. A frame shows lines around a fault, and what is secret
// may be the fault or stand beside it.

const ofSecrets = /(passw(or)?d|passphrase|(^|_)pass|secret|token|(^|_)pin)s?$/i

/** Whether what stands under that name is secret, whatever it is. */
export const isSecretName = (name: string) => ofSecrets.test(name)

const hidden = new WeakMap<Source, Span[]>()

function hide(span: Span): void {
  const places = hidden.get(span.source)
  if (places) places.push(span)
  else hidden.set(span.source, [span])
}

/** Hides the values in an item, at any depth; the keys stay. */
export function hideValues(item: Item): void {
  if (item.kind === 'map') for (const { value } of item.entries) hideValues(value)
  else if (item.kind === 'list') for (const value of item.items) hideValues(value)
  else if (item.value !== null) hide(item.span)
}

/** Hides what is secret in what stands under a name: by its schema, and where that says nothing, by the name. */
export function hideSecrets(name: string, item: Item, schema: ParamSchema | undefined): void {
  if (schema?.secret || (schema?.type === undefined && isSecretName(name))) hideValues(item)
  const rest = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined
  if (item.kind === 'list') for (const value of item.items) hideSecrets('', value, schema?.items)
  if (item.kind === 'map')
    for (const { key, value } of item.entries) hideSecrets(key, value, schema?.properties?.[key] ?? rest)
}

/** Of a file of variables that is no YAML nobody can say what in it is secret: all that stands behind a key is hidden. */
export function hideUnread(source: Source): void {
  for (const { index, 0: line, 1: before } of source.text.matchAll(
    /^([ \t]*(?:- +)*(?:["']?[\w.-]+["']?[ \t]*:(?=\s))?).*$/gm,
  ))
    if (line.length > before!.length) hide({ source, start: index + before!.length, end: index + line.length })
}

/** The lines of a file as they may be shown, each as long as it is, so that columns stay.
 * @param first from 0; `last` is one of them. */
export function shownLines(source: Source, first: number, last: number): string[] {
  const lines = source.text.split('\n')
  let at = lines.slice(0, first).reduce((sum, line) => sum + line.length + 1, 0)
  const masked = (hidden.get(source) ?? []).map(({ start, end }) => ({
    start,
    text: mask(source.text.slice(start, end)),
  }))
  return lines.slice(first, last + 1).map((line, i) => {
    let shown = line
    for (const { start, text } of masked) shown = laidOver(shown, text, start - at)
    at += line.length + 1
    return withoutSecretText(isOfSecret(lines, first + i) ? mask(shown) : shown)
  })
}

function laidOver(line: string, text: string, at: number): string {
  const from = Math.max(0, at)
  const part = text.slice(from - at, Math.max(0, line.length - at))
  return part === '' ? line : line.slice(0, from) + part + line.slice(from + part.length)
}

/** A template is shown: it names where the secret is. What it holds in quotes is not. */
function mask(text: string): string {
  return text.replace(/<%[\s\S]*?%>|[^\s'"]/g, (part) =>
    part.startsWith('<%') ? part.replace(/(['"`])(.*?)\1/g, (_, quote, inner) => quote + stars(inner) + quote) : '*',
  )
}

const stars = (text: string) => '*'.repeat(text.length)

/** Whether a line goes on with what stands under a name of a secret in a line before it: as a block of text or a list. */
function isOfSecret(lines: readonly string[], n: number): boolean {
  const indent = (line: string) => line.search(/\S|$/)
  const own = lines[n]!
  const above = lines.slice(0, n).findLast((line) => line.trim() !== '' && indent(line) < indent(own))
  const [, name, block] = /^[\s-]*["']?([\w.-]+)["']?\s*:\s*([|>]?)[-+\d]*\s*(?:#.*)?$/.exec(above ?? '') ?? []
  return (
    name !== undefined && isSecretName(name) && (block !== '' || !/^\s*(?:- +)?["']?[\w.-]+["']?\s*:(\s|$)/.test(own))
  )
}

const named =
  /\b\w*(?:passw|passphrase|_pass\b|secret|token|\bpin\b|_pin\b)\w*['"]?\s*(?::|=(?![=>]))\s*(?!(?:true|false|null)\b)(?=\S)/gi

/** A line of text without what stands behind a name such as `ansible_password:`. */
export function withoutSecretText(line: string): string {
  let shown = ''
  let done = 0
  for (const { index, 0: name } of line.matchAll(named)) {
    const at = index + name.length
    if (at < done) continue
    const value = valueAt(line, at, name.includes('='))
    shown += line.slice(done, at) + mask(value)
    done = at + value.length
  }
  return shown + line.slice(done)
}

const quoted = String.raw`"(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?`
const word = new RegExp(`^(?:${quoted}|\\S*)`)
const ofFlow = new RegExp(`^(?:\\[[^\\]]*\\]?|(?:${quoted})?[^,}\\]]*)`)
const inTemplate = new RegExp(`^(?:${quoted})?`)

/** As much of a line as belongs to a value: of YAML in a block all, in a flow up to its comma. */
function valueAt(line: string, at: number, isAssigned: boolean): string {
  const [before, rest] = [line.slice(0, at), line.slice(at)]
  if (before.lastIndexOf('<%') > before.lastIndexOf('%>')) return inTemplate.exec(rest)![0]
  if (isAssigned) return word.exec(rest)![0]
  if (/^[{|>]/.test(rest)) return ''
  return count(before, /[{[]/g) > count(before, /[}\]]/g) ? ofFlow.exec(rest)![0] : rest
}

const count = (text: string, what: RegExp) => text.match(what)?.length ?? 0
