import {
  capabilities,
  defineModule,
  entry,
  fail,
  followed,
  parseCapabilities,
  printCapabilities,
  setCapabilities,
} from '../src/module.ts'

export default defineModule({
  name: 'capabilities',
  summary: 'Gives and takes file capabilities.',
  touches: 'paths',
  params: {
    type: 'object',
    properties: {
      path: { type: 'string', hostPath: true, aliases: ['key'], description: 'The file.' },
      capability: {
        type: 'string',
        aliases: ['cap'],
        description:
          'The capability with its flags, as setcap takes it: `+` adds flags, `=` sets them exactly, `-` takes them; with `absent` a name alone will do.',
        examples: ['cap_ipc_lock=+ep'],
      },
      state: { type: 'string', enum: ['present', 'absent'], default: 'present', description: 'Whether it has it.' },
    },
    required: ['path', 'capability'],
  },
  examples: '- capabilities: { path: /usr/local/bin/vault, capability: cap_ipc_lock=+ep }',
  differences: [
    '`cap+ep` and `cap=ep` are the same where the file has them: there is no need to write it as getcap does.',
  ],
})({
  reads: (p) => ({ at: entry(p.path), now: capabilities(p.path) }),
  plan: (p, { at, now }) => {
    const { stat } = followed(at)
    if (!stat) return fail(`${p.path} does not exist`)
    if (stat.type !== 'file') return fail(`${p.path} is a ${stat.type}: only a file has capabilities`)
    const found = /^([a-z_]+(?:,[a-z_]+)*)(?:(=\+?|=-|\+|-)([eip]*))?$/.exec(p.capability.trim().toLowerCase())
    if (!found || (found[2] === undefined && p.state === 'present'))
      return fail(`\`${p.capability}\` is no capability with its flags`, { hint: 'as in `cap_ipc_lock=+ep`' })
    if (now === undefined)
      return fail('the host has no getcap', { hint: 'install libcap2-bin (Debian) or libcap (Red Hat)' })
    const have = parseCapabilities(now)
    const want = new Map(have)
    for (const name of found[1]!.split(','))
      want.set(name, p.state === 'absent' ? '' : flagsAfter(have.get(name) ?? '', found[2]!, found[3]!))
    const [before, after] = [printCapabilities(have), printCapabilities(want)]
    const result = { path: p.path, state: p.state, capabilities: after }
    return { steps: before === after ? [] : [setCapabilities(at, after, before)], result }
  },
})

function flagsAfter(before: string, operator: string, flags: string): string {
  if (operator === '-') return [...before].filter((f) => !flags.includes(f)).join('')
  if (operator === '=-') return ''
  return [...new Set([...(operator === '+' ? before : ''), ...flags])].sort().join('')
}
