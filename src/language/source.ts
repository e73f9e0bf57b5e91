import { fstatSync, readFileSync, statSync } from 'node:fs'
import type { Diagnostic, Source } from './diagnostic.ts'

/** Nobody writes more by hand; what is larger was named by mistake. */
const mostBytes = 64 * 1024 * 1024

/** Reads a file an author wrote, `-` from the standard input: UTF-8, a byte order mark at its start passed over. Undefined
 * where that can't be done, and `report` is told why. */
export function readSource(path: string, report: (d: Diagnostic) => void): Source | undefined {
  const error = (message: string, hint?: string, span?: Diagnostic['span']) => {
    report({
      code: 'file',
      severity: 'error',
      message,
      ...(span === undefined ? {} : { span }),
      ...(hint === undefined ? {} : { hint }),
    })
    return undefined
  }
  let bytes: Buffer
  try {
    const stat = path === '-' ? fstatSync(0) : statSync(path)
    if (stat.isDirectory()) return error(`${path} cannot be read: it is a directory`, 'name a file in it')
    if (stat.size > mostBytes) return error(`${path} cannot be read: it is larger than 64 MiB`)
    bytes = readFileSync(path === '-' ? 0 : path)
  } catch (e) {
    return error(`${path} cannot be read: ${reason(e as NodeJS.ErrnoException)}`)
  }
  // the decoder takes a byte order mark away
  const source: Source = { path: path === '-' ? 'standard-input' : path, text: new TextDecoder('utf-8').decode(bytes) }
  const nul = source.text.indexOf('\0')
  if (nul !== -1) return error('there is a NUL byte: this is no text', undefined, { source, start: nul, end: nul + 1 })
  if (isUtf8(bytes)) return source
  const at = Math.max(0, source.text.indexOf('\ufffd'))
  return error('the file is not UTF-8', `save it as UTF-8: \`iconv -f latin1 -t utf8 ${path}\``, {
    source,
    start: at,
    end: at + 1,
  })
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

function reason(e: NodeJS.ErrnoException): string {
  const words: Record<string, string> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'a part of its path is no directory',
    EACCES: 'permission is denied',
    ELOOP: 'its links lead in a circle',
  }
  return words[e.code ?? ''] ?? e.message
}
