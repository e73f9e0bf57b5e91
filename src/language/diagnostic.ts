import { shownLines } from './hidden.ts'

/** A place in a file an author wrote. Offsets count UTF-16 units from the start of `source.text`; `end` is exclusive. */
export interface Span {
  readonly source: Source
  readonly start: number
  readonly end: number
}

/** A file as it was read. `path` is what the author would type; `text` its whole content. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** Something an author can mend. Diagnostics are values; an exception in this program is a bug of its own. */
export interface Diagnostic {
  readonly code: string
  readonly severity: 'error' | 'warning'
  /** One sentence, without a full stop. */
  readonly message: string
  readonly span?: Span
  /** The likely fix, in the author's terms. */
  readonly hint?: string
}

/** Line and column of an offset, both from 1; a tab is one column. */
export function position(source: Source, offset: number): { line: number; column: number } {
  const before = source.text.slice(0, Math.max(0, Math.min(offset, source.text.length)))
  const lastBreak = before.lastIndexOf('\n')
  return { line: before.split('\n').length, column: before.length - lastBreak }
}

/** A diagnostic as text: `path:line:column: error[code]: message`, the lines around it with carets, and the hint. */
export function formatDiagnostic(d: Diagnostic, around = 1): string {
  const head = `${d.severity}[${d.code}]: ${d.message}`
  const hint = d.hint === undefined ? [] : [`  fix: ${d.hint}`]
  if (!d.span) return [head, ...hint].join('\n')
  const at = position(d.span.source, d.span.start)
  return [`${d.span.source.path}:${at.line}:${at.column}: ${head}`, ...codeFrame(d.span, around), ...hint].join('\n')
}

const widest = 200

function codeFrame(span: Span, around: number): string[] {
  const { line, column } = position(span.source, span.start)
  const first = Math.max(1, line - around)
  const lines = shownLines(span.source, first - 1, line + around - 1)
  const last = first + lines.length - 1
  const width = String(last).length
  // of a line that no screen holds, what is around the place
  const from = column > widest - 20 ? column - 60 : 0
  const frame: string[] = []
  for (let n = first; n <= last; n++) {
    const text = printable(lines[n - first]!.replace(/\r$/, '').slice(from, from + widest))
    frame.push(`${n === line ? '>' : ' '} ${String(n).padStart(width)} | ${text}`.trimEnd())
    if (n !== line) continue
    const room = Math.max(1, text.length - (column - from) + 1)
    const carets = '^'.repeat(Math.max(1, Math.min(span.end - span.start, room)))
    frame.push(`  ${' '.repeat(width)} | ${' '.repeat(column - from - 1)}${carets}`)
  }
  return frame
}

const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is meant
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu

/** Text of a file or a host made safe for a terminal: what controls it, or the direction of writing, and bytes that are no
 * text become `·`, a tab one space (keeps columns). */
export function printable(text: string): string {
  return text.replace(/\t/g, ' ').replace(unprintable, '·')
}

/** The known name nearest to a mistyped one, if any is near enough to be meant. */
export function didYouMean(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  // of a short name too little would be left
  let bestDistance = name.length <= 3 ? Math.min(name.length, 2) : Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** Optimal string alignment (a swap of neighbours is one edit); gives up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, beforeLast[j - 2]! + 1)
      row.push(least)
    }
    ;[beforeLast, last] = [last, row]
  }
  return last[b.length]!
}
