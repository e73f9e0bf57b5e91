/** Whether a member's name is chosen by one of these patterns, itself or as what it lies in. A slash is a character as any
 * other to `*` and `?`.
 * @param anywhere patterns may start at any part of the name, as those of `tar --exclude` do. */
export function matcher(
  patterns: readonly string[],
  { anywhere = false, plain = false }: { anywhere?: boolean; plain?: boolean } = {},
): (name: string) => boolean {
  const tests = patterns.map((p) => {
    const text = p.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
    return new RegExp(`${anywhere ? '(^|/)' : '^'}${plain ? escaped(text) : globbed(text)}(/|$)`, 'su')
  })
  return (name) => tests.some((t) => t.test(name))
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

function globbed(text: string): string {
  return text.replace(/\[!?[^\]]+\]|./gsu, (part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part.length > 1 && part.startsWith('[')) {
      const inner = part.slice(1, -1).replace(/\\/g, '\\\\').replace(/^!/, '^')
      return `[${inner}]`
    }
    return escaped(part)
  })
}
