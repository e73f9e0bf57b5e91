/** What a read or a step writes its shell text with. Nothing else in this program puts a value into shell text. */
export interface Shell {
  /** A value as exactly one word. It cannot hold NUL; who takes paths from an author checks that before. */
  readonly word: (text: string) => string
  /** Several values as several words. */
  readonly words: (texts: readonly string[]) => string
  /** Bytes sent beside the script, as the word of the file that holds them: for contents and for all that is secret. */
  readonly blob: (bytes: Buffer) => string
}

/** One word of POSIX shell. */
export function quote(text: string): string {
  if (text.includes('\0')) throw new Error('a shell word cannot hold NUL')
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

export function shellWith(blob: (bytes: Buffer) => string): Shell {
  return { word: quote, words: (texts) => texts.map(quote).join(' '), blob }
}

/** Words in groups that fit on one command line (Linux takes 128 KiB a word and at least 2 MiB in all). */
export function inGroups(texts: readonly string[], most = 100_000): string[][] {
  const groups: string[][] = []
  let room = 0
  for (const text of texts) {
    if (room < text.length || groups.length === 0) {
      groups.push([])
      room = most
    }
    groups.at(-1)!.push(text)
    room -= text.length * 3 + 3
  }
  return groups
}
