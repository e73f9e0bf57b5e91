import {
  account,
  type Build,
  buildText,
  capabilities,
  content,
  defineModule,
  type Entry,
  entry,
  type Failure,
  fail,
  followed,
  group,
  isHsmBuild,
  isLesser,
  localFile,
  makeDirectory,
  missingParents,
  nameOf,
  output,
  ownershipOfNew,
  ownershipParams,
  ownershipSteps,
  type Params,
  type ProgramSource,
  parseCapabilities,
  parseMode,
  placeOf,
  placeProgram,
  printCapabilities,
  readsPinFile,
  type Said,
  type SaidBuild,
  type Step,
  saidBuild,
  setCapabilities,
  signature,
  sum,
  Unknown,
  UnknownValue,
  vaultAccount,
  vaultCompletion,
  vaultWanted,
  wayBarred,
} from '../src/module.ts'

const { isInstalled, isLocal, productOf, vetted, wantedOf } = vaultWanted

type Wanted = vaultWanted.Wanted

const params = {
  type: 'object',
  properties: {
    src: {
      type: 'string',
      controllerPath: 'files',
      description: 'The release’s archive, zip or tar.gz, of the controller (of the host with remote_src).',
    },
    remote_src: { type: 'boolean', default: false, description: 'Takes `src` from the host.' },
    url: {
      type: 'string',
      pattern: '^https?://|<%',
      description: 'Where the host fetches the archive, with its curl or wget; needs `checksum` or `checksums`.',
    },
    checksum: {
      type: 'string',
      pattern: '^(sha256:)?[0-9A-Fa-f]{64}$',
      description: 'The SHA-256 that the archive must have, hex, also as `sha256:…`.',
    },
    checksums: {
      type: 'string',
      controllerPath: 'files',
      description: 'The release’s file SHA256SUMS on the controller: the archive has to be as its line there says.',
    },
    signature: {
      type: 'string',
      controllerPath: 'files',
      description: 'The signature of `checksums` (SHA256SUMS.sig); verified by gpg on the controller.',
    },
    key: { type: 'string', controllerPath: 'files', description: 'The publisher’s public key for `signature`.' },
    fingerprint: {
      type: 'string',
      pattern: '^(0x)?([0-9A-Fa-f] ?){15,}[0-9A-Fa-f]$',
      description: 'The key that has to have signed, by its fingerprint; any in `key` without it.',
    },
    version: {
      type: 'string',
      description: 'The version, as `1.15.0+ent.hsm`; needed where the name of the archive does not say it.',
    },
    binary: {
      type: 'string',
      enum: ['auto', 'vault', 'bao'],
      default: 'auto',
      description: 'Which program; `auto` goes by the archive.',
    },
    dest: {
      type: 'string',
      hostPath: true,
      default: '/usr/local/bin',
      description: 'The directory that gets the program; made where it is missing.',
    },
    allow_downgrade: {
      type: 'boolean',
      default: false,
      description: 'Also an older version, another product, or an edition with less than what is there.',
    },
    storage: {
      type: 'object',
      additionalProperties: {},
      description:
        'The storage of its server, as vault_hcl takes it: a release that has no such storage is not installed.',
    },
    capability: {
      type: 'string',
      default: 'cap_ipc_lock=ep',
      description: 'The capabilities that the program gets, exactly; empty for none.',
    },
    user: { type: 'string', default: 'vault', description: 'The system user to be there; empty for none.' },
    user_group: { type: 'string', default: 'vault', description: 'Its group, made where it is missing.' },
    home: { type: 'string', default: '/etc/vault.d', description: 'The home of a new user; it is not made.' },
    shell: { type: 'string', default: '/bin/false', description: 'The shell of a new user.' },
    completion: {
      type: 'boolean',
      default: false,
      description: 'Completes its commands in bash, for all users: by a line in /etc/bash_completion.d.',
    },
    owner: { ...ownershipParams.owner, default: 'root' },
    group: { ...ownershipParams.group, default: 'root' },
    mode: { ...ownershipParams.mode, default: '0755' },
  },
  anyOf: [{ required: ['src'] }, { required: ['url'] }],
  exclusive: [['src', 'url']],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_install',
  summary: 'Installs the program of HashiCorp Vault or OpenBao from a release’s archive.',
  touches: 'paths',
  params,
  examples: `- vault_install:
    src: vault_1.15.0+ent.hsm_linux_amd64.zip
    checksums: vault_1.15.0+ent.hsm_SHA256SUMS
    signature: vault_1.15.0+ent.hsm_SHA256SUMS.sig
    key: hashicorp.asc
  register: vault
- debug: { msg: "<%= vault.path %> is <%= vault.version %>" }`,
  notes: [
    'The program is unpacked beside its place and has to say that it is the version that is wanted before it comes there; the old one stays where it does not.',
    'An archive of the controller is compared by size and hash with what is installed, and travels packed, once a host. Of `remote_src` and `url` the version that the installed program says decides: nothing is fetched again.',
    'It gives `path`, `product`, `version`, `release`, `edition`, `hsm` (it has a seal for one), `reads_pin_file` (the `pin` of that may be the URL of a file: Vault since 1.19) and `verified`.',
    'The service is not restarted: `restart_after: [<%= vault.path %>]` of systemd_unit does that.',
    'It was tested with OpenBao’s programs; HashiCorp’s could not be had.',
  ],
})({
  reads: (p, _, known) => {
    const local = localFile(isLocal(p) ? p.src! : '')
    const bytes = known(local)?.bytes
    const wanted = wantedOf(p, bytes)
    const path = wanted && !('failed' in wanted) ? pathOf(p, wanted.binary) : undefined
    const member = wanted && 'member' in wanted ? wanted.member : undefined
    const said = path === undefined ? undefined : output([path, 'version'], {}, [path])
    // a program of the controller is compared by what is in it
    const there = said && !member ? known(said) : undefined
    const isThere = there && wanted && !('failed' in wanted) && isInstalled(wanted, there)
    const remote = p.remote_src && p.src?.startsWith('/')
    return {
      file: local,
      sums: localFile(p.checksums ?? ''),
      signed: signature(p.checksums ?? '', p.signature ?? '', p.key ?? ''),
      source: remote ? entry(p.src!) : undefined,
      // what is installed already needs no look at where it came from
      sourceSum: remote && there && !isThere ? sum(p.src!) : undefined,
      dir: entry(p.dest),
      at: path === undefined ? undefined : entry(path),
      now: path === undefined || !member ? undefined : sum(path, member.size),
      other: path === undefined ? undefined : entry(path.replace(/[^/]+$/, (n) => (n === 'bao' ? 'vault' : 'bao'))),
      said,
      capabilities: path === undefined ? undefined : capabilities(path),
      completion: path !== undefined && p.completion ? content(completionOf(path)) : undefined,
      completionAt: path !== undefined && p.completion ? entry(completionOf(path)) : undefined,
      user: p.user === '' ? undefined : account(p.user),
      group: p.user === '' ? undefined : group(p.user_group),
    }
  },
  plan: (p, a, { facts }) => {
    const found = vetted(p, a, facts.architecture)
    if ('failed' in found) return found
    const { wanted, verified } = found
    const path = pathOf(p, wanted.binary)
    const at = a.at!
    const place = placeOf(at, true)
    const { stat } = place
    if (stat && stat.type !== 'file') return fail(`${path} is a ${stat.type}`)
    const made = directorySteps(p, a.dir)
    if ('failed' in made) return made
    const dirIsMade = made.length > 0
    const barred = dirIsMade ? undefined : wayBarred(place)
    if (barred) return barred
    const same =
      stat !== undefined && (wanted.member ? a.now!.sha256 === wanted.member.sha256 : isInstalled(wanted, a.said!))
    const said = stat && saidOf(() => a.said!, same)
    const now = said instanceof Unknown || !said ? undefined : saidBuild(said.stdout.toString('utf8'))
    const guarded = same || p.allow_downgrade ? undefined : now ? isLesser(now, wanted) : besides(stat, a.other!)
    if (guarded !== undefined)
      return fail(`${path} would be ${stat ? 'replaced' : 'installed'}: ${guarded}`, {
        hint: '`allow_downgrade: true` does it all the same',
      })
    const source = same ? undefined : sourceOf(p, wanted, verified.sha256, a.source, a.sourceSum?.sha256)
    if (source && 'failed' in source) return source
    const trial = {
      arguments: ['version'],
      second: `v${buildText(wanted)}`,
      ...(now && !p.allow_downgrade ? { first: now.product } : {}),
    }
    const placing = source
      ? [placeProgram(place, source, ownershipOfNew(p, parseMode(p.mode, 0o755, false)), trial)]
      : ownershipSteps(place, p)
    const owned = placing.length > 0 && !source && a.capabilities !== ''
    const capable = capabilitySteps(p.capability, at, source || owned ? '' : a.capabilities, a.capabilities)
    if ('failed' in capable) return capable
    const completes = vaultCompletion(path, a.completionAt, a.completion, facts.umask)
    if ('failed' in completes) return completes
    const accounts = p.user === '' ? [] : vaultAccount(p.user, { ...p, group: p.user_group }, a.user, a.group)
    const steps = [...accounts, ...made, ...placing, ...capable, ...completes]
    const told = resultOf(path, source ? undefined : now, wanted, verified.by)
    if (!source && said instanceof Unknown) return { steps, result: { ...told, product: said } }
    if (!source) return { steps, result: told, warnings: doubts(path, said as Said) }
    const [index, later] = [steps.indexOf(placing[0]!), new Unknown(`what the new ${path} says of itself`)]
    return {
      steps,
      result: { ...told, product: later },
      afterwards: (ends) => resultOf(path, saidBuild(ends[index]!.stdout.toString('utf8')), wanted, verified.by),
    }
  },
})

