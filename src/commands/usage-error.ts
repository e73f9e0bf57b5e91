import { type Diagnostic, formatDiagnostic } from '../language/diagnostic.ts'

/** Files or usage are wrong: exit code 4, nothing was connected. */
export class UsageError extends Error {
  /** The likely fix. */
  readonly hint: string | undefined
  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** Ctrl-C at a question: exit code 130. */
export class Interrupted extends Error {}

/** Prints diagnostics to standard error.
 * @throws UsageError when one of them is an error. */
export function reportDiagnostics(found: readonly Diagnostic[]): void {
  const diagnostics = inOrder(found)
  for (const d of diagnostics) process.stderr.write(`${formatDiagnostic(d)}\n\n`)
  const errors = diagnostics.filter((d) => d.severity === 'error').length
  if (errors > 0) throw new UsageError(`${errors} error${errors === 1 ? '' : 's'}; nothing was connected`)
}

/** File by file, each from its top; first what has no place. */
function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const files = [...new Set(diagnostics.map((d) => d.span?.source.path))]
  const rank = new Map(files.filter((f) => f !== undefined).map((f, i) => [f, i]))
  const key = ({ span }: Diagnostic) => (span ? rank.get(span.source.path)! : -1)
  return [...diagnostics].sort((a, b) => key(a) - key(b) || (a.span?.start ?? 0) - (b.span?.start ?? 0))
}
