import {
  type Archived,
  archive,
  arranged,
  type Content,
  content,
  defineModule,
  type Entry,
  entry,
  type Facts,
  fail,
  localFile,
  type Member,
  makeDirectory,
  membersOf,
  missingParents,
  output,
  ownershipOfNew,
  ownershipParams,
  type Params,
  placeFile,
  placeOf,
  type Said,
  type Step,
  sum,
  sumFor,
  unpackReads,
  unpackSteps,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    src: {
      type: 'string',
      controllerPath: 'files',
      description: 'The vendor’s archive: tar, tar.gz or zip, of the controller (of the host with remote_src).',
    },
    remote_src: { type: 'boolean', default: false, description: 'Takes `src` from the host.' },
    checksum: { type: 'string', description: 'The SHA-256 that the archive must have, hex, also as `sha256:…`.' },
    dest: {
      type: 'string',
      hostPath: true,
      default: '/usr/local/bin',
      description: 'The directory that gets `fxpkcs11/`; made where it is missing.',
    },
    architecture: {
      type: 'string',
      enum: ['auto', 'x64', 'x86'],
      default: 'auto',
      description: 'Which build; `auto` goes by the host.',
    },
    openssl: {
      type: 'string',
      default: 'auto',
      description: 'Which directory, as `OpenSSL-1.1.x`; `auto` goes by the host’s OpenSSL.',
    },
    cfg: {
      type: 'string',
      hostPath: true,
      default: '/etc/fxpkcs11.cfg',
      description: 'Where the configuration is to be; one that is there stays as it is.',
    },
    environment_file: {
      type: 'string',
      hostPath: true,
      description:
        'A file of a service’s environment that gets FXPKCS11_CFG; needed where `cfg` is not /etc/fxpkcs11.cfg.',
    },
    check_libraries: {
      type: 'boolean',
      default: true,
      description: 'Fails when a library that it needs is not on the host.',
    },
    owner: { ...ownershipParams.owner, description: 'User that owns what is installed; root where root installs.' },
    group: { ...ownershipParams.group, description: 'Group that owns what is installed; root where root installs.' },
  },
  required: ['src'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'fxpkcs11_install',
  summary: 'Installs the Futurex PKCS #11 library from the vendor’s archive.',
  touches: 'paths',
  params,
  examples: '- fxpkcs11_install: { src: fxpkcs11.tar.gz }\n  register: fx\n- debug: { msg: "<%= fx.library %>" }',
})({
  reads: (p, { facts }, known) => {
    const remote = p.remote_src && p.src.startsWith('/')
    const source = remote ? archive(p.src, { contents: [cfgName] }) : undefined
    const found = choose(p, facts, known(localFile(p.remote_src ? '' : p.src))?.bytes, source && known(source))
    const chosen = found && !('failed' in found) ? found : undefined
    return {
      file: localFile(p.remote_src ? '' : p.src),
      source: remote ? entry(p.src) : undefined,
      archived: source,
      hash: remote && p.checksum !== undefined ? sum(p.src) : undefined,
      at: entry(p.dest),
      ...unpackReads({ members: chosen?.members ?? [], dest: p.dest }),
      cfg: entry(p.cfg),
      cfgNow: chosen?.cfg ? sumFor(p.cfg, chosen.cfg) : undefined,
      environment: p.environment_file === undefined ? undefined : entry(p.environment_file),
      environmentNow: p.environment_file === undefined ? undefined : content(p.environment_file),
      needs:
        chosen && p.check_libraries
          ? output(['ldd', below(p, chosen.library)], {}, [below(p, chosen.library)])
          : undefined,
    }
  },
  plan: (p, a, { facts }) => {
    if (p.remote_src && !p.src.startsWith('/')) return fail(`${p.src} is no absolute path`)
    if (p.remote_src ? !a.source?.stat : !a.file)
      return fail(`there is no ${p.src} on the ${p.remote_src ? 'host' : 'controller'}`)
    const wanted = p.checksum?.replace(/^sha256:/, '').toLowerCase()
    const actual = wanted === undefined ? undefined : p.remote_src ? a.hash?.sha256 : a.file?.sha256
    if (wanted !== actual) return fail(`the checksum of ${p.src} is ${actual}, not ${wanted}`)
    const found = choose(p, facts, a.file?.bytes, a.archived)!
    if ('failed' in found) return found
    const { stat } = placeOf(a.at, true)
    if (stat && stat.type !== 'directory') return fail(`${p.dest} is no directory`)
    if (p.cfg !== standardCfg && p.environment_file === undefined)
      return fail(`the library looks for ${standardCfg}, not for ${p.cfg}`, {
        hint: 'name an `environment_file` that gets FXPKCS11_CFG',
      })
    const own = facts.uid === 0 ? { owner: p.owner ?? 'root', group: p.group ?? 'root' } : p
    const want = { owner: own.owner, group: own.group }
    const unpacked = unpackSteps(found, a, want, p.remote_src ? { source: p.src } : undefined)
    if ('failed' in unpacked) return unpacked
    const made = stat
      ? []
      : [...missingParents(a.at), a.at].map((m) => makeDirectory(m, ownershipOfNew(want, 0o755, true)))
    const cfg =
      a.cfg.stat || !found.cfg
        ? []
        : placeFile({
            at: a.cfg,
            now: a.cfgNow!,
            bytes: found.cfg,
            want: { ...want, mode: '0644' },
            umask: facts.umask,
            parents: 'make',
          })
    if ('failed' in cfg) return cfg
    const environment = environmentSteps(p, a, facts, want)
    if ('failed' in environment) return environment
    const check = libraryCheck(p, found, unpacked.length > 0, () => a.needs!)
    if ('failed' in check) return check
    return {
      steps: [...made, ...unpacked, ...check, ...cfg, ...environment],
      result: resultOf(p, found),
      warnings: [
        ...found.warnings,
        ...(a.cfg.stat || found.cfg ? [] : [`the archive has no ${cfgName}, and there is none at ${p.cfg}`]),
      ],
    }
  },
})

