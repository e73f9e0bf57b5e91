/** What a terminal shows after these bytes, with what scrolled away above it: the sequences that are written here, no more.
 * @throws Error for any other. */
export function shown(bytes: string, columns: number): { lines: string[]; cursorHidden: boolean } {
  const lines: string[][] = [[]]
  let [row, column, cursorHidden] = [0, 0, false]
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is meant
  for (const [part] of bytes.matchAll(/\x1b\[[?0-9;]*[A-Za-z]|[\s\S]/gu)) {
    if (part === '\n') {
      row++
      lines[row] ??= []
    } else if (part === '\r' || part === '\x1b[G') column = 0
    else if (part === '\x1b[2K') lines[row] = []
    else if (part === '\x1b[1A') row = Math.max(0, row - 1)
    else if (part === '\x1b[?25l') cursorHidden = true
    else if (part === '\x1b[?25h') cursorHidden = false
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour
    else if (/^\x1b\[\d+m$/.test(part)) continue
    else if (part < ' ') throw new Error(`unexpected ${JSON.stringify(part)}`)
    else if (part.startsWith('\x1b')) throw new Error(`unexpected ${JSON.stringify(part)}`)
    else {
      if (column === columns) {
        column = 0
        row++
        lines[row] ??= []
      }
      lines[row]![column++] = part
    }
  }
  return {
    lines: lines.map((l) =>
      Array.from(l, (c) => c ?? ' ')
        .join('')
        .trimEnd(),
    ),
    cursorHidden,
  }
}
