import { LineCounter, type Node, parseAllDocuments, type YAMLError, type YAMLWarning } from 'yaml'
import type { Diagnostic, Source } from './diagnostic.ts'
import type { Item } from './item.ts'
import { itemOf, type Report } from './yaml-item.ts'

export interface Loaded {
  /** Undefined for an empty document, and where errors left nothing to look at. */
  readonly root: Item | undefined
  readonly diagnostics: readonly Diagnostic[]
}

/** Reads one YAML 1.2 document with every place kept. All that is wrong is reported at once, warnings of the parser as
 * errors (`when: !x` is a tag to YAML, and would silently lose its `!`). */
export function loadDocument(source: Source): Loaded {
  const diagnostics: Diagnostic[] = []
  const report: Report = (code, message, start, end, hint) =>
    void diagnostics.push({
      code,
      severity: 'error',
      message,
      span: { source, start, end },
      ...(hint === undefined ? {} : { hint }),
    })

  const lineCounter = new LineCounter()
  // duplicates are found in `itemOf` with a Set: the library's own check is quadratic
  const documents = parseAllDocuments(source.text, {
    version: '1.2',
    merge: true,
    uniqueKeys: false,
    lineCounter,
    prettyErrors: false,
  })
  const [document, second] = Array.isArray(documents) ? documents : []
  if (!document) return { root: undefined, diagnostics }
  if (second) {
    const [start] = second.range
    const message = 'a file holds one YAML document, this is a second one'
    report('yaml-documents', message, start, start + 3, 'put it into a file of its own')
  }
  const isReadable = reportErrors([...document.errors, ...document.warnings], source.text, lineCounter, report)
  const { contents } = document
  return { root: isReadable && contents ? itemOf(contents as Node, source, report) : undefined, diagnostics }
}

/** @returns whether there were none. */
function reportErrors(
  errors: readonly (YAMLError | YAMLWarning)[],
  text: string,
  lineCounter: LineCounter,
  report: Report,
): boolean {
  const lines = new Set<number>()
  for (const e of [...errors].sort((a, b) => a.pos[0] - b.pos[0])) {
    const [start, end] = e.pos
    const { line } = lineCounter.linePos(start)
    // what comes behind it in the same line is only its echo, and so is all that has no place in the document any more
    if (lines.has(line) || (lines.size > 0 && /in YAML stream/.test(e.message))) continue
    lines.add(line)
    const code = e.code === 'TAG_RESOLVE_FAILED' ? 'yaml-tag' : 'yaml'
    report(code, messageOf(e), start, Math.max(start + 1, end), yamlHint(text, e))
  }
  return lines.size === 0
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
