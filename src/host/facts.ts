import { fromBytes } from './bytes.ts'
import { type Read, type ReadKind, read } from './read.ts'

/** What a host is, as a playbook sees it under `facts`. */
export interface Facts extends QuickFacts, SlowFacts {}

/** What takes a program of its own to find out. */
export interface SlowFacts {
  /** `3.0.15`; empty where there is no openssl command. */
  readonly openssl_version: string
  /** All but loopback's, without their prefix lengths. */
  readonly addresses: readonly string[]
}

export interface QuickFacts {
  /** `Debian`, `RedHat`, `Suse`, `Alpine`, `Archlinux`, `Darwin`, … */
  readonly os_family: string
  /** As Ansible names it: `Debian`, `Ubuntu`, `RedHat`, `Rocky`, … */
  readonly distribution: string
  readonly distribution_version: string
  readonly distribution_major_version: string
  readonly distribution_release: string
  /** `x86_64`, `aarch64`, … */
  readonly architecture: string
  readonly kernel: string
  /** Up to the first dot. */
  readonly hostname: string
  readonly fqdn: string
  /** Of the user that the play's tasks run as. */
  readonly user: string
  readonly uid: number
  readonly gid: number
  readonly group: string
  readonly home: string
  /** Octal as text, as `umask` prints it. */
  readonly umask: string
  /** `systemd`, `openrc`, or the name of process 1. */
  readonly service_manager: string
  /** 0 where there is no systemd. */
  readonly systemd_version: number
  readonly memory_mb: number
  readonly cores: number
  /** `apt`, `dnf`, `yum`, `apk`, `zypper`, `pacman`, or empty. */
  readonly package_manager: string
}

/** Writes a line `name=value`. */
const line = `f() { printf '%s=%s\\n' "$1" "$2"; }`

const slowScript = `{ ${line}
command -v openssl >/dev/null && f openssl "$(openssl version)"
f addresses ""; ip -o addr show scope global 2>/dev/null || hostname -I 2>/dev/null
} >&3`

/** Few processes, since every shell that is opened runs it: what the shell itself can read needs none. */
const quickScript = `{ ${line}
test -r /etc/os-release && while IFS= read -r l; do printf 'os_%s\\n' "$l"; done </etc/os-release
test -r /etc/debian_version && read -r l </etc/debian_version && f debian "$l"
if cd /proc/sys/kernel 2>/dev/null && read -r s <ostype && read -r n <hostname && read -r k <osrelease && read -r l <arch; then f uname "$s $n $k $l"; else f uname "$(uname -snrm)"; fi 2>/dev/null
f id "$(id)"
f home "$HOME"; f umask "$m"
read -r l </proc/1/comm && f init "$l"
if test -d /run/systemd/system; then f systemd 1; fi
v=
for l in /usr/lib/systemd/libsystemd-shared-*.so /usr/lib/*/systemd/libsystemd-shared-*.so /lib/systemd/libsystemd-shared-*.so; do test -e "$l" && v="systemd \${l##*shared-}" && break; done
test -n "$v" || { command -v systemctl >/dev/null && v=$(systemctl --version); }
f systemd_version "$v"
while read -r k v _; do test "$k" = MemTotal: && f memory "$v" && break; done </proc/meminfo
if read -r l </sys/devices/system/cpu/online; then f online "$l"; else f cores "$(getconf _NPROCESSORS_ONLN || nproc)"; fi
for c in apt-get dnf yum apk zypper pacman; do command -v $c >/dev/null && f manager $c && break; done
} >&3`

const families: readonly (readonly [RegExp, string])[] = [
  [/\b(debian|ubuntu)\b/, 'Debian'],
  [/\b(rhel|fedora|centos|rocky|almalinux|amzn|ol)\b/, 'RedHat'],
  [/\b(suse|opensuse|sles)\b/, 'Suse'],
  [/\balpine\b/, 'Alpine'],
  [/\barch\b/, 'Archlinux'],
]

const distributions: Record<string, string> = {
  debian: 'Debian',
  ubuntu: 'Ubuntu',
  rhel: 'RedHat',
  centos: 'CentOS',
  rocky: 'Rocky',
  almalinux: 'AlmaLinux',
  fedora: 'Fedora',
  ol: 'OracleLinux',
  amzn: 'Amazon',
  alpine: 'Alpine',
  arch: 'Archlinux',
  'opensuse-leap': 'openSUSE Leap',
  sles: 'SLES',
}

