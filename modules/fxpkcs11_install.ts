import {
  content,
  defineModule,
  entry,
  type Facts,
  fail,
  localFile,
  type Member,
  membersOf,
  output,
  ownershipParams,
  type Params,
  placeFile,
  placeOf,
  type Step,
  sumFor,
  UnknownValue,
  unpackReads,
  unpackSteps,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    src: {
      type: 'string',
      controllerPath: 'files',
      description: 'The vendor’s archive (tar, tar.gz or zip) on the controller.',
    },
    checksum: { type: 'string', description: 'The SHA-256 that the archive must have, hex, also as `sha256:…`.' },
    dest: {
      type: 'string',
      hostPath: true,
      default: '/usr/local/bin',
      description: 'The directory that gets `fxpkcs11/`.',
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
    owner: { ...ownershipParams.owner, default: 'root' },
    group: { ...ownershipParams.group, default: 'root' },
  },
  required: ['src'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'fxpkcs11_install',
  summary: 'Installs the Futurex PKCS #11 library from the vendor’s archive.',
  params,
  examples: '- fxpkcs11_install: { src: fxpkcs11.tar.gz }\n  register: fx\n- debug: { msg: "<%= fx.library %>" }',
})({
  reads: (p, { facts }, known) => {
    const file = known(localFile(p.src))
    const found = file ? choose(p, facts, file.bytes) : undefined
    const members = found && !('failed' in found) ? found.members : []
    const library = found && !('failed' in found) ? `${p.dest}/${found.library}` : undefined
    const template = found && !('failed' in found) ? found.cfg?.bytes : undefined
    return {
      file: localFile(p.src),
      at: entry(p.dest),
      ...unpackReads({ members, dest: p.dest }),
      cfg: entry(p.cfg),
      cfgNow: template ? sumFor(p.cfg, template) : undefined,
      environment: p.environment_file === undefined ? undefined : entry(p.environment_file),
      environmentNow: p.environment_file === undefined ? undefined : content(p.environment_file),
      needs: library && p.check_libraries ? output(['ldd', library], {}, [library]) : undefined,
    }
  },
  plan: (p, a, { facts }) => {
    if (!a.file) return fail(`there is no ${p.src} on the controller`)
    const wanted = p.checksum?.replace(/^sha256:/, '').toLowerCase()
    if (wanted !== undefined && wanted !== a.file.sha256)
      return fail(`the checksum of ${p.src} is ${a.file.sha256}, not ${wanted}`)
    const found = choose(p, facts, a.file.bytes)
    if ('failed' in found) return found
    if (placeOf(a.at, true).stat?.type !== 'directory') return fail(`${p.dest} is no directory`)
    if (p.cfg !== '/etc/fxpkcs11.cfg' && p.environment_file === undefined)
      return fail(`the library looks for /etc/fxpkcs11.cfg, not for ${p.cfg}`, {
        hint: 'name an `environment_file` that gets FXPKCS11_CFG',
      })
    const unpacked = unpackSteps({ members: found.members, dest: p.dest }, a, { owner: p.owner, group: p.group })
    if ('failed' in unpacked) return unpacked
    const cfg =
      a.cfg.stat || !found.cfg
        ? []
        : placeFile({
            at: a.cfg,
            now: a.cfgNow!,
            bytes: found.cfg.bytes,
            want: { owner: p.owner, group: p.group, mode: '0644' },
            umask: facts.umask,
            parents: 'make',
          })
    if ('failed' in cfg) return cfg
    const environment = environmentSteps(p, a, facts)
    if ('failed' in environment) return environment
    const at = (path: string) => `${p.dest === '/' ? '' : p.dest}/${path}`
    const missing = unpacked.length === 0 && a.needs ? missingLibraries(() => a.needs!) : []
    if (missing.length > 0) return fail(needsText(missing), { hint: 'install the packages that hold them' })
    const check = unpacked.length > 0 && p.check_libraries ? [checkStep(at(found.library))] : []
    return {
      steps: [...unpacked, ...check, ...cfg, ...environment],
      result: {
        library: at(found.library),
        config_test: at(`${found.directory}/configTest`),
        manager: at(`${found.directory}/PKCS11Manager`),
        cfg: p.cfg,
        architecture: found.architecture,
        openssl: found.openssl,
      },
    }
  },
})

interface Chosen {
  readonly members: readonly Member[]
  readonly cfg: Member | undefined
  readonly directory: string
  readonly library: string
  readonly architecture: string
  readonly openssl: string
}

/** The build in the archive that suits the host. Names are taken as the archive has them: the guide writes one of them in
 * another case. */
