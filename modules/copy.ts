import {
  type Content,
  content,
  defineModule,
  type Entry,
  entry,
  type Failure,
  fail,
  type LocalFile,
  localFile,
  localTree,
  type ModuleContext,
  makeDirectory,
  missingParents,
  nameOf,
  ownershipOfNew,
  ownershipParams,
  ownershipSteps,
  type Params,
  parseMode,
  placeFile,
  placeOf,
  type Read,
  type Step,
  type Sum,
  sum,
  sumFor,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    src: {
      type: 'string',
      controllerPath: 'files',
      description:
        'A file or directory of the controller (of the host with remote_src); of one that ends with `/` the contents.',
    },
    content: { description: 'The content itself; a list or mapping is written as JSON.' },
    dest: {
      type: 'string',
      hostPath: true,
      description: 'Where it goes; a directory where it ends with `/` or is one.',
    },
    ...ownershipParams,
    mode: { ...ownershipParams.mode, mode: 'preserve', description: 'Permissions; `preserve` takes those of `src`.' },
    directory_mode: { type: 'string', mode: true, description: 'Permissions of the directories that are made.' },
    backup: { type: 'boolean', default: false, description: 'Keeps a copy of what is replaced.' },
    force: { type: 'boolean', default: true, description: 'Replaces a file that is there.' },
    follow: { type: 'boolean', default: false, description: 'Writes to what a link at `dest` leads to.' },
    remote_src: { type: 'boolean', default: false, description: 'Takes `src` from the host.' },
    checksum: { type: 'string', description: 'The SHA-1 or SHA-256 that `src` must have, hex.' },
    validate: {
      type: 'string',
      pattern: '%s',
      format: 'shell-words',
      description: 'A command that looks at the new file before it is used; `%s` is its path.',
    },
  },
  required: ['dest'],
  anyOf: [{ required: ['src'] }, { required: ['content'] }],
  exclusive: [['src', 'content']],
} as const

type P = Params<typeof params>
/** A file to be, by the name it has below the destination; undefined for a directory. */
type Item = readonly [name: string, file: LocalFile | { bytes: Buffer; mode: number } | undefined]

export default defineModule({
  name: 'copy',
  summary: 'Copies a file or a directory of the controller, or given content, to a host.',
  params,
  examples:
    '- copy: { src: vault.hcl, dest: /etc/vault.d/, owner: vault, mode: \'0640\' }\n- copy: { content: "hello\\n", dest: /etc/motd }',
})({
  reads: (p, { diff }, known) => {
    const dest = trimmed(p.dest)
    const source = p.remote_src && p.src !== undefined ? content(p.src) : undefined
    const remote = source && known(source)
    const items = source
      ? remote?.bytes
        ? [single(p, remote.bytes)]
        : []
      : localItems(p, known(localFile(p.src ?? '')), known(localTree(p.src ?? '')))
    const paths = items.map(([name]) => join(dest, name))
    const single_ = items.length === 1 && items[0]![1] !== undefined && !isTree(p, known(localTree(p.src ?? '')))
    const ask = (path: string, file: Item[1]) => (file ? (diff ? content(path) : sumOfFile(path, file)) : sum(path, 0))
    return {
      source,
      file: source ? undefined : localFile(p.src ?? ''),
      tree: source ? undefined : localTree(p.src ?? ''),
      at: entry(dest),
      now: single_ ? (ask(dest, items[0]![1]) as Read<Sum | Content>) : undefined,
      inner: paths.map(entry),
      innerNow: paths.map((path, i) => ask(path, items[i]![1]) as Read<Sum | Content>),
    }
  },
  plan: (p, a, context) => {
    if (a.source && !a.source.bytes) return fail(`${p.src} is no readable file on the host`)
    if (p.src !== undefined && !a.source && !a.file && !a.tree) return fail(`there is no ${p.src} on the controller`)
    const items = a.source ? [single(p, a.source.bytes!)] : localItems(p, a.file, a.tree)
    if (!a.tree || p.content !== undefined) return planFile(p, a, items[0]!, context)
    const made = items.map(([name, file], i) => planItem(p, a.inner[i]!, a.innerNow[i]!, file, context, name))
    const failed = made.find((m): m is Failure => 'failed' in m)
    return failed ?? { steps: [...planRoot(p, a.at, context), ...(made as Step[][]).flat()], result: { dest: p.dest } }
  },
})

