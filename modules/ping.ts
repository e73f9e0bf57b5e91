import { defineModule } from '../src/module.ts'

export default defineModule({
  name: 'ping',
  summary: 'Says whether a host can be reached and a shell works there.',
  harmless: true,
  params: {
    type: 'object',
    properties: { data: { type: 'string', default: 'pong', description: 'What it answers.' } },
    freeForm: 'data',
  },
  examples: '- ping:',
})({
  // the facts come with the shell: who has them has reached the host
  plan: (p, _, { facts }) => ({ steps: [], result: { ping: p.data, user: facts.user } }),
})
