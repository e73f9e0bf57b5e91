/** A time as Ansible's `file` takes it, as `YYYY-MM-DD hh:mm:ss` in the host's own time zone.
 * @param format of Python's strptime; %Y %y %m %d %H %M %S and %%.
 * @throws RangeError for a text that does not fit. */
export function parseTimestamp(text: string, format: string): string {
  const parts: Record<string, number> = { Y: 1900, m: 1, d: 1, H: 0, M: 0, S: 0 }
  let rest = text
  for (const [piece] of format.matchAll(/%.|[^%]+/gs)) {
    const width = widths[piece]
    if (width === undefined) {
      const plain = piece === '%%' ? '%' : piece
      if (piece.startsWith('%') && piece !== '%%')
        throw new RangeError(`\`${piece}\` in a time format is not supported`)
      if (!rest.startsWith(plain)) throw mismatch(text, format)
      rest = rest.slice(plain.length)
      continue
    }
    const digits = new RegExp(`^\\d{1,${width}}`).exec(rest)?.[0]
    if (digits === undefined) throw mismatch(text, format)
    rest = rest.slice(digits.length)
    if (piece === '%y') parts.Y = Number(digits) + (Number(digits) < 69 ? 2000 : 1900)
    else parts[piece[1]!] = Number(digits)
  }
  if (rest !== '') throw mismatch(text, format)
  const two = (n: number) => String(n).padStart(2, '0')
  const { Y, m, d, H, M, S } = parts as Record<'Y' | 'm' | 'd' | 'H' | 'M' | 'S', number>
  const date = new Date(Date.UTC(Y, m - 1, d, H, M, S))
  if (date.getUTCMonth() !== m - 1 || date.getUTCDate() !== d || H > 23 || M > 59 || S > 59)
    throw mismatch(text, format)
  return `${String(Y).padStart(4, '0')}-${two(m)}-${two(d)} ${two(H)}:${two(M)}:${two(S)}`
}

const widths: Record<string, number> = { '%Y': 4, '%y': 2, '%m': 2, '%d': 2, '%H': 2, '%M': 2, '%S': 2 }

function mismatch(text: string, format: string): RangeError {
  return new RangeError(`the time \`${text}\` does not fit the format \`${format}\``)
}