const cfgName = 'fxpkcs11.cfg'
const standardCfg = '/etc/fxpkcs11.cfg'
const below = (p: P, path: string) => `${p.dest === '/' ? '' : p.dest.replace(/\/+$/, '')}/${path}`

interface Chosen {
  readonly dest: string
  readonly members: readonly Member[]
  /** What the archive has as configuration. */
  readonly cfg: Buffer | undefined
  readonly library: string
  readonly architecture: string
  readonly openssl: string
  readonly warnings: readonly string[]
}

/** The build in the archive that suits the host; undefined as long as it is not known what the archive holds. Names are
 * taken as the archive has them: the guide writes one of them in another case. */
function choose(p: P, facts: Facts, bytes: Buffer | undefined, archived: Archived | undefined) {
  if (!bytes && !archived) return undefined
  if (archived?.problem !== undefined) return fail(`${p.src} cannot be unpacked: ${archived.problem}`)
  try {
    return chooseAmong(p, facts, archived ? arranged(archived.members) : membersOf(bytes!))
  } catch (e) {
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}

const directoryOf = (library: string) => library.split('/').at(-2)!

function chooseAmong(p: P, facts: Facts, members: readonly Member[]) {
  const libraries = members.filter((m) => /(^|\/)fxpkcs11\/(x64|x86)\/openssl-[^/]+\/libfxpkcs11\.so$/i.test(m.name))
  if (libraries.length === 0)
    return fail(`${p.src} is no archive of the library: it has no fxpkcs11/x64/OpenSSL-…/libfxpkcs11.so`, {
      hint: `it holds ${listed(members)}`,
    })
  const architecture = p.architecture === 'auto' ? architectureOf(facts) : p.architecture
  if (architecture === undefined)
    return fail(`there is no build for ${facts.architecture}`, { hint: 'name one with `architecture`' })
  const own = libraries.map((m) => m.name).filter((n) => n.toLowerCase().includes(`fxpkcs11/${architecture}/`))
  const directories = own.map(directoryOf)
  const series = p.openssl === 'auto' ? seriesOf(facts.openssl_version, directories) : p.openssl.toLowerCase()
  const library = own.find((n) => directoryOf(n).toLowerCase() === series)
  if (!library)
    return fail(
      `the archive has no ${architecture} build for ${p.openssl === 'auto' ? `OpenSSL ${facts.openssl_version || '(none on the host)'}` : p.openssl}`,
      { hint: `there are: ${directories.join(', ') || 'none'}; name one with \`openssl\`` },
    )
  const root = library.replace(/(^|.*\/)(fxpkcs11)\/.*$/i, '$1$2')
  const cfg = members.find((m) => m.name === `${root}/${cfgName}`)
  const exact = p.openssl !== 'auto' || exactSeries(facts.openssl_version).includes(series ?? '')
  const chosen: Chosen = {
    dest: p.dest,
    members: members.filter((m) => m.name === root || m.name.startsWith(`${root}/`)),
    cfg: cfg && 'bytes' in cfg ? (cfg.bytes as Buffer) : undefined,
    library,
    architecture,
    openssl: directoryOf(library),
    warnings: exact
      ? []
      : [`the archive has no build for OpenSSL ${facts.openssl_version}; its newest is taken: ${directoryOf(library)}`],
  }
  return chosen
}

/** The real paths; a tool that the archive does not have is left out. */
function resultOf(p: P, { library, members, architecture, openssl }: Chosen) {
  const directory = library.slice(0, library.lastIndexOf('/'))
  const tool = (key: string, name: string) => {
    const found = members.find((m) => m.name.toLowerCase() === `${directory}/${name}`.toLowerCase())
    return found ? { [key]: below(p, found.name) } : {}
  }
  return {
    library: below(p, library),
    ...tool('config_test', 'configTest'),
    ...tool('manager', 'PKCS11Manager'),
    cfg: p.cfg,
    architecture,
    openssl,
  }
}

function listed(members: readonly Member[]): string {
  const names = members.filter((m) => m.type !== 'directory').map((m) => m.name)
  return names.length > 8
    ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more`
    : names.join(', ') || 'nothing'
}

function architectureOf(facts: Facts): string | undefined {
  if (/^(x86_64|amd64)$/.test(facts.architecture)) return 'x64'
  return /^i[3-6]86$/.test(facts.architecture) ? 'x86' : undefined
}

/** What the directory of that version is called. */
function exactSeries(version: string): string[] {
  const [major, minor] = version.split('.')
  return [`openssl-${major}.${minor}.x`, `openssl-${major}.x`, `openssl-${major}.x.x`]
}

/** The directory of the host's OpenSSL; for a newer one than the archive knows, its newest. */
function seriesOf(version: string, directories: readonly string[]): string | undefined {
  const names = directories.map((d) => d.toLowerCase()).sort()
  const found = exactSeries(version).find((e) => names.includes(e))
  return found ?? (Number.parseInt(version, 10) >= 3 ? names.at(-1) : undefined)
}

interface Environment {
  readonly environment: Entry | undefined
  readonly environmentNow: Content | undefined
}

/** The file keeps all its other lines. It may hold secrets, so it is never shown, and a new one is private. */
function environmentSteps(
  p: P,
  { environment: at, environmentNow: now }: Environment,
  facts: Facts,
  want: { owner: string | undefined; group: string | undefined },
) {
  if (!at || !now) return []
  if (now.denied) return fail(`${at.path} may not be read by ${facts.user}`, { hint: '`become: true`' })
  const line = `FXPKCS11_CFG=${/^[\w./+:@-]+$/.test(p.cfg) ? p.cfg : `"${p.cfg.replace(/["\\$`]/g, '\\$&')}"`}`
  const lines = (now.bytes?.toString('latin1') ?? '').split(/(?<=\n)/).filter((l) => l !== '')
  const last = lines.findLastIndex((l) => /^\s*FXPKCS11_CFG\s*=/.test(l))
  const ended = lines.map((l, i) => (i === lines.length - 1 && last === -1 && !l.endsWith('\n') ? `${l}\n` : l))
  const next =
    last === -1 ? [...ended, `${line}\n`] : ended.map((l, i) => (i === last ? l.replace(/^[^\r\n]*/, () => line) : l))
  return placeFile({
    at,
    now,
    bytes: Buffer.from(next.join(''), 'latin1'),
    want: at.stat ? {} : { ...want, mode: '0600' },
    umask: facts.umask,
    parents: 'make',
    follow: true,
    secret: true,
  })
}

