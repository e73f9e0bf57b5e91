import { type Diagnostic, formatDiagnostic } from '../language/diagnostic.ts'

/** Files or usage are wrong: exit code 4, nothing was connected. */
export class UsageError extends Error {}

/** Prints diagnostics to standard error.
 * @throws UsageError when one of them is an error. */
export function reportDiagnostics(diagnostics: readonly Diagnostic[]): void {
  for (const d of diagnostics) process.stderr.write(`${formatDiagnostic(d)}\n\n`)
  const errors = diagnostics.filter((d) => d.severity === 'error').length
  if (errors > 0) throw new UsageError(`${errors} error${errors === 1 ? '' : 's'}; nothing was connected`)
}
