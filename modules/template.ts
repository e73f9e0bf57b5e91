import { content, defineModule, entry, nameOf, ownershipParams, placeFile, rendered, sumFor } from '../src/module.ts'

export default defineModule({
  name: 'template',
  summary: 'Renders an EJS template of the controller into a file.',
  params: {
    type: 'object',
    properties: {
      src: {
        type: 'string',
        controllerPath: 'templates',
        description: 'The template, in templates/ beside the playbook.',
      },
      dest: { type: 'string', hostPath: true, description: 'The file; in a directory it gets the name of `src`.' },
      ...ownershipParams,
      backup: { type: 'boolean', default: false, description: 'Keeps a copy of what is replaced.' },
      force: { type: 'boolean', default: true, description: 'Replaces a file that is there.' },
      follow: { type: 'boolean', default: false, description: 'Writes to what a link at `dest` leads to.' },
      validate: {
        type: 'string',
        pattern: '%s',
        format: 'shell-words',
        description: 'A command that looks at the new file before it is used; `%s` is its path.',
      },
    },
    required: ['src', 'dest'],
  },
  examples: "- template: { src: vault.env.ejs, dest: /etc/vault.d/vault.env, mode: '0640' }",
  differences: ['Templates are EJS, not Jinja2.'],
})({
  reads: (p, { diff }, known) => {
    const bytes = known(rendered(p.src))!
    const inside = `${p.dest}/${nameOf(`/${p.src}`).replace(/\.ejs$/, '')}`
    const ask = (path: string) => (diff ? content(path) : sumFor(path, bytes))
    const dest = p.dest.replace(/(.)\/+$/, '$1')
    return { bytes: rendered(p.src), at: entry(dest), now: ask(dest), inner: entry(inside), innerNow: ask(inside) }
  },
  plan: (p, a, { facts }) => {
    const isDirectory = p.dest.endsWith('/') || (a.at.leads ?? a.at).stat?.type === 'directory'
    const [at, now] = isDirectory ? [a.inner, a.innerNow] : [a.at, a.now]
    if (!p.force && at.stat) return { steps: [], result: { dest: at.path } }
    const steps = placeFile({
      ...p,
      at,
      now,
      bytes: a.bytes,
      want: p,
      umask: facts.umask,
      parents: p.dest.endsWith('/') ? 'make' : undefined,
    })
    return 'failed' in steps ? steps : { steps, result: { dest: at.path } }
  },
})
