import { type Failure, fail } from '../contract.ts'
import { damageOf, type PackedMember } from '../formats/archive.ts'
import type { Said } from '../host/reads/command.ts'
import { nameOf } from '../host/reads/entry.ts'
import type { LocalFile, Signed } from '../local-read.ts'
import { membersOf } from '../unpacking.ts'
import { notForStorage } from './dialect.ts'
import { type Build, parseBuild, type Release, releaseOf, saidBuild } from './release.ts'
import { type Vouchers, vouchedBy } from './vouched.ts'

// Which build is to be installed, by its archive, and whether it may be.

interface P extends Vouchers {
  readonly src?: string | undefined
  readonly remote_src: boolean
  readonly version?: string | undefined
  readonly binary: 'auto' | 'vault' | 'bao'
  readonly storage?: object | undefined
}

export interface Wanted extends Release {
  /** The program in an archive of the controller. */
  readonly member: PackedMember | undefined
}

export const productOf = ({ binary }: Wanted) => (binary === 'bao' ? ('OpenBao' as const) : ('Vault' as const))

/** It lies on the controller. */
export const isLocal = (p: P) => p.src !== undefined && !p.remote_src

const sourceName = (p: P) => p.url ?? p.src!
const machine = (architecture: string) => (/^i[3-6]86$/.test(architecture) ? 'i686' : architecture)

/** What is to be installed and what vouches for it, as far as the host's own program has no say in it. */
export function vetted(
  p: P,
  a: {
    readonly file: LocalFile | undefined
    readonly sums: LocalFile | undefined
    readonly signed: Signed | undefined
  },
  architecture: string,
) {
  if (isLocal(p) && !a.file) return fail(`there is no ${p.src} on the controller`)
  if (p.remote_src && !p.src?.startsWith('/')) return fail(`${p.src} is no absolute path`)
  const wanted = wantedOf(p, a.file?.bytes)!
  if ('failed' in wanted) return wanted
  if (wanted.architecture !== undefined && wanted.architecture !== machine(architecture))
    return fail(`${sourceName(p)} is for ${wanted.architecture}, the host is ${architecture}`)
  const lacking = notForStorage(
    { product: productOf(wanted), edition: wanted.edition, release: wanted.version },
    p.storage ?? {},
  )
  if (lacking !== undefined)
    return fail(lacking, { hint: 'another `storage`, with its data moved there before, or another release' })
  const verified = vouchedBy(p, sourceName(p), a.sums?.bytes, a.signed)
  if ('failed' in verified) return verified
  if (isLocal(p) && verified.sha256 !== undefined && a.file!.sha256 !== verified.sha256)
    return fail(`the checksum of ${p.src} is ${a.file!.sha256}, not ${verified.sha256}`)
  const damaged = wanted.member && damageOf(wanted.member)
  if (damaged !== undefined) return fail(`${p.src}: ${damaged}`, { hint: 'fetch it again' })
  return { wanted, verified }
}

/** What is to be installed; undefined as long as the archive was not looked at. */
export function wantedOf(p: P, bytes: Buffer | undefined): Wanted | Failure | undefined {
  const named = releaseOf(sourceName(p))
  const given = p.version === undefined ? undefined : parseBuild(p.version)
  if (p.version !== undefined && !given)
    return fail(`\`${p.version}\` is no version`, { hint: 'as in `1.15.0+ent.hsm`' })
  const version = given ?? (named.version === undefined ? undefined : (named as Build))
  if (!version)
    return fail(`the name of ${sourceName(p)} does not say which version it is`, {
      hint: 'give it with `version`, as in `1.15.0+ent.hsm`',
    })
  const build = { version: version.version, edition: version.edition, architecture: named.architecture }
  const binary = p.binary === 'auto' ? named.binary : p.binary
  if (isLocal(p)) {
    if (!bytes) return undefined
    const member = memberOf(p, bytes)
    return 'failed' in member ? member : { ...build, binary: nameOf(`/${member.name}`) as 'vault', member }
  }
  if (binary === undefined)
    return fail(`the name of ${sourceName(p)} does not say which program it holds`, {
      hint: '`binary: vault` or `bao`',
    })
  return { ...build, binary, member: undefined }
}

function memberOf(p: P, bytes: Buffer): PackedMember | Failure {
  try {
    const names = p.binary === 'auto' ? ['vault', 'bao'] : [p.binary]
    const members = membersOf(bytes)
    const found = members.filter((m) => m.type === 'file' && names.includes(nameOf(`/${m.name}`)))
    if (found.length === 1) return found[0] as PackedMember
    return fail(
      `${p.src} holds ${found.length === 0 ? `no ${names.join(' or ')}` : found.map((m) => m.name).join(' and ')}`,
      {
        hint:
          found.length === 0
            ? `it holds ${
                members
                  .map((m) => m.name)
                  .slice(0, 5)
                  .join(', ') || 'nothing'
              }`
            : 'choose with `binary`',
      },
    )
  } catch (e) {
    if (e instanceof RangeError) return fail(`${p.src}: ${e.message}`)
    throw e
  }
}

/** Whether what is there says that it is this build; an edition counts where one is named. */
export function isInstalled(wanted: Wanted, said: Said): boolean {
  const now = said.status === 0 ? saidBuild(said.stdout.toString('utf8')) : undefined
  return now !== undefined && now.version === wanted.version && [now.edition, ''].includes(wanted.edition)
}
