import { createTwoFilesPatch } from 'diff'

const longest = 400
const most = 2_000_000
/** Lines that may differ: the time it takes grows with their square. */
const mostEdits = 4000

/** A unified diff of a file's content, cut after a sensible number of lines; one sentence for binary or huge content.
 * `undefined` bytes: no file. Gives undefined where nothing differs. */
export function unifiedDiff(path: string, before: Buffer | undefined, after: Buffer | undefined): string | undefined {
  if (before && after ? before.equals(after) : before === after) return undefined
  const sizes = `${before?.length ?? 0} bytes before, ${after?.length ?? 0} after`
  if ([before, after].some((b) => b && (isBinary(b) || b.length > most)))
    return `${path}: no text to compare (${sizes})\n`
  const text = createTwoFilesPatch(
    before ? path : '/dev/null',
    after ? path : '/dev/null',
    before?.toString('utf8') ?? '',
    after?.toString('utf8') ?? '',
    undefined,
    undefined,
    { context: 3, maxEditLength: mostEdits },
  )
  if (text === undefined) return `${path}: too much differs to be shown (${sizes})\n`
  const lines = text.replace(/^(Index: [\s\S]*?\n)?=+\n/, '').split('\n')
  if (lines.length <= longest) return lines.join('\n')
  return `${lines.slice(0, longest).join('\n')}\n(… ${lines.length - longest} lines more)\n`
}

function isBinary(bytes: Buffer): boolean {
  return bytes.includes(0) || !isUtf8(bytes)
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
