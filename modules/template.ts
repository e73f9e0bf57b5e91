import {
  content,
  defineModule,
  entry,
  localFile,
  modeText,
  nameOf,
  ownershipParams,
  placedPlan,
  rendered,
  sumFor,
} from '../src/module.ts'

export default defineModule({
  name: 'template',
  summary: 'Renders an EJS template of the controller into a file.',
  touches: 'paths',
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
      mode: { ...ownershipParams.mode, mode: 'preserve', description: 'Permissions; `preserve` takes those of `src`.' },
      newline_sequence: {
        type: 'string',
        enum: ['\n', '\r', '\r\n', '\\n', '\\r', '\\r\\n'],
        default: '\n',
        description: 'What ends a line: with another than a newline every line end is made so.',
      },
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
  differences: [
    'Templates are EJS, not Jinja2: its block, variable and comment strings, `trim_blocks` and `lstrip_blocks` are no parameters.',
    'Templates are UTF-8, and so is what they make.',
  ],
})({
  reads: (p, { diff }, known) => {
    const bytes = bytesOf(p, known(rendered(p.src))!)
    const inside = `${p.dest}/${nameOf(p.src).replace(/\.ejs$/, '')}`
    const ask = (path: string) => (diff ? content(path) : sumFor(path, bytes))
    const dest = p.dest.replace(/(.)\/+$/, '$1')
    return {
      bytes: rendered(p.src),
      file: localFile(p.mode === 'preserve' ? p.src : '', 'templates'),
      at: entry(dest),
      now: ask(dest),
      inner: entry(inside),
      innerNow: ask(inside),
    }
  },
  plan: (p, a, { facts }) => {
    const isDirectory = p.dest.endsWith('/') || (a.at.leads ?? a.at).stat?.type === 'directory'
    const [at, now] = isDirectory ? [a.inner, a.innerNow] : [a.at, a.now]
    if (!p.force && at.stat) return { steps: [], result: { dest: at.path, src: p.src } }
    const mode = p.mode === 'preserve' && a.file ? modeText(a.file.mode) : p.mode
    return placedPlan(
      {
        at,
        now,
        bytes: bytesOf(p, a.bytes),
        want: { ...p, mode },
        umask: facts.umask,
        follow: p.follow && at.leads?.stat !== undefined,
        backup: p.backup,
        validate: p.validate,
        parents: p.dest.endsWith('/') ? 'make' : undefined,
      },
      { src: p.src },
    )
  },
})

const ends: Readonly<Record<string, string>> = { '\\n': '\n', '\\r': '\r', '\\r\\n': '\r\n' }

function bytesOf(p: { readonly newline_sequence: string }, text: Buffer): Buffer {
  const end = ends[p.newline_sequence] ?? p.newline_sequence
  return end === '\n' ? text : Buffer.from(text.toString('latin1').replace(/\r\n|\r|\n/g, end), 'latin1')
}
