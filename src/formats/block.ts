import { bytesText, pythonRegex } from './python-regex.ts'

/** What `blockinfile` is told. */
export interface BlockEdit {
  readonly state: 'present' | 'absent'
  readonly block: string
  /** With `{mark}` where begin or end stands. */
  readonly marker: string
  readonly markerBegin: string
  readonly markerEnd: string
  readonly insertAfter?: string | undefined
  readonly insertBefore?: string | undefined
  readonly appendNewline?: boolean
  readonly prependNewline?: boolean
}

/** The content after the edit, exactly as Ansible's blockinfile has it; the same buffer where nothing changes.
 * @throws SyntaxError for what is no regular expression. */
export function editBlock(content: Buffer, edit: BlockEdit): Buffer {
  const text = content.toString('latin1')
  const lines = splitLines(text)
  const [begin, end] = [edit.markerBegin, edit.markerEnd].map(
    (m) => `${bytesText(edit.marker.replaceAll('{mark}', m))}\n`,
  ) as [string, string]
  let at = takeOut(lines, begin, end) ?? placeFor(lines, text, edit)
  if (at > 0 && !lines[at - 1]!.endsWith('\n')) lines[at - 1] += '\n'
  const present = edit.state === 'present'
  if (present && edit.prependNewline && at !== 0 && lines[at - 1] !== '\n') lines.splice(at++, 0, '\n')
  const block = present ? blockLines(edit.block, begin, end) : []
  lines.splice(at, 0, ...block)
  const behind = at + block.length
  if (present && edit.appendNewline && behind < lines.length && lines[behind] !== '\n') lines.splice(behind, 0, '\n')
  const after = Buffer.from(lines.join(''), 'latin1')
  return after.equals(content) ? content : after
}

function splitLines(text: string): string[] {
  return text.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$/g) ?? []
}

function blockLines(block: string, begin: string, end: string): string[] {
  if (block === '') return []
  const text = bytesText(block)
  return [begin, text.endsWith('\n') ? text : `${text}\n`, end]
}

/** Takes the old block out; where it stood, undefined where there is none. */
function takeOut(lines: string[], begin: string, end: string): number | undefined {
  const [first, last] = [lines.lastIndexOf(begin), lines.lastIndexOf(end)]
  if (first === -1 || last === -1) return undefined
  const from = Math.min(first, last)
  lines.splice(from, Math.abs(last - first) + 1)
  return from
}

function placeFor(lines: readonly string[], text: string, { insertAfter, insertBefore }: BlockEdit): number {
  const after = insertAfter ?? (insertBefore === undefined ? 'EOF' : undefined)
  const source = after !== undefined && after !== 'EOF' ? after : insertBefore !== 'BOF' ? insertBefore : undefined
  if (source === undefined) return after === undefined ? 0 : lines.length
  const pattern = pythonRegex(source)
  const at = pattern.multiline
    ? multilineAt(pattern, text, after !== undefined)
    : lines.findLastIndex((l) => pattern.test(l))
  if (at === -1) return lines.length
  return after === undefined ? at : at + 1
}

function multilineAt(pattern: RegExp, text: string, after: boolean): number {
  const match = pattern.exec(text)
  if (!match) return -1
  return text.slice(0, match.index + (after ? match[0].length : 0)).split('\n').length - 1
}
