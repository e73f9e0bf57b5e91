import type { Diagnostic } from '../language/diagnostic.ts'
import { readSource } from '../language/source.ts'

/** The pattern of --limit; a part `@FILE` is the lines of that file. */
export function limitPattern(written: string | undefined, report: (d: Diagnostic) => void): string | undefined {
  return written
    ?.split(',')
    .flatMap((part) => (part.startsWith('@') ? linesOf(part.slice(1), report) : part))
    .join(',')
}

function linesOf(path: string, report: (d: Diagnostic) => void): string[] {
  const lines = readSource(path, report)?.text.split('\n') ?? []
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}
