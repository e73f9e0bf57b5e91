import { printable } from '../language/diagnostic.ts'

/** Text of a host or a file as lines that are safe on a terminal; a final newline makes no line of its own. */
export function safeLines(text: string): string[] {
  const lines = text.split('\n').map((line) => printable(line.endsWith('\r') ? line.slice(0, -1) : line).trimEnd())
  while (lines.length > 0 && lines.at(-1) === '') lines.pop()
  return lines
}

/** The same as one line: breaks and the space around them become one space. */
export function safeLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]+\s*/g, ' ').trim())
}

/** A line of a diff. What is all that differs has to be seen: a tab, a carriage return, spaces at the end. */
export function diffLine(line: string): string {
  const shown = /^[+-]/.test(line) ? line.replaceAll('\t', '→   ').replace(/\r$/, '␍') : line.replaceAll('\t', '    ')
  return printable(shown.replace(/\r$/, ''))
}

const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{16fe0}-\u{18d08}\u{1aff0}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u
const joined = /\p{Mn}|\p{Me}|[\u200b-\u200f]|[\ufe00-\ufe0f]/u
const plainAscii = /^[\x20-\x7e]*$/

function columnsOf(character: string): number {
  if (joined.test(character)) return 0
  return wide.test(character) ? 2 : 1
}

/** Columns that a safe line without colours takes on a terminal. */
export function widthOf(line: string): number {
  if (plainAscii.test(line)) return line.length
  let width = 0
  for (const character of line) width += columnsOf(character)
  return width
}

/** Milliseconds as a reader says them: `340 ms`, `1.2 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** `1 host`, `3 hosts`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
