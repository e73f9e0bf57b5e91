export type UnitValue = string | number | boolean
export type UnitSections = Readonly<Record<string, Readonly<Record<string, UnitValue | readonly UnitValue[]>>>>

/** A systemd unit file; a list makes a line for each of its values.
 * @throws RangeError for a name or value that would break out of its line, or that is no text, number or boolean. */
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
  if (typeof value !== 'string' && typeof value !== 'number')
    throw new RangeError(`the value of ${name} has to be a text, a number, a boolean or a list of them`)
  const text = String(value)
  if (/[\r\n\0]/.test(text) || text.endsWith('\\')) throw new RangeError(`the value of ${name} has to be one line`)
  return text
}

/** The directives of a unit file, in order; a line that ends with a backslash goes on. */
export function unitDirectives(text: string): { section: string; name: string; value: string }[] {
  const found: { section: string; name: string; value: string }[] = []
  let section = ''
  for (const line of text.replace(/\\\r?\n/g, ' ').split(/\r?\n/)) {
    if (/^\s*[#;]/.test(line)) continue
    section = /^\s*\[([^\]]+)\]\s*$/.exec(line)?.[1] ?? section
    const at = /^\s*([A-Za-z][\w-]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (at) found.push({ section, name: at[1]!, value: at[2]! })
  }
  return found
}

const sections = /^(Unit|Install|Service|Socket|Device|Mount|Automount|Swap|Target|Path|Timer|Slice|Scope|(X-|-\.).*)$/

/** What systemd will pass over in silence or drop, as one sentence each. */
export function unitWarnings(text: string): string[] {
  const directives = unitDirectives(text)
  const unknown = new Set(directives.map((d) => d.section).filter((s) => !sections.test(s)))
  const found = [...unknown].map((s) =>
    s === ''
      ? 'what stands before the first section is ignored'
      : `the section [${s}] is ignored: systemd knows none of that name`,
  )
  for (const { section, name } of directives) {
    if (section === 'Service' && name === 'StartLimitIntervalSec')
      found.push(`${name} is ignored in [Service]: it belongs into [Unit]`)
    if (section === 'Service' && /^StartLimit(Interval|Burst|Action)$/.test(name))
      found.push(`${name} belongs into [Unit]: in [Service] systemd takes it at most for the sake of old units`)
    if (name === 'Capabilities')
      found.push('Capabilities is ignored: systemd has dropped it, use AmbientCapabilities and CapabilityBoundingSet')
    if (section !== 'Install' && /^(WantedBy|RequiredBy|Alias|Also|DefaultInstance)$/.test(name))
      found.push(`${name} is ignored in [${section}]: it belongs into [Install]`)
    if (section === 'Install' && /^(After|Before|Requires|Wants|Description)$/.test(name))
      found.push(`${name} is ignored in [Install]: it belongs into [Unit]`)
  }
  return [...new Set(found)]
}