function choose(p: P, facts: Facts, bytes: Buffer) {
  let members: Member[]
  try {
    members = membersOf(bytes)
  } catch (e) {
    if (e instanceof RangeError || (e as NodeJS.ErrnoException).code?.startsWith('Z_'))
      return fail((e as Error).message)
    throw e
  }
  const libraries = members.filter((m) => /(^|\/)fxpkcs11\/(x64|x86)\/openssl-[^/]+\/libfxpkcs11\.so$/i.test(m.name))
  if (libraries.length === 0)
    return fail(`${p.src} is no archive of the library: it has no fxpkcs11/x64/OpenSSL-…/libfxpkcs11.so`, {
      hint: `it holds ${listed(members)}`,
    })
  const architecture = p.architecture === 'auto' ? architectureOf(facts) : p.architecture
  if (architecture === undefined)
    return fail(`there is no build for ${facts.architecture}`, { hint: 'name one with `architecture`' })
  const own = libraries.filter((m) => m.name.toLowerCase().includes(`fxpkcs11/${architecture}/`))
  const directories = own.map((m) => m.name.split('/').at(-2)!)
  const series = p.openssl === 'auto' ? seriesOf(facts.openssl_version, directories) : p.openssl.toLowerCase()
  const library = own.find((m) => m.name.split('/').at(-2)!.toLowerCase() === series)
  if (!library)
    return fail(
      `the archive has no ${architecture} build for OpenSSL ${p.openssl === 'auto' ? facts.openssl_version || '(none on the host)' : p.openssl}`,
      {
        hint: `there are: ${directories.join(', ') || 'none'}; name one with \`openssl\``,
      },
    )
  const directory = library.name.replace(/\/[^/]*$/, '')
  const root = library.name.replace(/(^|.*\/)(fxpkcs11)\/.*$/i, '$1$2')
  const chosen: Chosen = {
    members: members.filter((m) => m.name === root || m.name.startsWith(`${root}/`)),
    cfg: members.find((m) => m.name === `${root}/fxpkcs11.cfg`),
    directory,
    library: library.name,
    architecture,
    openssl: library.name.split('/').at(-2)!,
  }
  return chosen
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

/** The directory of the host's OpenSSL; for a newer one than the archive knows, its newest. */
function seriesOf(version: string, directories: readonly string[]): string | undefined {
  const [major, minor] = version.split('.').map(Number)
  if (major === undefined || minor === undefined || Number.isNaN(minor)) return undefined
  const exact = [`openssl-${major}.${minor}.x`, `openssl-${major}.x`, `openssl-${major}.x.x`]
  const names = directories.map((d) => d.toLowerCase())
  const found = exact.find((e) => names.includes(e))
  return found ?? (major >= 3 ? names.sort().at(-1) : undefined)
}

function environmentSteps(
  p: P,
  a: { environment: unknown; environmentNow: { bytes: Buffer | undefined } | undefined },
  facts: Facts,
) {
  if (p.environment_file === undefined) return []
  const line = `FXPKCS11_CFG=${p.cfg}`
  const text = a.environmentNow!.bytes?.toString('latin1') ?? ''
  const lines = text.split('\n').filter((l) => !l.startsWith('FXPKCS11_CFG=') && l !== '')
  const bytes = text.split('\n').includes(line)
    ? Buffer.from(text, 'latin1')
    : Buffer.from(`${[...lines, line].join('\n')}\n`, 'latin1')
  const at = a.environment as Parameters<typeof placeFile>[0]['at']
  const want = at.stat ? {} : { owner: p.owner, group: p.group, mode: '0600' }
  return placeFile({
    at,
    now: a.environmentNow as never,
    bytes,
    want,
    umask: facts.umask,
    parents: 'make',
    follow: true,
    secret: true,
  })
}

function missingLibraries(needs: () => { status: number; stdout: Buffer; stderr: string }): string[] {
  try {
    return notFound(needs().stdout.toString('utf8'))
  } catch (e) {
    if (e instanceof UnknownValue) return []
    throw e
  }
}

const notFound = (text: string) => [...text.matchAll(/^\s*(\S+) => not found/gm)].map((m) => m[1]!)
const needsText = (names: readonly string[]) =>
  `libraries that libfxpkcs11.so needs are not on the host: ${names.join(', ')}`

function checkStep(library: string): Step {
  return {
    summary: `check what ${library} needs`,
    effects: [],
    harmless: true,
    script: (sh) => `o=$(ldd ${sh.word(library)} 2>&1) || { echo "$o" >&2; exit 1; }
case $o in *"not found"*) echo "libraries that it needs are not on the host:" >&2; echo "$o" | grep "not found" >&2; exit 1;; esac`,
  }
}