const pathOf = (p: P, binary: string) => `${p.dest === '/' ? '' : p.dest.replace(/\/+$/, '')}/${binary}`
const completionOf = (path: string) => `/etc/bash_completion.d/${nameOf(path)}`

/** Of the two products one serves: the other might not read what it wrote. */
function besides(stat: Entry['stat'], other: Entry): string | undefined {
  if (stat || followed(other).stat?.type !== 'file') return undefined
  return `${other.path} is there, the program of the other product, whose server’s data this one may not read`
}

/** What the program there says; one that was placed just now and is as it should be need not be asked. */
function saidOf(get: () => Said, same: boolean): Said | Unknown {
  try {
    return get()
  } catch (e) {
    if (same && e instanceof UnknownValue) return new Unknown(e.because)
    throw e
  }
}

function sourceOf(
  p: P,
  { member, binary }: Wanted,
  sha256: string | undefined,
  source: Entry | undefined,
  actual: string | undefined,
): ProgramSource | Failure {
  if (member) {
    const { gzip, size, sha256: own } = member
    return gzip ? { gzip, size, sha256: own } : { bytes: member.bytes, sha256: own }
  }
  if (p.url !== undefined) return { url: p.url, member: binary, sha256: sha256! }
  if (followed(source!).stat?.type !== 'file') return fail(`there is no file ${p.src} on the host`)
  if (sha256 !== undefined && actual !== sha256) return fail(`the checksum of ${p.src} is ${actual}, not ${sha256}`)
  return { archive: p.src!, member: binary, sha256 }
}

