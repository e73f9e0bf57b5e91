export type UnitValue = string | number | boolean
export type UnitSections = Readonly<Record<string, Readonly<Record<string, UnitValue | readonly UnitValue[]>>>>

/** A systemd unit file; a list makes a line for each of its values.
 * @throws RangeError for a name or value that would break out of its line. */
export function printUnit(sections: UnitSections): string {
  const blocks = Object.entries(sections).map(([section, directives]) => {
    if (!/^[A-Za-z][\w-]*$/.test(section)) throw new RangeError(`\`${section}\` is no name of a section`)
    const lines = Object.entries(directives).flatMap(([name, value]) => {
      if (!/^[A-Za-z][\w-]*$/.test(name)) throw new RangeError(`\`${name}\` is no name of a directive`)
      return [value].flat().map((v) => `${name}=${printed(name, v as UnitValue)}`)
    })
    return [`[${section}]`, ...lines].join('\n')
  })
  return `${blocks.join('\n\n')}\n`
}

function printed(name: string, value: UnitValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  const text = String(value)
  if (/[\r\n]/.test(text) || text.endsWith('\\')) throw new RangeError(`the value of ${name} has to be one line`)
  return text
}

/** What systemd will pass over in silence or drop, as one sentence each. */
export function unitWarnings(text: string): string[] {
  const found: string[] = []
  let section = ''
  for (const line of text.split('\n')) {
    section = /^\s*\[([^\]]+)\]\s*$/.exec(line)?.[1] ?? section
    const name = /^\s*([A-Za-z]\w*)\s*=/.exec(line)?.[1]
    if (name === undefined) continue
    if (section === 'Service' && /^StartLimit(Interval|IntervalSec|Burst|Action)$/.test(name))
      found.push(`${name} is ignored in [Service]: it belongs into [Unit]`)
    if (section === 'Service' && name === 'Capabilities')
      found.push('Capabilities is ignored: systemd has dropped it, use AmbientCapabilities and CapabilityBoundingSet')
  }
  return found
}
