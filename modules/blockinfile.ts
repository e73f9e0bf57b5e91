import {
  content,
  defineModule,
  editBlock,
  edited,
  entry,
  fail,
  ownershipParams,
  placeFile,
  withBackup,
} from '../src/module.ts'

export default defineModule({
  name: 'blockinfile',
  summary: 'Sees to it that a block of lines between two markers is in a file, or is not.',
  touches: 'paths',
  params: {
    type: 'object',
    properties: {
      path: { type: 'string', hostPath: true, aliases: ['dest', 'destfile', 'name'], description: 'The file.' },
      block: { type: 'string', aliases: ['content'], default: '', description: 'The lines; none removes the block.' },
      state: {
        type: 'string',
        enum: ['present', 'absent'],
        default: 'present',
        description: 'Whether it is to be there.',
      },
      marker: {
        type: 'string',
        default: '# {mark} ANSIBLE MANAGED BLOCK',
        description: 'The lines around it, `{mark}` being begin or end.',
      },
      marker_begin: { type: 'string', default: 'BEGIN', description: 'What `{mark}` is at its start.' },
      marker_end: { type: 'string', default: 'END', description: 'What `{mark}` is at its end.' },
      insertafter: {
        type: 'string',
        format: 'python-regexp',
        description: 'Behind the last line that fits this Python expression; `EOF`.',
      },
      insertbefore: {
        type: 'string',
        format: 'python-regexp',
        description: 'Before the last line that fits this Python expression; `BOF`.',
      },
      append_newline: { type: 'boolean', default: false, description: 'An empty line behind it.' },
      prepend_newline: { type: 'boolean', default: false, description: 'An empty line before it.' },
      create: { type: 'boolean', default: false, description: 'Makes the file where there is none.' },
      backup: { type: 'boolean', default: false, description: 'Keeps a copy of what is replaced.' },
      validate: {
        type: 'string',
        pattern: '%s',
        format: 'shell-words',
        description: 'A command that looks at the new file before it is used; `%s` is its path.',
      },
      ...ownershipParams,
    },
    required: ['path'],
    exclusive: [['insertafter', 'insertbefore']],
  },
  differences: ['Attributes of chattr and SELinux contexts are not set.'],
  examples: '- blockinfile:\n    path: /etc/hosts\n    block: |\n      192.0.2.10 hsm1\n      192.0.2.11 hsm2',
})({
  reads: (p) => ({ at: entry(p.path), now: content(p.path) }),
  plan: (p, { at, now }, { facts }) => {
    const there = edited(p.path, at, now, facts.user)
    if ('failed' in there) return there
    if (!there.content && !p.create) return fail(`${p.path} does not exist`, { hint: '`create: true` makes it' })
    if (!there.content && p.state === 'absent') return { steps: [], result: { msg: `File ${p.path} not present` } }
    const before = there.content ?? Buffer.alloc(0)
    const bytes = editBlock(before, {
      state: p.state,
      block: p.block,
      marker: p.marker,
      markerBegin: p.marker_begin,
      markerEnd: p.marker_end,
      insertAfter: p.insertafter,
      insertBefore: p.insertbefore,
      appendNewline: p.append_newline,
      prependNewline: p.prepend_newline,
    })
    // a link is kept under its own name, as Ansible does
    const [backup, validate] = [p.backup && at.path, p.validate]
    const steps = placeFile({
      at,
      now,
      bytes,
      want: p,
      umask: facts.umask,
      follow: true,
      parents: 'make',
      backup,
      validate,
    })
    if ('failed' in steps) return steps
    const done = p.state === 'absent' || p.block === '' ? 'Block removed' : 'Block inserted'
    const msg = there.content ? (bytes.equals(before) ? '' : done) : 'File created'
    return withBackup(steps, 'backup_file', { path: p.path, msg })
  },
})
