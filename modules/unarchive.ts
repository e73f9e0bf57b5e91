import {
  type Archived,
  archive,
  arranged,
  defineModule,
  entry,
  fail,
  followed,
  isZip,
  localFile,
  type Member,
  type ModuleContext,
  matcher,
  membersOf,
  ownershipParams,
  type Params,
  placeOf,
  type Selection,
  sum,
  unpackReads,
  unpackSteps,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    src: {
      type: 'string',
      controllerPath: 'files',
      description:
        'The archive: tar, tar.gz or zip, of the controller (of the host with remote_src, whatever its tar reads).',
    },
    dest: { type: 'string', hostPath: true, description: 'The directory it is unpacked into; it has to be there.' },
    remote_src: { type: 'boolean', default: false, description: 'Takes `src` from the host.' },
    creates: { type: 'string', hostPath: true, description: 'A path: where it is there, nothing is done.' },
    checksum: { type: 'string', description: 'The SHA-256 that the archive must have, hex, also as `sha256:…`.' },
    include: {
      type: 'array',
      items: { type: 'string' },
      description: 'Only these members and what is below them; patterns with `*` for a zip archive.',
    },
    exclude: {
      type: 'array',
      items: { type: 'string' },
      description: 'Not these members and what is below them; `*` and `?` stand for any characters.',
    },
    extra_opts: {
      type: 'array',
      items: { type: 'string' },
      description: 'For tar or unzip on the host; for an archive of the controller only `--strip-components=N`.',
    },
    list_files: { type: 'boolean', default: false, description: 'The names of the members in the result, as `files`.' },
    ...ownershipParams,
  },
  required: ['src', 'dest'],
  exclusive: [['include', 'exclude']],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'unarchive',
  summary: 'Unpacks an archive of the controller or of the host.',
  touches: 'paths',
  params,
  examples: '- unarchive: { src: fxpkcs11.tar.gz, dest: /usr/local/bin, owner: root, group: root }',
  differences: [
    'Of an archive of the controller only the members are sent that differ.',
    'Files get the time of writing, not the archive’s: what restarts a service when a file is newer sees them. So times make no task `changed`, and there is no `keep_newer`.',
    'The destination itself keeps its owner and mode, whatever the archive says of `.`.',
    'A hard link in an archive becomes a file of its own.',
    'A member that would come to lie outside the destination, also through a link that is there already, is an error.',
    'Archives packed by xz, bzip2 or zstd need `remote_src`; an URL as `src` is not fetched.',
  ],
})({
  reads: (p, context, known) => {
    const created = p.creates === undefined ? undefined : entry(p.creates)
    const isCreated = created && known(created)
    const shared = { at: entry(p.dest), created, file: localFile(p.remote_src ? '' : p.src) }
    const none = {
      source: undefined,
      hash: undefined,
      archived: undefined,
      ...unpackReads({ members: [], dest: p.dest }),
    }
    if (isCreated?.stat || refusal(p) || (p.remote_src && created && !isCreated)) return { ...shared, ...none }
    if (!p.remote_src) {
      const found = selected(p, context, known(localFile(p.src))?.bytes)
      const asked = 'failed' in found ? {} : unpackReads(found)
      // what is there may be large: it is hashed only where it matters
      return { ...shared, ...none, ...asked, ...(created && !isCreated ? { sums: [] } : {}) }
    }
    const source = archive(p.src, { options: p.extra_opts ?? [] })
    const found = selectedRemote(p, context, known(source))
    return {
      ...shared,
      ...none,
      ...('failed' in found ? {} : unpackReads(found)),
      source: entry(p.src),
      hash: p.checksum === undefined ? undefined : sum(p.src),
      archived: source,
    }
  },
  plan: (p, a, context) => {
    if (a.created?.stat) return { steps: [], skipped: `${p.creates} exists` }
    if (placeOf(a.at, true).stat?.type !== 'directory')
      return fail(`${p.dest} is no directory`, { hint: 'make it first: `file: { path: …, state: directory }`' })
    const refused = refusal(p)
    if (refused) return refused
    if (!p.remote_src && !a.file) return fail(`there is no ${p.src} on the controller`)
    if (p.remote_src && !a.source?.stat) return fail(`there is no ${p.src} on the host`)
    if (p.remote_src && followed(a.source!).stat?.type !== 'file')
      return fail(`${p.src} is a ${followed(a.source!).stat?.type ?? 'dangling link'}, no file`)
    const wanted = p.checksum?.replace(/^sha256:/, '').toLowerCase()
    const actual = wanted === undefined ? undefined : p.remote_src ? a.hash?.sha256 : a.file?.sha256
    if (wanted !== actual) return fail(`the checksum of ${p.src} is ${actual}, not ${wanted}`)
    const found = p.remote_src ? selectedRemote(p, context, a.archived) : selected(p, context, a.file!.bytes)
    if ('failed' in found) return found
    const remote = p.remote_src ? { source: p.src, options: p.extra_opts ?? [] } : undefined
    const steps = unpackSteps(found, a, p, remote)
    if ('failed' in steps) return steps
    const files = found.members.filter((m) => !m.implied).map((m) => (m.type === 'directory' ? `${m.name}/` : m.name))
    return { steps, result: { src: p.src, dest: p.dest, ...(p.list_files ? { files } : {}) } }
  },
})

