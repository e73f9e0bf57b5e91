import { defineModule, Unknown } from '../src/module.ts'

export default defineModule({
  name: 'debug',
  summary: 'Prints a message in the report.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      msg: { description: 'What to print; a text or any value.', default: 'Hello world!' },
      var: { type: 'string', description: 'A text to print as it is: write `msg: "<%= x %>"` for a variable.' },
      verbosity: { type: 'integer', default: 0, description: 'Taken for compatibility; it is always printed.' },
    },
    exclusive: [['var', 'msg']],
    freeForm: 'msg',
  },
  examples: '- debug: { msg: "the kernel is <%= facts.kernel %>" }',
  differences: ['`var` takes no expression: `msg: "<%= x %>"` prints any value.'],
})({
  plan: (p) => {
    const shown = p.var ?? p.msg
    if (shown instanceof Unknown) return { steps: [], output: String(shown) }
    const output = typeof shown === 'string' ? shown : JSON.stringify(shown, null, 2)
    return { steps: [], output, result: { msg: shown } }
  },
})
