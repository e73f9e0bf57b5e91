import {
  content,
  defineModule,
  edited,
  editLines,
  entry,
  fail,
  ownershipParams,
  placeFile,
  withBackup,
} from '../src/module.ts'

export default defineModule({
  name: 'lineinfile',
  summary: 'Sees to it that a line is in a file, or is not.',
  touches: 'paths',
  params: {
    type: 'object',
    properties: {
      path: { type: 'string', hostPath: true, aliases: ['dest', 'destfile', 'name'], description: 'The file.' },
      line: { type: 'string', aliases: ['value'], description: 'The line.' },
      regexp: {
        type: 'string',
        format: 'python-regexp',
        aliases: ['regex'],
        description: 'A Python regular expression: the last line it fits is replaced, or with absent all are removed.',
      },
      search_string: { type: 'string', description: 'As `regexp`, but plain text.' },
      state: {
        type: 'string',
        enum: ['present', 'absent'],
        default: 'present',
        description: 'Whether it is to be there.',
      },
      insertafter: {
        type: 'string',
        format: 'python-regexp',
        description: 'Behind the last line that fits this expression; `EOF`, `BOF`.',
      },
      insertbefore: {
        type: 'string',
        format: 'python-regexp',
        description: 'Before the last line that fits this expression; `BOF`.',
      },
      backrefs: {
        type: 'boolean',
        default: false,
        description: 'Fills `\\1` in `line` from `regexp`; without a match nothing is done.',
      },
      firstmatch: { type: 'boolean', default: false, description: 'The first line that fits, not the last.' },
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
    exclusive: [
      ['insertafter', 'insertbefore'],
      ['regexp', 'search_string'],
      ['backrefs', 'search_string'],
    ],
  },
  differences: ['Attributes of chattr and SELinux contexts are not set.'],
  examples: "- lineinfile: { path: /etc/ssh/sshd_config, regexp: '^#?PermitRootLogin', line: PermitRootLogin no }",
})({
  reads: (p) => ({ at: entry(p.path), now: content(p.path) }),
  plan: (p, { at, now }, { facts }) => {
    const present = p.state === 'present'
    if (present && p.line === undefined) return fail('`state: present` needs `line`')
    if (present && p.backrefs && p.regexp === undefined) return fail('`backrefs` needs `regexp`')
    if (!present && [p.line, p.regexp, p.search_string].every((v) => v === undefined))
      return fail('`state: absent` needs `line`, `regexp` or `search_string`')
    const there = edited(p.path, at, now, facts.user)
    if ('failed' in there) return there
    if (!there.content && !present) return { steps: [], result: { msg: 'file not present' } }
    if (!there.content && !p.create) return fail(`${p.path} does not exist`, { hint: '`create: true` makes it' })
    const before = there.content ?? Buffer.alloc(0)
    const { bytes, msg, found } = editLines(before, {
      state: p.state,
      line: p.line,
      regexp: p.regexp,
      searchString: p.search_string,
      insertAfter: p.insertafter,
      insertBefore: p.insertbefore,
      backrefs: p.backrefs,
      firstMatch: p.firstmatch,
    })
    // a file is made only for a line
    if (!there.content && bytes.length === 0) return { steps: [], result: { msg: '', backup: '' } }
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
    const result = { path: p.path, msg, backup: '', ...(found === undefined ? {} : { found }) }
    return { ...withBackup(steps, 'backup', result), warnings: emptyPattern(p) }
  },
})

function emptyPattern(p: { readonly regexp?: string | undefined; readonly search_string?: string | undefined }) {
  const name = p.regexp === '' ? 'regexp' : p.search_string === '' ? 'search_string' : undefined
  return name === undefined ? [] : [`\`${name}\` is empty and fits every line; \`^\` would say so`]
}
