import { defineModule, fail } from '../src/module.ts'

export default defineModule({
  name: 'set_fact',
  summary: 'Sets variables of a host for the tasks that follow.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      cacheable: { type: 'boolean', default: false, description: 'Taken for compatibility; nothing is cached.' },
    },
    additionalProperties: true,
  },
  examples: '- set_fact:\n    port: 8200\n    url: "http://<%= inventory_hostname %>:8200"',
  differences: [
    'The name of a variable is plain text, no template.',
    'Nothing is cached between runs, whatever `cacheable` says.',
  ],
})({
  plan: (p) => {
    const { cacheable: _, ...variables } = p as Record<string, unknown>
    if (Object.keys(variables).length === 0) return fail('there is no variable to set')
    return { steps: [], variables, result: { ansible_facts: variables } }
  },
})
