import { commandParams, commandPlan, commandReads, defineModule, fail, splitWords } from '../src/module.ts'

export default defineModule({
  name: 'command',
  summary: 'Runs a program, without a shell.',
  touches: 'anything',
  params: {
    type: 'object',
    properties: {
      cmd: {
        type: 'string',
        format: 'shell-words',
        description: 'The program and its arguments as one line, quoted as for a shell.',
      },
      argv: {
        type: 'array',
        items: { type: 'string' },
        minItems: 1,
        description: 'The program and its arguments as a list.',
      },
      expand_argument_vars: {
        type: 'boolean',
        default: true,
        description: 'Fills `$NAME` and a leading `~/` in the arguments from the host’s environment.',
      },
      ...commandParams,
    },
    freeForm: 'cmd',
    anyOf: [{ required: ['cmd'] }, { required: ['argv'] }],
    exclusive: [['cmd', 'argv']],
  },
  examples:
    '- command: openssl version\n  register: openssl\n  changed_when: false\n- command: { argv: [make, install], chdir: /src, creates: /usr/bin/x }',
  differences: [
    'Check mode says that it would run, and what may follow from it is unknown; Ansible skips it.',
    '`creates=…` and the like inside the text are an error: they stand under `args:`.',
    '`~user/` in an argument stays as it is; `register` gives neither `start` nor `end` nor `delta`.',
  ],
})({
  reads: commandReads,
  plan: (p, answers) => {
    const argv = p.argv ?? splitWords(p.cmd ?? '')
    if (argv.length === 0) return fail('there is no command to run')
    return commandPlan(p, answers, { argv }, argv, p.expand_argument_vars)
  },
})
