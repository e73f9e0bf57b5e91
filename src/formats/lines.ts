import { bytesText, expandMatch, pythonRegex } from './python-regex.ts'

/** What `lineinfile` is told. */
export interface LineEdit {
  readonly state: 'present' | 'absent'
  readonly line?: string | undefined
  /** Python regular expressions over one line. */
  readonly regexp?: string | undefined
  readonly searchString?: string | undefined
  readonly insertAfter?: string | undefined
  readonly insertBefore?: string | undefined
  readonly backrefs?: boolean
  readonly firstMatch?: boolean
}

export interface EditedLines {
  /** The same buffer where nothing changes. */
  readonly bytes: Buffer
  /** What was done, in Ansible's words; empty for nothing. */
  readonly msg: string
  /** How many lines were removed, with `absent`. */
  readonly found?: number
}

/** The content after the edit, exactly as Ansible's lineinfile has it.
 * @throws SyntaxError for what is no regular expression. */
export function editLines(content: Buffer, edit: LineEdit): EditedLines {
  const lines = splitLines(content.toString('latin1'))
  const count = lines.length
  const after = edit.state === 'absent' ? removeLines(lines, edit) : putLine(lines, edit)
  const made = Buffer.from(after.join(''), 'latin1')
  const bytes = made.equals(content) ? content : made
  if (edit.state === 'absent') {
    const found = count - after.length
    return { bytes, found, msg: found === 0 ? '' : `${found} line(s) removed` }
  }
  return { bytes, msg: bytes === content ? '' : after.length > count ? 'line added' : 'line replaced' }
}

/** Lines with their ends, as Python's readlines over bytes. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

const bare = (line: string) => line.replace(/[\r\n]+$/, '')

type Found = { readonly at: number; readonly match: RegExpExecArray | undefined } | undefined

function findLine(lines: readonly string[], { regexp, searchString, firstMatch }: LineEdit): Found {
  const pattern = regexp === undefined ? undefined : pythonRegex(regexp)
  const text = searchString === undefined ? undefined : bytesText(searchString)
  let found: Found
  for (const [at, line] of lines.entries()) {
    const match = pattern?.exec(line) ?? undefined
    if (match || (text !== undefined && line.includes(text))) {
      found = { at, match }
      if (firstMatch) break
    }
  }
  return found
}

function removeLines(lines: readonly string[], edit: LineEdit): string[] {
  const { regexp, searchString, line } = edit
  const pattern = regexp === undefined ? undefined : pythonRegex(regexp)
  return lines.filter((l) => {
    if (pattern) return !pattern.test(l)
    return searchString === undefined ? bytesText(line ?? '') !== bare(l) : !l.includes(bytesText(searchString))
  })
}

function putLine(lines: string[], edit: LineEdit): string[] {
  const line = bytesText(edit.line ?? '')
  const found = findLine(lines, edit)
  if (found) return replaceAt(lines, found.at, edit.backrefs && found.match ? expandMatch(line, found.match) : line)
  const { exact, insert } = findPlace(lines, line, edit)
  if (exact !== -1) return replaceAt(lines, exact, line)
  if (edit.backrefs) return lines
  if (edit.insertBefore === 'BOF' || edit.insertAfter === 'BOF') return [`${line}\n`, ...lines]
  if (edit.insertAfter === 'EOF' || insert === -1) return [...ended(lines), `${line}\n`]
  if (edit.insertAfter === undefined) return lines.toSpliced(insert, 0, `${line}\n`)
  // not a second time where it stands there already
  if (insert === lines.length) return bare(lines[insert - 1]!) === line ? lines : [...lines, `${line}\n`]
  return bare(lines[insert]!) === line ? lines : lines.toSpliced(insert, 0, `${line}\n`)
}

function replaceAt(lines: readonly string[], at: number, line: string): string[] {
  const whole = line.endsWith('\n') ? line : `${line}\n`
  return lines[at] === whole ? [...lines] : lines.toSpliced(at, 1, whole)
}

function ended(lines: readonly string[]): string[] {
  const last = lines.at(-1)
  return last === undefined || /[\r\n]$/.test(last) ? [...lines] : [...lines, '\n']
}

/** Where the line stands already, and where it would go in. */
function findPlace(lines: readonly string[], line: string, edit: LineEdit): { exact: number; insert: number } {
  const { insertAfter, insertBefore } = edit
  const source =
    insertAfter !== undefined && insertAfter !== 'BOF' && insertAfter !== 'EOF'
      ? insertAfter
      : insertBefore !== undefined && insertBefore !== 'BOF'
        ? insertBefore
        : undefined
  const pattern = source === undefined ? undefined : pythonRegex(source)
  let [exact, insert] = [-1, -1]
  for (const [at, l] of lines.entries()) {
    if (line === bare(l)) exact = at
    else if (pattern?.test(l)) {
      insert = insertAfter ? at + 1 : at
      if (edit.firstMatch) break
    }
  }
  return { exact, insert }
}