const trimmed = (path: string) => path.replace(/(.)\/+$/, '$1')
const join = (dir: string, name: string) => (name === '' ? dir : `${dir === '/' ? '' : dir}/${name}`)
const isTree = (p: P, tree: unknown) => p.content === undefined && tree !== undefined

function sumOfFile(path: string, file: NonNullable<Item[1]>): Read<Sum> {
  return 'size' in file ? sum(path, file.size) : sumFor(path, file.bytes)
}

function single(p: P, bytes: Buffer): Item {
  return [p.src === undefined ? '' : nameOf(`/${p.src}`), { bytes, mode: 0o644 }]
}

function localItems(
  p: P,
  file: LocalFile | undefined,
  tree: ReadonlyMap<string, LocalFile | undefined> | undefined,
): Item[] {
  if (p.content !== undefined) {
    const text = typeof p.content === 'string' ? p.content : JSON.stringify(p.content)
    return [['', { bytes: Buffer.from(text), mode: 0o644 }]]
  }
  if (file) return [[nameOf(`/${p.src!}`), file]]
  const base = p.src!.endsWith('/') ? '' : nameOf(`/${p.src!}`)
  const below = [...(tree ?? [])].map(([name, f]): Item => [base === '' ? name : `${base}/${name}`, f])
  return base === '' ? below : [[base, undefined], ...below]
}

interface Found {
  readonly at: Entry
  readonly now: Sum | Content | undefined
  readonly inner: readonly Entry[]
  readonly innerNow: readonly (Sum | Content)[]
}

function planFile(p: P, a: Found, [name, file]: Item, context: ModuleContext) {
  const intoDirectory = p.dest.endsWith('/') || (a.at.leads ?? a.at).stat?.type === 'directory'
  if (intoDirectory && name === '') return fail(`${p.dest} is a directory, and \`content\` has no name of its own`)
  const [at, now] = intoDirectory ? [a.inner[0]!, a.innerNow[0]!] : [a.at, a.now!]
  const parents = p.dest.endsWith('/') ? planRoot(p, a.at, context) : []
  const steps = planItem(p, at, now, file, context, at.path, parents.length > 0)
  return 'failed' in steps ? steps : { steps: [...parents, ...steps], result: { dest: at.path } }
}

function planRoot(p: P, at: Entry, { facts }: ModuleContext): Step[] {
  if ((at.leads ?? at).stat) return []
  const dest = placeOf(at, true)
  return [...missingParents(dest), dest].map((place) => makeDirectory(place, directoryOf(p, facts.umask)))
}

function directoryOf(p: P, umask: string) {
  return ownershipOfNew(
    { owner: p.owner, group: p.group, mode: p.directory_mode },
    0o777 & ~Number.parseInt(umask, 8),
    true,
  )
}

function planItem(
  p: P,
  at: Entry,
  now: Sum | Content,
  file: Item[1],
  { facts }: ModuleContext,
  name: string,
  parentsMade = p.src !== undefined && name !== at.path,
): Step[] | Failure {
  if (!file) {
    const there = (at.leads ?? at).stat
    if (there && there.type !== 'directory') return fail(`${at.path} is a ${there.type}, not a directory`)
    return there
      ? ownershipSteps(at, { owner: p.owner, group: p.group, mode: p.directory_mode })
      : [makeDirectory(at, directoryOf(p, facts.umask))]
  }
  if (!p.force && at.stat) return []
  const mode = p.mode === 'preserve' ? file.mode.toString(8).padStart(4, '0') : p.mode
  if (mode !== undefined) parseMode(mode, 0, false)
  return placeFile({
    at,
    now,
    bytes: file.bytes,
    ...('sha256' in file ? { sha256: file.sha256 } : {}),
    want: { owner: p.owner, group: p.group, mode },
    umask: facts.umask,
    follow: p.follow,
    backup: p.backup,
    validate: p.validate,
    parents: parentsMade ? 'made' : undefined,
  })
}
