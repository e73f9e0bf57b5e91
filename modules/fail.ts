import { defineModule, fail } from '../src/module.ts'

export default defineModule({
  name: 'fail',
  summary: 'Fails, with a message; meant to stand behind a `when`.',
  harmless: true,
  params: {
    type: 'object',
    properties: { msg: { type: 'string', default: 'Failed as requested from task', description: 'Why.' } },
    freeForm: 'msg',
  },
  examples: '- fail: { msg: "only Debian is supported" }\n  when: facts.os_family !== \'Debian\'',
})({
  plan: (p) => fail(p.msg),
})
