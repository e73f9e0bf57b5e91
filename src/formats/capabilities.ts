/** `cap_a,cap_b=ep cap_c+p` by capability, as any getcap writes it. */
export function parseCapabilities(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const part of text.split(/\s+/).filter((w) => w !== '' && w !== '=')) {
    const [names, flags = ''] = part.split(/[=+]+/) as [string, string?]
    for (const name of names.split(',')) found.set(name, [...flags].sort().join(''))
  }
  return found
}

/** One text for one set, whatever the order that getcap writes it in; setcap takes it. */
export function printCapabilities(capabilities: ReadonlyMap<string, string>): string {
  const byFlags = new Map<string, string[]>()
  for (const [name, flags] of capabilities) if (flags !== '') byFlags.set(flags, [...(byFlags.get(flags) ?? []), name])
  return [...byFlags]
    .map(([flags, names]) => `${names.sort().join(',')}=${flags}`)
    .sort()
    .join(' ')
}
