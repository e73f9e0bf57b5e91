import { defineModule, fail } from '../src/module.ts'

export default defineModule({
  name: 'assert',
  summary: 'Fails unless all conditions hold.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      that: {
        condition: true,
        description: 'Conditions as in `when`, one or a list; all have to hold.',
        examples: [['facts.memory_mb > 1000']],
      },
      fail_msg: {
        type: ['string', 'array'],
        items: { type: 'string' },
        aliases: ['msg'],
        default: 'Assertion failed',
        description: 'Said where one does not hold; a text or a list of lines.',
      },
      success_msg: {
        type: ['string', 'array'],
        items: { type: 'string' },
        default: 'All assertions passed',
        description: 'Said where all hold; a text or a list of lines.',
      },
      quiet: { type: 'boolean', default: false, description: 'Taken for compatibility; it says little anyway.' },
    },
    required: ['that'],
  },
  examples: '- assert:\n    that: [facts.memory_mb > 1000, facts.cores >= 2]\n    fail_msg: too small a host',
  differences: ['A condition may be anything that JavaScript counts as true or false; Ansible wants booleans.'],
})({
  plan: (p) => {
    const wrong = p.that.find((condition) => !condition.value)
    if (!wrong) return { steps: [], result: { msg: p.success_msg } }
    const said = [p.fail_msg].flat().join('\n')
    return fail(`${said}: \`${wrong.text}\` does not hold`, {
      result: { evaluated_to: wrong.value, assertion: wrong.text },
    })
  },
})
