import { commandParams, commandPlan, commandReads, defineModule, fail, splitWords } from '../src/module.ts'

export default defineModule({
  name: 'command',
  summary: 'Runs a program, without a shell.',
  touches: 'anything',
  params: {
    type: 'object',
    properties: {
      cmd: { type: 'string', description: 'The program and its arguments as one line, quoted as for a shell.' },
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
})({
  reads: commandReads,
  plan: (p, answers) => {
    const argv = p.argv ?? splitWords(p.cmd ?? '')
    if (argv.length === 0) return fail('there is no command to run')
    return commandPlan(p, answers, { argv }, p.argv?.join(' ') ?? p.cmd!, p.expand_argument_vars)
  },
})
