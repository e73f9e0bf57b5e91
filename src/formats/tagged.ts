// The tagged format of fxpkcs11.cfg: lines `<TAG> value </TAG>` in sections `<HSM>` … `</HSM>`, `#` comments. A file is
// kept as its lines, each classified, so what is not edited is printed back byte for byte.

/** One line with its line ending. `value` is the trimmed text between the tags. */
interface Line {
  readonly raw: string
  readonly section: string | undefined
  readonly tag?: string
  readonly value?: string
  readonly mark?: 'open' | 'close'
}

/** A parsed file; immutable. Bytes are read and printed as latin1, so any encoding passes through. */
export interface Tagged {
  readonly lines: readonly Line[]
  /** The section that the file opens and never closes: such a file can be read, not edited. */
  readonly unclosed?: string
}

// \s would take the last byte of some letters in UTF-8 for a blank; the first line may begin with a byte order mark
const opening = /^(?:\xef\xbb\xbf)?[ \t]*<([A-Za-z][\w-]*)>[ \t]*(?:#.*)?\r?\n?$/
const closing = /^[ \t]*<\/([A-Za-z][\w-]*)>[ \t]*(?:#.*)?\r?\n?$/
const pair = /^([ \t]*<([A-Za-z][\w-]*)>[ \t]*)(.*?)([ \t]*<\/\2>[ \t]*(?:#.*)?\r?\n?)$/
const trimmed = (text: string) => text.replace(/^[ \t]+|[ \t]+$/g, '')

/** Never fails: a line of another shape is kept and has no tag. */
export function parseTagged(text: string): Tagged {
  const lines: Line[] = []
  let section: string | undefined
  for (const raw of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const full = pair.exec(raw)
    const open = opening.exec(raw)
    const close = closing.exec(raw)
    if (full) lines.push({ raw, section, tag: full[2]!, value: full[3]! })
    else if (open && section === undefined) {
      section = open[1]!
      lines.push({ raw, section, mark: 'open' })
    } else if (close && close[1] === section) {
      lines.push({ raw, section, mark: 'close' })
      section = undefined
    } else lines.push({ raw, section })
  }
  return section === undefined ? { lines } : { lines, unclosed: section }
}

export function printTagged(file: Tagged): string {
  return file.lines.map((l) => l.raw).join('')
}

/** All values of a tag in a section, in order. */
export function tagValues(file: Tagged, section: string, tag: string): string[] {
  return file.lines.filter((l) => l.section === section && l.tag === tag).map((l) => l.value!)
}

/** The file with exactly these values of a tag in a section (none removes it). Lines that already hold a wanted value stay
 * as they are; others are rewritten in place, then added behind the last of their kind, or at the section's end; a section
 * that is missing is added at the file's end. Setting what is set changes no byte.
 * @throws RangeError for a value that would break out of its line, and for a file with a section that is never closed. */
export function setTag(file: Tagged, section: string, tag: string, values: readonly string[]): Tagged {
  if (file.unclosed !== undefined) throw new RangeError(`the section <${file.unclosed}> is never closed`)
  for (const v of values) {
    if (/[\r\n\0]/.test(v) || v.includes(`</${tag}>`))
      throw new RangeError(`a value of ${tag} cannot hold a line break or its own closing tag`)
  }
  const wanted = values.map(trimmed)
  const have = tagValues(file, section, tag)
  if (have.length === wanted.length && have.every((v, i) => v === wanted[i])) return file
  let next = 0
  let lines = file.lines.flatMap((l): Line[] => {
    if (l.section !== section || l.tag !== tag) return [l]
    const value = wanted[next++]
    if (value === undefined) return []
    return [value === l.value ? l : rewritten(l, value)]
  })
  const added = wanted.slice(next)
  if (added.length === 0) return { lines }
  if (!lines.some((l) => l.section === section && l.mark === 'open'))
    lines = [...lines, ...emptySection(lines, section)]
  return { lines: inserted(lines, section, tag, added) }
}

function rewritten(line: Line, value: string): Line {
  const [, before, , , after] = pair.exec(line.raw)!
  // an empty value may have had no blank between its tags
  const [left, right] = [before!.endsWith('>') ? `${before} ` : before!, /^[ \t]/.test(after!) ? after! : ` ${after}`]
  return { ...line, raw: `${left}${value}${right}`, value }
}

function emptySection(lines: readonly Line[], section: string): Line[] {
  const last = lines.at(-1)
  const end = ending(lines)
  const open: Line = { raw: `${last && !last.raw.endsWith('\n') ? end : ''}<${section}>${end}`, section, mark: 'open' }
  return [open, { raw: `</${section}>${end}`, section, mark: 'close' }]
}

function inserted(lines: readonly Line[], section: string, tag: string, values: readonly string[]): Line[] {
  const inside = lines.map((l, i) => [l, i] as const).filter(([l]) => l.section === section)
  const kin =
    inside.findLast(([l]) => l.tag === tag) ??
    inside.findLast(([l]) => l.tag !== undefined) ??
    inside.find(([l]) => l.mark === 'open')!
  const indent = kin[0].mark === 'open' ? '    ' : /^[ \t]*/.exec(kin[0].raw)![0]
  const end = ending(lines)
  const fresh = values.map(
    (value): Line => ({ raw: `${indent}<${tag}> ${value} </${tag}>${end}`, section, tag, value }),
  )
  const before = lines.slice(0, kin[1] + 1)
  const last = before.at(-1)!
  if (!last.raw.endsWith('\n')) before[before.length - 1] = { ...last, raw: `${last.raw}${end}` }
  return [...before, ...fresh, ...lines.slice(kin[1] + 1)]
}

function ending(lines: readonly Line[]): string {
  return lines[0]?.raw.endsWith('\r\n') ? '\r\n' : '\n'
}
