import { commandParams, commandPlan, commandReads, defineModule } from '../src/module.ts'

export default defineModule({
  name: 'shell',
  summary: 'Runs text in a shell on the host.',
  touches: 'anything',
  params: {
    type: 'object',
    properties: {
      cmd: { type: 'string', description: 'What the shell reads.' },
      executable: { type: 'string', default: '/bin/sh', description: 'The shell, as an absolute path.' },
      ...commandParams,
    },
    required: ['cmd'],
    freeForm: 'cmd',
  },
  examples: '- shell: cat /etc/*release | head -1\n  changed_when: false',
})({
  reads: commandReads,
  plan: (p, answers) => commandPlan(p, answers, { text: p.cmd, shell: p.executable }, p.cmd),
})
