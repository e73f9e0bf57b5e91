import { defineModule } from '../src/module.ts'

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
})({
  plan: (p) => {
    const { cacheable: _, ...variables } = p as Record<string, unknown>
    return { steps: [], variables, result: { facts: variables } }
  },
})
