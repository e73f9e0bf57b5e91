import { defineModule, Unknown } from '../src/module.ts'

export default defineModule({
  name: 'debug',
  summary: 'Prints a message in the report.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      msg: { description: 'What to print; a text or any value.', default: 'Hello world!' },
      var: { expression: true, description: 'An expression, as in `when`: its value is printed behind its text.' },
      verbosity: { type: 'integer', default: 0, description: 'Taken for compatibility; it is always printed.' },
    },
    exclusive: [['var', 'msg']],
    freeForm: 'msg',
  },
  examples: '- debug: { msg: "the kernel is <%= facts.kernel %>" }\n- debug: { var: facts.addresses }',
  differences: [
    '`var` with a name that nothing defines is an error before anything connects.',
    '`verbosity` holds nothing back.',
  ],
})({
  plan: (p) => {
    if (p.var)
      return { steps: [], output: `${p.var.text}: ${shown(p.var.value)}`, result: { [p.var.text]: p.var.value } }
    return { steps: [], output: shown(p.msg), result: { msg: p.msg } }
  },
})

function shown(value: unknown): string {
  if (typeof value === 'string' || value instanceof Unknown) return String(value)
  return JSON.stringify(value, null, 2) ?? String(value)
}
