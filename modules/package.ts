import {
  changePackages,
  defineModule,
  type Facts,
  fail,
  installedPackage,
  matcher,
  type Package,
  packageLatest,
  type Step,
  updateLists,
} from '../src/module.ts'

export default defineModule({
  name: 'package',
  summary: 'Installs, updates and removes packages by apt or dnf.',
  touches: 'anything',
  params: {
    type: 'object',
    properties: {
      name: {
        type: 'array',
        items: { type: 'string' },
        description: 'The packages; with a version as `name=1.2` (apt) or `name-1.2` (dnf).',
      },
      state: {
        type: 'string',
        enum: ['present', 'installed', 'latest', 'absent', 'removed'],
        default: 'present',
        description: '`latest` also updates.',
      },
      update_cache: {
        type: 'boolean',
        default: false,
        description: 'Fetches the lists of packages before it installs; with `latest` before it looks, in check too.',
      },
      use: {
        type: 'string',
        enum: ['auto', 'apt', 'dnf', 'yum'],
        default: 'auto',
        description: 'Which package manager.',
      },
    },
    required: ['name'],
  },
  examples: '- package: { name: [unzip, libcap2-bin], state: present, update_cache: true }',
  differences: [
    '`update_cache` fetches the lists only when there is something to install, or to find what is latest.',
    'A name is that of one package: patterns, files and URLs are errors.',
  ],
})({
  reads: (p, { facts }) => {
    const { manager, names } = asked(p, facts)
    if (!managers.includes(manager) || names.some((n) => !isName(n.name))) return { now: [] }
    const read = (name: string) => (p.state === 'latest' ? packageLatest(name, p.update_cache) : installedPackage(name))
    return { now: names.map((n) => read(n.name)) }
  },
  plan: (p, { now }, { facts }) => {
    const { manager, names } = asked(p, facts)
    if (!managers.includes(manager))
      return fail(`packages are managed by ${manager || 'nothing known'} here`, { hint: 'apt, dnf and yum are known' })
    const bad = names.find((n) => !isName(n.name))
    if (bad) return fail(`\`${bad.written}\` is no name of a package`)
    const wanted = names.map((n, i): Wanted => ({ ...n, now: now[i]! }))
    if (p.state === 'absent' || p.state === 'removed') {
      const there = wanted.filter((w) => w.now.installed !== '' && !w.now.provided)
      return { steps: there.length === 0 ? [] : [change(manager, 'remove', there)] }
    }
    const missing = wanted.filter((w) => w.now.installed === '')
    const other = wanted.filter((w) => w.now.installed !== '' && !isRight(w, p.state === 'latest'))
    if (missing.length + other.length === 0) return { steps: [] }
    const update =
      p.update_cache && p.state !== 'latest'
        ? [updateLists(manager === 'apt' ? ['apt-get', '-q', 'update'] : [manager, '-q', 'makecache'])]
        : []
    if (manager === 'apt') return { steps: [...update, change(manager, 'install', [...missing, ...other])] }
    const steps = [
      ...(missing.length === 0 ? [] : [change(manager, 'install', missing)]),
      ...(other.length === 0 ? [] : [change(manager, 'upgrade', other)]),
    ]
    return { steps: [...update, ...steps] }
  },
})

const isName = (name: string) => /^[@A-Za-z0-9]([\w+.:~^ -]*[\w+])?$/.test(name)
const managers = ['apt', 'dnf', 'yum']

interface Wanted {
  readonly name: string
  readonly version: string | undefined
  readonly written: string
  readonly now: Package
}

/** Of apt a name may have a version behind it; rpm knows `hello-2.10` as a name of its own. */
function asked(p: { readonly name: readonly string[]; readonly use: string }, facts: Facts) {
  const manager = p.use === 'auto' ? facts.package_manager : p.use
  const names = p.name.map((written) => {
    const found = manager === 'apt' ? /^([^=]+)=(.+)$/.exec(written) : undefined
    return { written, name: found?.[1] ?? written, version: found?.[2] }
  })
  return { manager, names }
}

function isRight({ version, now: { installed, candidate, provided } }: Wanted, latest: boolean): boolean {
  if (installed === undefined || provided) return true
  if (version !== undefined) return matcher([version])(installed)
  return !latest || candidate === '' || candidate === undefined || installed === candidate
}

const aptOptions = [
  '-y',
  '-q',
  '-o',
  'Dpkg::Options::=--force-confdef',
  '-o',
  'Dpkg::Options::=--force-confold',
  '-o',
  'DPkg::Lock::Timeout=120',
]

function change(manager: string, verb: 'install' | 'upgrade' | 'remove', packages: readonly Wanted[]): Step {
  const names = packages.map((w) => w.written)
  const after = packages.map(
    (w): Package => ({
      name: w.name,
      installed:
        verb === 'remove' ? '' : w.version?.includes('*') ? undefined : (w.version ?? (w.now.candidate || undefined)),
      candidate: w.now.candidate,
    }),
  )
  const summary = `${verb} ${names.join(', ')}`
  if (manager !== 'apt') return changePackages(summary, [manager, '-y', verb, ...names], after)
  const downgrade = packages.some((w) => w.version !== undefined) ? ['--allow-downgrades'] : []
  const argv = [
    'apt-get',
    ...aptOptions,
    ...(verb === 'install' ? downgrade : []),
    verb,
    '--',
    ...(verb === 'remove' ? packages.map((w) => w.name) : names),
  ]
  return changePackages(summary, argv, after, { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' })
}
