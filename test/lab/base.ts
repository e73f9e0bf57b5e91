import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Outside the tree: it is made once a machine. */
export const cache = '/var/cache/runbook-lab'
/** Counted up whenever what is in the base changes. */
const version = 3
export const base = join(cache, `base-${version}`)

const packages = [
  'systemd systemd-sysv dbus openssh-server sudo iproute2 procps ca-certificates openssl libcap2-bin',
  'python3 python3-apt softhsm2 opensc curl unzip zip xz-utils acl zsh fish csh mksh busybox',
].flatMap((line) => line.split(' '))

/** Why no lab can be booted here; undefined where it can. */
export function canBootLab(): string | undefined {
  if (process.platform !== 'linux') return 'the lab needs Linux'
  if (process.getuid?.() !== 0) return 'the lab needs root'
  for (const command of ['systemd-nspawn', 'debootstrap', 'sshd'])
    if (spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${command}`]).status !== 0)
      return `the lab needs ${command} (.ci/run installs it)`
  return undefined
}

function must(command: string, args: readonly string[], input?: string): string {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    maxBuffer: 1 << 26,
  })
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed: ${`${done.stdout}${done.stderr}`.slice(-2000)}`)
  return done.stdout
}

/** Makes the root that all hosts share, unless it is there. Takes a minute or two. */
export function makeBase(say: (line: string) => void = () => {}): void {
  if (existsSync(join(base, 'etc/runbook-lab-base'))) return
  say('making the base of the lab, once (one to three minutes)')
  mkdirSync(cache, { recursive: true })
  const root = `${base}.new-${process.pid}`
  // apt knows the mirror that works here
  const targets = must('apt-get', ['indextargets', '--format', '$(CODENAME) $(SITE)', 'Created-By: Packages'])
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  const mirror = targets
    .split('\n')
    .find((l) => l.startsWith(`${release} `))
    ?.split(' ')[1]
  if (release === undefined || mirror === undefined) throw new Error('apt knows no mirror of this release of Debian')
  process.on('exit', () => rmSync(root, { recursive: true, force: true }))
  must('debootstrap', ['--variant=minbase', `--include=${packages.join(',')}`, release, root, mirror])
  useSameApt(root)
  must('chroot', [root, 'sh', '-eu'], setUp)
  writeFileSync(join(root, 'etc/runbook-lab-base'), 'a host of the test lab\n')
  try {
    renameSync(root, base)
  } catch {
    // another process was quicker
    rmSync(root, { recursive: true, force: true })
  }
}

/** The hosts reach packages the way this machine does. */
function useSameApt(root: string): void {
  for (const name of readdirSync('/etc/apt/apt.conf.d'))
    if (!/docker|appstream|packagekit/.test(name))
      copyFileSync(join('/etc/apt/apt.conf.d', name), join(root, 'etc/apt/apt.conf.d', name))
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].find(existsSync)
  if (sources?.endsWith('.sources')) {
    copyFileSync(sources, join(root, 'etc/apt/sources.list.d/debian.sources'))
    rmSync(join(root, 'etc/apt/sources.list'), { force: true })
  }
  cpSync('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/certs/ca-certificates.crt'), { dereference: true })
}

const setUp = `
rm -f /etc/ssh/ssh_host_*
systemctl mask -q systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer systemd-resolved.service 2>/dev/null || :
printf '%s\\n' 'PermitRootLogin prohibit-password' 'PasswordAuthentication yes' 'UseDNS no' >/etc/ssh/sshd_config.d/lab.conf
add() { useradd -m -s "$2" "$1"; mkdir -p "/home/$1/.ssh"; chmod 700 "/home/$1/.ssh"; chown "$1:" "/home/$1/.ssh"; }
add deploy /bin/bash; add admin /bin/bash; add plain /bin/sh
add shbash /bin/bash; add shdash /bin/dash; add shzsh /usr/bin/zsh; add shfish /usr/bin/fish; add shcsh /bin/csh; add shmksh /bin/mksh; add noisy /bin/bash
printf 'lab-password\\nlab-password\\n' | passwd -q admin 2>/dev/null || echo admin:lab-password | chpasswd
echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin
printf '%s\\n' 'echo "welcome to this noisy host"' 'echo "and on stderr" >&2' | cat - /home/noisy/.bashrc >/tmp/rc
cp /tmp/rc /home/noisy/.bashrc; rm /tmp/rc
apt-get clean
`