/** What can be said before anything is known. */
function refusal(p: P) {
  if (/^[a-z]+:\/\//.test(p.src)) return fail('an URL is not fetched', { hint: 'download it in a task of its own' })
  if (!p.remote_src) return undefined
  if (!p.src.startsWith('/')) return fail(`${p.src} is no absolute path`)
  const bad = p.extra_opts?.find((o) => /^(-P|--absolute-names|-C.*|--directory.*|-d|-:)$/.test(o))
  return bad === undefined ? undefined : fail(`\`${bad}\` in \`extra_opts\` would lead outside the destination`)
}

/** What of an archive's bytes is to be unpacked. */
function selected(p: P, { facts }: ModuleContext, bytes: Buffer | undefined) {
  if (!bytes) return { members: [], dest: p.dest }
  const strip = stripped(p.extra_opts ?? [])
  if (strip === undefined)
    return fail('of `extra_opts` only `--strip-components=N` is known for an archive of the controller', {
      hint: 'copy the archive to the host and use `remote_src: true`',
    })
  const zip = isZip(bytes)
  try {
    const members = membersOf(bytes, { ...choice(p, zip), strip })
    // as tar does for anybody but root
    const masked = zip || facts.uid === 0 ? members : members.map((m) => withoutUmask(m, facts.umask))
    return judged(p, masked, zip, facts.uid === 0)
  } catch (e) {
    if (!(e instanceof RangeError)) throw e
    return fail(
      e.message,
      /packed by/.test(e.message) ? { hint: 'copy the archive to the host and use `remote_src: true`' } : {},
    )
  }
}

function selectedRemote(p: P, { facts }: ModuleContext, archived: Archived | undefined) {
  if (!archived) return { members: [], dest: p.dest }
  if (archived.problem !== undefined) return fail(`${p.src} cannot be unpacked: ${archived.problem}`)
  const zip = archived.kind === 'zip'
  return judged(p, arranged(archived.members, choice(p, zip)), zip, facts.uid === 0)
}

function choice(p: P, zip: boolean): Selection {
  const [only, but] = [matcher(p.include ?? [], { plain: !zip }), matcher(p.exclude ?? [], { anywhere: !zip })]
  return { keep: (name) => (p.include === undefined || only(name)) && !but(name) }
}

function judged(p: P, members: readonly Member[], zip: boolean, isRoot: boolean) {
  const absent = (p.include ?? []).find((i) => !members.some((m) => matcher([i], { plain: !zip })(m.name)))
  if (absent !== undefined && stripped(p.extra_opts ?? []) === 0)
    return fail(`the archive does not hold ${absent}`, { hint: '`list_files: true` shows what it holds' })
  if (members.length === 0) return fail(`${p.src} holds nothing to unpack`)
  return { members, dest: p.dest, keepOwners: isRoot && !zip }
}

function stripped(options: readonly string[]): number | undefined {
  if (options.length === 0) return 0
  const found = /^--strip-components[= ](\d+)$/.exec(options.join(' '))
  return found ? Number(found[1]) : undefined
}

function withoutUmask(m: Member, umask: string): Member {
  if (m.type === 'link') return m
  return Object.create(m, { mode: { value: m.mode & ~Number.parseInt(umask, 8), enumerable: true } })
}
