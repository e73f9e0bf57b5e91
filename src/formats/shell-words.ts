/** Splits a command line into words as a POSIX shell quotes them, without anything else that a shell does. As for Python's
 * shlex, a backslash between double quotes takes the meaning of a quote or a backslash only.
 * @throws SyntaxError where a quote has no end. */
export function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (/[ \t\r\n]/.test(c)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (c === "'") {
      const end = text.indexOf("'", i + 1)
      if (end === -1) throw new SyntaxError('a single quote has no end')
      word = (word ?? '') + text.slice(i + 1, end)
      i = end
    } else if (c === '"') {
      const [part, end] = doubleQuoted(text, i + 1)
      word = (word ?? '') + part
      i = end
    } else if (c === '\\') {
      if (i + 1 === text.length) throw new SyntaxError('a backslash stands at the end')
      word = (word ?? '') + text[++i]
    } else word = (word ?? '') + c
  }
  return word === undefined ? words : [...words, word]
}

function doubleQuoted(text: string, from: number): [part: string, end: number] {
  let part = ''
  for (let i = from; i < text.length; i++) {
    const c = text[i]!
    if (c === '"') return [part, i]
    if (c === '\\' && /["\\]/.test(text[i + 1] ?? '')) part += text[++i]
    else part += c
  }
  throw new SyntaxError('a double quote has no end')
}
