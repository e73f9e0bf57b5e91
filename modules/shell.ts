import { commandParams, commandPlan, commandReads, defineModule, fail } from '../src/module.ts'

export default defineModule({
  name: 'shell',
  summary: 'Runs text in a shell on the host.',
  touches: 'anything',
  params: {
    type: 'object',
    properties: {
      cmd: { type: 'string', description: 'What the shell reads.' },
      executable: {
        type: 'string',
        default: '/bin/sh',
        description: 'The shell: a path, or a name found in the PATH.',
      },
      ...commandParams,
    },
    required: ['cmd'],
    freeForm: 'cmd',
  },
  examples: '- shell: cat /etc/*release | head -1\n  changed_when: false',
  differences: [
    'Check mode says that it would run, and what may follow from it is unknown; Ansible skips it.',
    '`creates=…` and the like inside the text are an error: they stand under `args:`.',
    '`register` gives neither `start` nor `end` nor `delta`.',
  ],
})({
  reads: commandReads,
  plan: (p, answers) => {
    if (p.cmd.trim() === '') return fail('there is no command to run')
    return commandPlan(p, answers, { text: p.cmd, shell: p.executable }, p.cmd)
  },
})
