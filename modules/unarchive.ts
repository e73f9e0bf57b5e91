import {
  defineModule,
  entry,
  fail,
  localFile,
  type Member,
  membersOf,
  output,
  ownershipParams,
  type Params,
  placeOf,
  type Step,
  sum,
  unpackReads,
  unpackRemote,
  unpackSteps,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    src: {
      type: 'string',
      controllerPath: 'files',
      description: 'The archive: tar, tar.gz or zip, of the controller (of the host with remote_src).',
    },
    dest: { type: 'string', hostPath: true, description: 'The directory it is unpacked into; it has to be there.' },
    remote_src: { type: 'boolean', default: false, description: 'Takes `src` from the host.' },
    creates: { type: 'string', hostPath: true, description: 'A path: where it is there, nothing is done.' },
    checksum: { type: 'string', description: 'The SHA-256 that the archive must have, hex, also as `sha256:…`.' },
    include: {
      type: 'array',
      items: { type: 'string' },
      description: 'Only these members and what is below them (not with remote_src).',
    },
    exclude: {
      type: 'array',
      items: { type: 'string' },
      description: 'Not these members and what is below them (not with remote_src).',
    },
    list_files: { type: 'boolean', default: false, description: 'The names of the members in the result, as `files`.' },
    ...ownershipParams,
  },
  required: ['src', 'dest'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'unarchive',
  summary: 'Unpacks an archive of the controller or of the host.',
  params,
  examples: '- unarchive: { src: fxpkcs11.tar.gz, dest: /usr/local/bin, owner: root, group: root }',
  differences: ['Of an archive of the controller only the members are sent that differ.'],
})({
  reads: (p, _, known) => {
    const shared = { at: entry(p.dest), created: p.creates === undefined ? undefined : entry(p.creates) }
    const none = {
      file: undefined,
      entries: [],
      sums: [],
      source: undefined,
      hash: undefined,
      listed: undefined,
      same: undefined,
    }
    if (p.remote_src) {
      const about = [p.src, p.dest]
      const [list, compare] = isZip(p.src)
        ? [['unzip', '-Z1', p.src], ['true']]
        : [
            ['tar', '-tf', p.src],
            ['tar', '--diff', '-f', p.src, '-C', p.dest],
          ]
      return {
        ...shared,
        ...none,
        source: entry(p.src),
        hash: p.checksum === undefined ? undefined : sum(p.src),
        listed: output(list, {}, about),
        same: output(compare, {}, about),
      }
    }
    const file = known(localFile(p.src))
    const members = file ? safely(() => select(p, file.bytes)) : []
    return {
      ...shared,
      ...none,
      file: localFile(p.src),
      ...unpackReads({ members: Array.isArray(members) ? members : [], dest: p.dest }),
    }
  },
  plan: (p, a) => {
    if (a.created?.stat) return { steps: [], skipped: `${p.creates} exists` }
    const target = placeOf(a.at, true)
    if (target.stat?.type !== 'directory')
      return fail(`${p.dest} is no directory`, { hint: 'make it first: `file: { path: …, state: directory }`' })
    const wanted = p.checksum?.replace(/^sha256:/, '').toLowerCase()
    const actual = p.remote_src ? a.hash?.sha256 : a.file?.sha256
    if (!p.remote_src && !a.file) return fail(`there is no ${p.src} on the controller`)
    if (p.remote_src && !a.source?.stat) return fail(`there is no ${p.src} on the host`)
    if (wanted !== undefined && wanted !== actual) return fail(`the checksum of ${p.src} is ${actual}, not ${wanted}`)
    if (p.remote_src) return planRemote(p, a, target)
    const members = safely(() => select(p, a.file!.bytes))
    if (!Array.isArray(members)) return members
    const steps = unpackSteps({ members, dest: p.dest }, a, p)
    return 'failed' in steps
      ? steps
      : {
          steps,
          result: resultOf(
            p,
            members.map((m) => m.name),
          ),
        }
  },
})

const isZip = (path: string) => /\.zip$/i.test(path)

function resultOf(p: P, names: readonly string[]) {
  return { src: p.src, dest: p.dest, ...(p.list_files ? { files: names } : {}) }
}

function select(p: P, bytes: Buffer): Member[] {
  const below = (name: string, list: readonly string[]) =>
    list.some((l) => name === l || name.startsWith(`${l.replace(/\/+$/, '')}/`))
  return membersOf(bytes, (name) => (!p.include || below(name, p.include)) && !below(name, p.exclude ?? []))
}

function safely<T>(make: () => T) {
  try {
    return make()
  } catch (e) {
    if (e instanceof RangeError || (e as NodeJS.ErrnoException).code?.startsWith('Z_'))
      return fail((e as Error).message)
    throw e
  }
}

interface Remote {
  readonly listed: { status: number; stdout: Buffer; stderr: string } | undefined
  readonly same: { status: number } | undefined
}

function planRemote(p: P, { listed, same }: Remote, target: Parameters<typeof unpackRemote>[1]) {
  if (listed!.status !== 0) return fail(`${p.src} cannot be read as an archive: ${listed!.stderr.trim()}`)
  const names = listed!.stdout
    .toString('utf8')
    .split('\n')
    .filter((n) => n !== '')
  const bad = names.find((n) => n.startsWith('/') || n.split('/').includes('..'))
  if (bad !== undefined) return fail(`the archive would write outside its destination: ${bad}`)
  const done = !isZip(p.src) && same!.status === 0
  const steps: Step[] = done ? [] : [unpackRemote(p.src, target, isZip(p.src) ? 'zip' : 'tar', p)]
  return {
    steps: isZip(p.src) && p.creates === undefined ? steps.map((s) => ({ ...s, acts: true as const })) : steps,
    result: resultOf(p, names),
  }
}
