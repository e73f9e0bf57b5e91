import { capabilities, defineModule, entry, fail, setCapabilities } from '../src/module.ts'

export default defineModule({
  name: 'capabilities',
  summary: 'Gives and takes file capabilities.',
  params: {
    type: 'object',
    properties: {
      path: { type: 'string', hostPath: true, aliases: ['key'], description: 'The file.' },
      capability: {
        type: 'string',
        aliases: ['cap'],
        description: 'The capability, as setcap takes it.',
        examples: ['cap_ipc_lock=+ep'],
      },
      state: { type: 'string', enum: ['present', 'absent'], default: 'present', description: 'Whether it has it.' },
    },
    required: ['path', 'capability'],
  },
  examples: '- capabilities: { path: /usr/local/bin/vault, capability: cap_ipc_lock=+ep }',
})({
  reads: (p) => ({ at: entry(p.path), now: capabilities(p.path) }),
  plan: (p, { at, now }) => {
    if (!at.stat) return fail(`${p.path} does not exist`)
    if (now === undefined)
      return fail('the host has no getcap', { hint: 'install libcap2-bin (Debian) or libcap (Red Hat)' })
    const found = /^([a-z_,]+)=?([+-]?)([eip]*)$/.exec(p.capability.trim().toLowerCase())
    if (!found) return fail(`\`${p.capability}\` is no capability`, { hint: 'as in `cap_ipc_lock=+ep`' })
    const have = parse(now)
    const want = new Map(have)
    for (const name of found[1]!.split(',')) {
      if (p.state === 'absent') want.delete(name)
      else want.set(name, [...found[3]!].sort().join(''))
    }
    const [before, after] = [print(have), print(want)]
    if (before === after) return { steps: [], result: { path: p.path, capabilities: before } }
    return { steps: [setCapabilities(at, after, before)], result: { path: p.path, capabilities: after } }
  },
})

/** `cap_a,cap_b=ep cap_c+p` by capability. */
function parse(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const part of text.split(/\s+/).filter((w) => w !== '')) {
    const [names, flags] = part.split(/[=+]+/) as [string, string?]
    for (const name of names.split(',')) found.set(name, [...(flags ?? '')].sort().join(''))
  }
  return found
}

/** As getcap prints it: by flags, in the order of names. */
function print(capabilities: ReadonlyMap<string, string>): string {
  const byFlags = new Map<string, string[]>()
  for (const [name, flags] of capabilities) byFlags.set(flags, [...(byFlags.get(flags) ?? []), name])
  return [...byFlags].map(([flags, names]) => `${names.sort().join(',')}=${flags}`).join(' ')
}