/** Whether all that the library needs is on the host: known, or to be looked at once it is there. */
function libraryCheck(p: P, { library }: Chosen, changes: boolean, needs: () => Said) {
  if (!p.check_libraries) return []
  if (changes) return [checkStep(below(p, library))]
  const { status, stdout, stderr } = needs()
  const said = `${stdout.toString('utf8')}${stderr}`
  const missing = [
    ...said.matchAll(/^\s*(?:Error loading shared library )?([^\s:]+)(?: => not found|: No such file)/gm),
  ]
  const hint = { hint: 'install the packages that hold them, or another build with `openssl` or `architecture`' }
  if (missing.length > 0)
    return fail(`libraries that libfxpkcs11.so needs are not on the host: ${missing.map((m) => m[1]).join(', ')}`, hint)
  return status === 0 ? [] : fail(`ldd cannot read ${below(p, library)}: ${said.trim()}`, hint)
}

function checkStep(library: string): Step {
  return {
    summary: `check what ${library} needs`,
    effects: [],
    harmless: true,
    script: (sh) => `o=$(LC_ALL=C ldd ${sh.word(library)} 2>&1); e=$?
case $o in *"not found"*|*"Error loading shared"*) echo "libraries that it needs are not on the host:"; echo "$o" | grep -e "not found" -e "Error loading shared"; exit 1;; esac
test $e = 0 || { echo "$o"; exit 1; }`,
  }
}
