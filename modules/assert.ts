import { defineModule, fail } from '../src/module.ts'

export default defineModule({
  name: 'assert',
  summary: 'Fails unless all conditions hold.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      that: {
        type: 'array',
        items: {},
        description: 'Conditions, each as `<%= … %>`; all have to be true.',
        examples: [['<%= facts.memory_mb > 1000 %>']],
      },
      fail_msg: {
        type: 'string',
        aliases: ['msg'],
        default: 'Assertion failed',
        description: 'Said where one does not hold.',
      },
      success_msg: { type: 'string', default: 'All assertions passed', description: 'Said where all hold.' },
      quiet: { type: 'boolean', default: false, description: 'Taken for compatibility.' },
    },
    required: ['that'],
  },
  examples: "- assert:\n    that: ['<%= facts.memory_mb > 1000 %>']\n    fail_msg: too little memory",
  differences: ['`that` takes values: conditions stand in `<%= … %>`.'],
})({
  plan: (p) => {
    const at = p.that.findIndex((v) => v !== true)
    if (at === -1) return { steps: [], result: { msg: p.success_msg } }
    const value = p.that[at]
    if (typeof value === 'string')
      return fail(`condition ${at + 1} of \`that\` is a text, not true or false`, { hint: `write '<%= ${value} %>'` })
    return fail(p.fail_msg, { result: { evaluated_to: false, assertion: at + 1 } })
  },
})
