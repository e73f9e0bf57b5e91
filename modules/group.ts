import { changeGroup, defineModule, fail, group, UnknownValue } from '../src/module.ts'

export default defineModule({
  name: 'group',
  summary: 'Makes, changes and removes groups.',
  params: {
    type: 'object',
    properties: {
      name: { type: 'string', description: 'The name.' },
      state: {
        type: 'string',
        enum: ['present', 'absent'],
        default: 'present',
        description: 'Whether it is to be there.',
      },
      gid_min: { type: 'integer', description: 'A new one gets no number below.' },
      gid_max: { type: 'integer', description: 'A new one gets no number above.' },
      gid: { type: 'integer', description: 'Its number.' },
      system: { type: 'boolean', default: false, description: 'A new one gets a number for systems.' },
      non_unique: { type: 'boolean', default: false, description: 'The number may be another group’s too.' },
      force: { type: 'boolean', default: false, description: 'Removes it although it is somebody’s primary group.' },
    },
    required: ['name'],
  },
  examples: '- group: { name: vault, system: true }',
})({
  reads: (p) => ({ now: group(p.name) }),
  plan: (p, { now }) => {
    if (p.non_unique && p.gid === undefined) return fail('`non_unique` needs `gid`')
    const result = { name: p.name, state: p.state }
    if (p.state === 'absent') {
      if (!now) return { steps: [], result }
      const argv = ['groupdel', ...(p.force ? ['-f'] : []), p.name]
      return { steps: [changeGroup(`remove group ${p.name}`, argv, p.name, now, undefined)], result }
    }
    if (p.gid !== undefined && now && now.gid === undefined)
      throw new UnknownValue(`the number of the new group ${p.name}`)
    const number = p.gid === undefined ? [] : ['-g', String(p.gid), ...(p.non_unique ? ['-o'] : [])]
    const gid = p.gid ?? now?.gid
    const after = { name: p.name, gid, members: now ? now.members : [] }
    if (!now) {
      const range = [
        ...(p.gid_min === undefined ? [] : ['-K', `GID_MIN=${p.gid_min}`]),
        ...(p.gid_max === undefined ? [] : ['-K', `GID_MAX=${p.gid_max}`]),
      ]
      const argv = ['groupadd', ...number, ...(p.system ? ['-r'] : []), ...range, p.name]
      return {
        steps: [
          changeGroup(`add group ${p.name}${p.gid === undefined ? '' : ` (${p.gid})`}`, argv, p.name, now, after),
        ],
        result,
      }
    }
    if (p.gid === undefined || now.gid === p.gid) return { steps: [], result }
    const summary = `change group ${p.name}: number ${p.gid} (was ${now.gid ?? 'unknown'})`
    return { steps: [changeGroup(summary, ['groupmod', ...number, p.name], p.name, now, after)], result }
  },
})
