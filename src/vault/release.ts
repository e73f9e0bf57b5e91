/** A build of Vault or OpenBao. */
export interface Build {
  /** `1.15.0`, `2.7.0-beta.1`. */
  readonly version: string
  /** What stands behind the plus: `ent`, `ent.hsm`, `ent.hsm.fips1402`; empty for a community build. */
  readonly edition: string
}

/** What a binary says of itself. */
export interface SaidBuild extends Build {
  readonly product: 'Vault' | 'OpenBao'
}

/** What the name of a release's archive says. */
export interface Release extends Build {
  readonly binary: 'vault' | 'bao'
  /** As Linux names it (`x86_64`), where the archive's name says it. */
  readonly architecture: string | undefined
}

const number = String.raw`(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)(?:\+([0-9A-Za-z.-]+))?`

/** @param said the output of `vault version` or `bao version`. */
export function saidBuild(said: string): SaidBuild | undefined {
  const found = new RegExp(`^(Vault|OpenBao) v${number}(?=\\s|$)`, 'm').exec(said)
  return found ? { product: found[1] as 'Vault', version: found[2]!, edition: found[3] ?? '' } : undefined
}

/** @param text as `1.15.0+ent.hsm`. */
export function parseBuild(text: string): Build | undefined {
  const found = new RegExp(`^v?${number}$`).exec(text)
  return found ? { version: found[1]!, edition: found[2] ?? '' } : undefined
}

export const buildText = ({ version, edition }: Build) => `${version}${edition === '' ? '' : `+${edition}`}`

const architectures: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  arm64: 'aarch64',
  '386': 'i686',
  ppc64le: 'ppc64le',
  s390x: 's390x',
  riscv64: 'riscv64',
}

/** What `vault_1.15.0+ent.hsm_linux_amd64.zip` or `bao_2.7.2_Linux_x86_64.tar.gz` says; an URL's name too. */
export function releaseOf(path: string): Partial<Release> {
  const name = decoded(path.replace(/[?#].*$/, '').replace(/^.*\//, ''))
  const binary = /^vault[_.-]/i.test(name) ? 'vault' : /^(open)?bao[_.-]/i.test(name) ? 'bao' : undefined
  const build = new RegExp(`_v?${number}(?=_|\\.(?:zip|tar\\.gz|tgz)$)`).exec(name)
  const arch = /_linux_([0-9A-Za-z_]+?)\.(?:zip|tar\.gz|tgz)$/i.exec(name)?.[1]?.toLowerCase()
  return {
    ...(binary ? { binary } : {}),
    ...(build ? { version: build[1]!, edition: build[2] ?? '' } : {}),
    ...(arch === undefined ? {} : { architecture: architectures[arch] ?? arch }),
  }
}

/** A name of a URL as it is meant. */
export function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** Below, at or above zero, as semver orders versions; editions do not count. */
export function compareVersions(a: string, b: string): number {
  const [[x, pre], [y, post]] = [parts(a), parts(b)]
  const at = x.findIndex((n, i) => n !== y[i])
  if (at !== -1) return x[at]! - y[at]!
  if (pre.length === 0 || post.length === 0) return post.length - pre.length
  for (let i = 0; i < Math.max(pre.length, post.length); i++) {
    const [l, r] = [pre[i], post[i]]
    if (l === r) continue
    if (l === undefined || r === undefined) return l === undefined ? -1 : 1
    const [m, n] = [/^\d+$/.test(l), /^\d+$/.test(r)]
    if (m && n) return Number(l) - Number(r)
    return m !== n ? (m ? -1 : 1) : l < r ? -1 : 1
  }
  return 0
}

function parts(version: string): [number[], string[]] {
  const [, core, pre] = /^([\d.]+)(?:-(.*))?$/.exec(version)!
  return [core!.split('.').map(Number), pre === undefined ? [] : pre.split('.')]
}

export const isHsmBuild = ({ edition }: Build) => edition.split('.').includes('hsm')

/** Why a build should not take the place of another; undefined where it may. */
export function isLesser(now: Build, next: Build): string | undefined {
  if (compareVersions(next.version, now.version) < 0)
    return `${buildText(next)} is older than ${buildText(now)}: a server does not read what a newer one wrote`
  const lost = now.edition.split('.').filter((part) => part !== '' && !next.edition.split('.').includes(part))
  if (lost.some((part) => part === 'hsm' || part === 'ent'))
    return `${buildText(next)} lacks what ${buildText(now)} has (${lost.join(', ')}): a server that uses it would not start`
  return undefined
}
