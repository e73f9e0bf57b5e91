/** The names that a host pattern of an inventory stands for: `h[1:3]`, `h[01:10:2]`, `[a:c]x`; several ranges multiply.
 * Undefined where a range is none. */
export function expandRange(name: string): string[] | undefined {
  const found = /^(.*?)\[([^\]:]+):([^\]:]+)(?::(\d+))?\](.*)$/.exec(name)
  if (!found) return name.includes('[') && !/^\[[0-9a-fA-F:]+\]/.test(name) ? undefined : [name]
  const [, before, from, to, step = '1', after] = found as unknown as [string, string, string, string, string?, string?]
  const middle =
    /^\d+$/.test(from) && /^\d+$/.test(to) ? numbers(from, to, Number(step)) : letters(from, to, Number(step))
  const rest = expandRange(after ?? '')
  if (!middle || !rest) return undefined
  return middle.flatMap((m) => rest.map((r) => `${before}${m}${r}`))
}

function numbers(from: string, to: string, step: number): string[] | undefined {
  const [first, last] = [Number(from), Number(to)]
  if (step < 1 || last < first || last - first > 1_000_000) return undefined
  const width = from.startsWith('0') ? from.length : 0
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) =>
    String(first + i * step).padStart(width, '0'),
  )
}

function letters(from: string, to: string, step: number): string[] | undefined {
  const both = [from, to].every((c) => /^[a-z]$/.test(c)) || [from, to].every((c) => /^[A-Z]$/.test(c))
  if (!both || step < 1 || to < from) return undefined
  const found: string[] = []
  for (let c = from.charCodeAt(0); c <= to.charCodeAt(0); c += step) found.push(String.fromCharCode(c))
  return found
}