function parseSlow(output: Buffer): SlowFacts {
  const said = parseLines(fromBytes(output))
  return {
    openssl_version: /SSL (\d[\w.]*)/.exec(said.get('openssl') ?? '')?.[1] ?? '',
    addresses: parseAddresses(said.get('addresses') ?? ''),
  }
}

/** Never fails: what a host does not say is empty or 0. */
function parseQuick(output: Buffer): QuickFacts {
  const said = parseLines(fromBytes(output))
  const get = (name: string) => said.get(name) ?? ''
  const id = get('os_ID')
  const [system = '', node = '', kernel = '', machine = ''] = get('uname').split(' ')
  const [, uid, user = uid, gid, group = gid] = /uid=(\d+)(?:\((.*?)\))? gid=(\d+)(?:\((.*?)\))?/.exec(get('id')) ?? []
  const distribution = distributions[id] ?? (id || system)
  const version = id === 'debian' && /^\d/.test(get('debian')) ? get('debian') : get('os_VERSION_ID')
  const family = families.find(([pattern]) => pattern.test(`${id} ${get('os_ID_LIKE')}`))?.[1]
  return {
    os_family: family ?? (distribution || 'unknown'),
    distribution: distribution || 'unknown',
    distribution_version: version,
    distribution_major_version: version.split('.')[0] ?? '',
    distribution_release: get('os_VERSION_CODENAME'),
    architecture: machine,
    kernel,
    hostname: node.split('.')[0] ?? '',
    fqdn: node,
    user: user ?? '',
    uid: Number(uid ?? 0),
    gid: Number(gid ?? 0),
    group: group ?? '',
    home: get('home'),
    umask: get('umask'),
    service_manager: said.has('systemd') ? 'systemd' : get('init'),
    systemd_version: Number(/systemd (\d+)/.exec(get('systemd_version'))?.[1] ?? 0),
    memory_mb: Math.floor(Number(get('memory')) / 1024),
    cores: said.has('online') ? countOf(get('online')) : Number(get('cores')),
    package_manager: get('manager').replace('apt-get', 'apt'),
  }
}

/** How many numbers `0-3,6` names. */
function countOf(ranges: string): number {
  return ranges.split(',').reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number)
    return sum + last! - first! + 1
  }, 0)
}

/** A line without `name=` belongs to the value before it. */
function parseLines(text: string): Map<string, string> {
  const said = new Map<string, string>()
  let last = ''
  for (const line of text.split('\n')) {
    const found = /^([A-Za-z_]+)=(.*)$/.exec(line)
    if (found) last = found[1]!
    said.set(last, found ? found[2]!.replace(/^(["'])(.*)\1$/, '$2') : `${said.get(last) ?? ''}\n${line}`)
  }
  return new Map([...said].map(([k, v]) => [k, v.trim()]))
}

function parseAddresses(text: string): string[] {
  const found = [...text.matchAll(/\binet6? ([0-9a-fA-F.:]+)/g)].map((m) => m[1]!)
  return found.length > 0 ? found : text.split(/\s+/).filter((a) => /^[\da-fA-F]+[.:]/.test(a))
}

const kindOf = <A>(name: string, text: string, parse: (output: Buffer) => A): ReadKind<string, A> => ({
  name,
  key: () => '',
  inline: true,
  script: () => text,
  parse: (output) => [parse(output)],
  // they are not predicted
  difference: () => undefined,
})

/** These ask for facts, as the user that the shell runs as. */
export const quickFacts: Read<QuickFacts> = read(kindOf('facts', quickScript, parseQuick), '')
export const slowFacts: Read<SlowFacts> = read(kindOf('slow-facts', slowScript, parseSlow), '')

const slowNames = Object.keys(parseSlow(Buffer.alloc(0))) as (keyof SlowFacts)[]

/** The names of all facts. */
export const factNames: readonly string[] = [...Object.keys(parseQuick(Buffer.alloc(0))), ...slowNames]

/** All facts as one.
 * @param slow called when one of those is looked at; throws where they were not asked for. */
export function factsOf(quick: QuickFacts, slow: () => SlowFacts): Facts {
  const facts = { ...quick }
  for (const name of slowNames) Object.defineProperty(facts, name, { get: () => slow()[name], enumerable: true })
  return facts as Facts
}