function directorySteps(p: P, dir: Entry): Step[] | Failure {
  const { stat } = placeOf(dir, true)
  if (stat) return stat.type === 'directory' ? [] : fail(`${p.dest} is no directory`)
  const want = ownershipOfNew({ owner: p.owner, group: p.group }, 0o755, true)
  return [...missingParents(dir), dir].map((m) => makeDirectory(m, want))
}

/** @param now the file's capabilities when they are to be set. */
function capabilitySteps(
  wish: string,
  at: Entry,
  now: string | undefined,
  known: string | undefined,
): Step[] | Failure {
  if (known === undefined)
    return wish === ''
      ? []
      : fail('the host has no setcap', {
          hint: 'install libcap2-bin (Debian) or libcap (Red Hat), or `capability: ""`',
        })
  const want = printCapabilities(parseCapabilities(wish.replace(/=\+|\+/g, '=')))
  if (wish !== '' && want === '')
    return fail(`\`${wish}\` is no capability with its flags`, { hint: 'as in `cap_ipc_lock=ep`' })
  return want === now ? [] : [setCapabilities(at, want, now ?? '')]
}

function resultOf(path: string, said: SaidBuild | undefined, wanted: Wanted, verified: string) {
  const build: Build = said ?? wanted
  const program = { product: productOf(wanted), edition: build.edition, release: build.version }
  return {
    ...{ path, product: said?.product, version: buildText(build), release: build.version },
    ...{ edition: build.edition, hsm: isHsmBuild(build), reads_pin_file: readsPinFile(program), verified },
  }
}

function doubts(path: string, { status, stderr }: Said): string[] {
  return status === 0 ? [] : [`${path} cannot be run: ${stderr.trim().split('\n').at(-1) || `exit status ${status}`}`]
}
