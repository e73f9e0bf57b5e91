import {
  changePackages,
  defineModule,
  fail,
  installedPackage,
  type Package,
  packageLatest,
  type Step,
  updateLists,
} from '../src/module.ts'

export default defineModule({
  name: 'package',
  summary: 'Installs, updates and removes packages by apt or dnf.',
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
        description: 'Fetches the lists of packages before it installs.',
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
  differences: ['`update_cache` fetches the lists only when there is something to install.'],
})({
  reads: (p) => ({
    now: p.name.map((n) => (p.state === 'latest' ? packageLatest(split(n).name) : installedPackage(split(n).name))),
  }),
  plan: (p, { now }, { facts }) => {
    const manager = p.use === 'auto' ? facts.package_manager : p.use
    if (!['apt', 'dnf', 'yum'].includes(manager))
      return fail(`packages are managed by ${manager || 'nothing known'} here`, { hint: 'apt, dnf and yum are known' })
    const wanted = p.name.map((written, i) => ({ ...split(written), written, now: now[i]! }))
    if (p.state === 'absent' || p.state === 'removed') {
      const there = wanted.filter((w) => w.now.installed !== '')
      return { steps: there.length === 0 ? [] : [change(manager, 'remove', there)] }
    }
    const todo = wanted.filter((w) => {
      if (w.now.installed === '') return true
      if (w.version !== undefined) return w.now.installed !== undefined && !sameVersion(w.now.installed, w.version)
      return (
        p.state === 'latest' &&
        w.now.candidate !== '' &&
        w.now.candidate !== undefined &&
        w.now.installed !== w.now.candidate
      )
    })
    if (todo.length === 0) return { steps: [] }
    const update = p.update_cache
      ? [updateLists(manager === 'apt' ? ['apt-get', '-q', 'update'] : [manager, '-q', 'makecache'])]
      : []
    return { steps: [...update, change(manager, 'install', todo)] }
  },
})

interface Wanted {
  readonly name: string
  readonly version: string | undefined
  readonly written: string
  readonly now: Package
}

/** `name=version` for apt, `name-1.2` (a dash with a digit behind it) for dnf. */
function split(written: string): { name: string; version: string | undefined } {
  const found = /^([^=]+)=(.+)$/.exec(written) ?? /^(.+?)-(\d+[.:].*)$/.exec(written)
  return found ? { name: found[1]!, version: found[2] } : { name: written, version: undefined }
}

function sameVersion(installed: string, wanted: string): boolean {
  if (wanted.endsWith('*')) return installed.startsWith(wanted.slice(0, -1))
  return installed === wanted || installed.replace(/^\d+:/, '') === wanted || installed.startsWith(`${wanted}-`)
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

function change(manager: string, verb: 'install' | 'remove', packages: readonly Wanted[]): Step {
  const names = packages.map((w) => w.written)
  const after = packages.map(
    (w): Package => ({
      name: w.name,
      installed: verb === 'remove' ? '' : w.version?.endsWith('*') ? undefined : w.version,
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
