import {
  type Content,
  content,
  defineModule,
  type Entry,
  entry,
  type Failure,
  fail,
  followed,
  hashOf,
  inTheWay,
  type LocalFile,
  type LocalTree,
  localFile,
  localTree,
  type ModuleContext,
  makeDirectory,
  makeLink,
  missingParents,
  modeText,
  nameOf,
  ownershipOf,
  ownershipOfNew,
  ownershipParams,
  ownershipSteps,
  type Params,
  type Placing,
  type Plan,
  placedPlan,
  placeFile,
  placeOf,
  pythonJson,
  type Read,
  type Step,
  type Sum,
  sum,
  type Tree,
  toBytes,
  tree,
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
    local_follow: {
      type: 'boolean',
      default: true,
      description: 'Copies what links in a directory of the controller lead to, not the links.',
    },
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

/** What is to be copied, by the name it has below the destination. */
interface Item {
  readonly name: string
  /** Undefined for a directory, a text for a link. */
  readonly data: Placing['bytes'] | string | undefined
  readonly size: number
  readonly mode: number
  /** Of a file of the controller: its hash is worked out once for all hosts. */
  readonly file?: LocalFile
}

/** What is known of the source, here or on the host. */
interface Given {
  readonly file: LocalFile | undefined
  readonly tree: LocalTree | undefined
  readonly from: Entry | undefined
  readonly fromSum: Sum | undefined
  readonly below: Tree | undefined
  readonly belowSums: readonly Sum[] | undefined
}

export default defineModule({
  name: 'copy',
  summary: 'Copies a file or a directory of the controller, or given content, to a host.',
  touches: 'paths',
  params,
  examples:
    '- copy: { src: vault.hcl, dest: /etc/vault.d/, owner: vault, mode: \'0640\' }\n- copy: { content: "hello\\n", dest: /etc/motd }',
  differences: [
    'A file that is replaced keeps its owner and mode with `remote_src` too; Ansible gives it the mode of `src`.',
    'Links in a directory of the host are copied as links, whatever `local_follow` says.',
    'Files are always written beside their place and renamed; attributes of chattr and SELinux contexts are not set.',
  ],
})({
  reads: (given, context, known) => {
    const p = withRemotePath(given, context)
    const remote = p.remote_src && p.src !== undefined
    const from = remote ? entry(trimmed(p.src)) : undefined
    const isTree = from !== undefined && isDirectory(known(from))
    const below = isTree ? tree(p.src!) : undefined
    const reads = {
      file: remote ? undefined : localFile(p.src ?? ''),
      tree: remote ? undefined : localTree(p.src ?? '', p.local_follow),
      from,
      fromSum: remote && !isTree ? sum(p.src!) : undefined,
      below,
      belowSums: [...((below && known(below)) ?? [])].flatMap(([name, { type }]) =>
        type === 'file' ? sum(join(trimmed(p.src!), name)) : [],
      ),
    }
    const items = itemsOf(p, {
      file: reads.file && known(reads.file),
      tree: reads.tree && known(reads.tree),
      from: from && known(from),
      fromSum: reads.fromSum && known(reads.fromSum),
      below: below && known(below),
      belowSums: reads.belowSums.map((s) => known(s) ?? { sha256: undefined }),
    })
    const dest = trimmed(p.dest)
    const ask = (path: string, { data, size }: Item) =>
      (context.diff && Buffer.isBuffer(data) ? content(path) : sum(path, size)) as Read<Sum | Content>
    return {
      ...reads,
      at: entry(dest),
      top: isTree && !p.src!.endsWith('/') ? entry(join(dest, nameOf(p.src!))) : undefined,
      now: items?.length === 1 ? ask(dest, items[0]!) : undefined,
      inner: items?.map((i) => entry(join(dest, i.name))) ?? [],
      innerNow: items?.map((i) => ask(join(dest, i.name), i)) ?? [],
    }
  },
  plan: (given, a, context) => {
    const p = withRemotePath(given, context)
    const items = itemsOf(p, a)
    if (!items) {
      const where = p.remote_src ? 'host, or it may not be read' : 'controller'
      return fail(`there is no ${p.src} on the ${where}`)
    }
    if (isDirectory(a.from)) return planRemoteTree(p, a, items, context)
    return a.tree && p.content === undefined ? planTree(p, a, items, context) : planFile(p, a, items[0]!, context)
  },
})

/** A path on the host that is not absolute starts at the user's home; the facts are asked for only where that is so. */
function withRemotePath(p: P, context: ModuleContext): P {
  if (!p.remote_src || p.src === undefined || p.src.startsWith('/')) return p
  return { ...p, src: `${context.facts.home}/${p.src.replace(/^~\//, '')}` }
}

const trimmed = (path: string) => path.replace(/(.)\/+$/, '$1')
const join = (dir: string, name: string) => (name === '' ? dir : `${dir === '/' ? '' : dir}/${name}`)
const under = (base: string, name: string) => (base === '' ? name : `${base}/${name}`)
const isDirectory = (at: Entry | undefined) => at !== undefined && followed(at).stat?.type === 'directory'

/** What is to be copied; undefined where the source is not there. */
function itemsOf(p: P, { file, tree: local, from, fromSum, below, belowSums }: Given): Item[] | undefined {
  if (p.content !== undefined) {
    const data = toBytes(typeof p.content === 'string' ? p.content : pythonJson(p.content))
    return [{ name: '', data, size: data.length, mode: 0o644 }]
  }
  const src = p.src!
  const base = src.endsWith('/') ? '' : nameOf(src)
  if (from && isDirectory(from)) {
    const sums = [...(belowSums ?? [])]
    return [...(below ?? [])].map(([name, { type, mode, size = 0, target }]): Item => {
      const path = join(trimmed(src), name)
      const data = type === 'file' ? { path, sha256: sums.shift()?.sha256, size } : target
      return { name: under(base, name), data, size, mode }
    })
  }
  if (from) {
    const stat = followed(from).stat
    const sha256 = fromSum?.sha256
    if (stat?.type !== 'file' || sha256 === undefined) return undefined
    const size = stat.size ?? 0
    return [{ name: nameOf(src), data: { path: src, sha256, size }, size, mode: stat.mode }]
  }
  if (file) return [localItem(nameOf(src), file)]
  if (!local) return undefined
  const items = [...local].map(([name, f]): Item => {
    if (f && 'bytes' in f) return localItem(under(base, name), f)
    return { name: under(base, name), data: f?.target, size: 0, mode: 0 }
  })
  return base === '' ? items : [{ name: base, data: undefined, size: 0, mode: 0 }, ...items]
}

/** Its bytes are read when they are needed. */
function localItem(name: string, file: LocalFile): Item {
  return {
    name,
    get data() {
      return file.bytes
    },
    size: file.size,
    mode: file.mode,
    file,
  }
}

interface Found extends Given {
  readonly at: Entry
  /** Where a directory of the host goes, inside `dest`. */
  readonly top: Entry | undefined
  readonly now: Sum | Content | undefined
  readonly inner: readonly Entry[]
  readonly innerNow: readonly (Sum | Content)[]
}

function planFile(p: P, a: Found, item: Item, context: ModuleContext): Plan | Failure {
  const wrong = checksumDiffers(p, item)
  if (wrong) return wrong
  const intoDirectory = p.dest.endsWith('/') || isDirectory(a.at)
  if (intoDirectory && item.name === '') return fail(`${p.dest} is a directory, and \`content\` has no name of its own`)
  const [at, now] = intoDirectory ? [a.inner[0]!, a.innerNow[0]!] : [a.at, a.now!]
  const root = p.dest.endsWith('/') ? planRoot(p, a.at, context) : []
  if ('failed' in root) return root
  const src = p.src === undefined ? {} : { src: p.src }
  if (!p.force && at.stat) return { steps: [], result: { dest: at.path, ...src, msg: 'file already exists' } }
  const plan = placedPlan(placing(p, at, now, item, context, root.length > 0), src)
  return 'failed' in plan ? plan : { ...plan, ...shifted(plan, root) }
}

/** The ends of the steps before are not those of the plan. */
function shifted(plan: Plan, before: readonly Step[]): Plan {
  const { afterwards } = plan
  return {
    steps: [...before, ...plan.steps],
    ...(afterwards ? { afterwards: (ends) => afterwards(ends.slice(before.length)) } : {}),
  }
}

function checksumDiffers(p: P, { data }: Item): Failure | undefined {
  if (p.checksum === undefined || typeof data !== 'object') return undefined
  const name = p.checksum.length === 64 ? 'sha256' : 'sha1'
  if ('path' in data && name === 'sha1') return fail('with `remote_src` the checksum is a SHA-256')
  const is = 'path' in data ? data.sha256! : hashOf(data, name)
  if (is === p.checksum.toLowerCase()) return undefined
  return fail(`the checksum of ${p.src ?? 'the content'} is ${is}, not ${p.checksum}`)
}

function placing(
  p: P,
  at: Entry,
  now: Sum | Content,
  { data, mode, file }: Item,
  { facts }: ModuleContext,
  parentsMade: boolean,
): Placing {
  return {
    at,
    now,
    bytes: data as Placing['bytes'],
    ...(file ? { sha256: file.sha256 } : {}),
    want: { owner: p.owner, group: p.group, mode: p.mode === 'preserve' ? modeText(mode) : p.mode },
    umask: facts.umask,
    // as with Ansible, a link that leads nowhere is replaced
    follow: p.follow && at.leads?.stat !== undefined,
    backup: p.backup,
    validate: p.validate,
    parents: parentsMade ? 'made' : undefined,
  }
}

/** The directory all goes into. */
function planRoot(p: P, at: Entry, { facts }: ModuleContext): Step[] | Failure {
  const place = placeOf(at, true)
  if (place.stat)
    return place.stat.type === 'directory' ? [] : fail(`${at.path} is a ${place.stat.type}, not a directory`)
  const blocked = inTheWay(place)
  if (blocked) return blocked
  const want = ownershipOf({ owner: p.owner, group: p.group, mode: p.directory_mode }, facts)
  const made = ownershipOfNew(want, 0o777 & ~want.umask, true)
  return [...missingParents(place), place].map((m) => makeDirectory(m, made))
}

function planTree(p: P, a: Found, items: readonly Item[], context: ModuleContext): Plan | Failure {
  const root = planRoot(p, a.at, context)
  if ('failed' in root) return root
  const steps = [...root]
  for (const [i, item] of items.entries()) {
    const made = planItem({ ...p, follow: false }, a.inner[i]!, a.innerNow[i]!, item, context)
    if ('failed' in made) return made
    steps.push(...made)
  }
  return { steps, result: { dest: p.dest, src: p.src } }
}

function planItem(p: P, at: Entry, now: Sum | Content, item: Item, context: ModuleContext): Step[] | Failure {
  const { data } = item
  if (typeof data === 'string') return planLink(p, at, data)
  if (data !== undefined) return !p.force && at.stat ? [] : placeFile(placing(p, at, now, item, context, true))
  const there = followed(at).stat
  if (there && there.type !== 'directory') return fail(`${at.path} is a ${there.type}, not a directory`)
  const want = ownershipOf({ owner: p.owner, group: p.group, mode: p.directory_mode }, context.facts)
  if (there) return ownershipSteps(placeOf(at, true), want)
  return at.stat
    ? fail(`${at.path} is a link to ${at.stat.target}, which is not there`)
    : [makeDirectory(at, ownershipOfNew(want, 0o777 & ~want.umask, true))]
}

function planLink(p: P, at: Entry, target: string): Step[] | Failure {
  const own = { owner: p.owner, group: p.group }
  if (at.stat?.type === 'directory') return fail(`${at.path} is a directory, not a link`)
  if (at.stat?.type === 'link' && at.stat.target === target) return ownershipSteps(at, own)
  return [makeLink(at, target, own)]
}

/** As `cp -a` would, but for owners and times: what is made has the mode of its source, what is there already keeps its own. */
function planRemoteTree(p: P, a: Found, items: readonly Item[], context: ModuleContext): Plan | Failure {
  const base = p.src!.endsWith('/') ? '' : nameOf(p.src!)
  const own = { owner: p.owner, group: p.group }
  const source = followed(a.from!).stat!
  const steps: Step[] = []
  const top = base === '' ? a.at : a.top!
  const there = followed(top).stat
  if (there && there.type !== 'directory') return fail(`${top.path} is a ${there.type}, not a directory`)
  const blocked = inTheWay(placeOf(top, true))
  if (blocked) return blocked
  if (followed(top).real.startsWith(`${followed(a.from!).real}/`))
    return fail(`${p.src} can't be copied into itself: ${top.path}`)
  const want = ownershipOf({ ...own, mode: p.mode === 'preserve' ? undefined : p.mode }, context.facts)
  if (there) steps.push(...ownershipSteps(placeOf(top, true), want))
  else {
    const standard = ownershipOfNew({}, 0o777 & ~want.umask, true)
    const place = placeOf(top, true)
    steps.push(...missingParents(place).map((m) => makeDirectory(m, standard)))
    steps.push(makeDirectory(place, ownershipOfNew(want, source.mode, true)))
  }
  for (const [i, item] of items.entries()) {
    const at = a.inner[i]!
    const mode = modeText(item.mode)
    const same =
      typeof item.data === 'object' && (a.innerNow[i] as Sum).sha256 === (item.data as { sha256?: string }).sha256
    const made = planItem(
      {
        ...p,
        ...(at.stat && (same || item.data === undefined) ? { mode: undefined } : { mode }),
        directory_mode: at.stat ? undefined : mode,
      },
      at,
      a.innerNow[i]!,
      item,
      context,
    )
    if ('failed' in made) return made
    steps.push(...made)
  }
  return { steps, result: { dest: p.dest, src: p.src } }
}
