import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { startProxy } from './proxy.ts'
import { runbook, startRunbook, until } from './runbook.ts'
import { labSuite } from './suite.ts'
import { dir, file, inventory, moreSshd, ping, play, strangeKey, told, untilListens, wayOf, ways } from './ways.ts'

// Every way to a host, and every way that fails, with real sshd, sudo and login shells.

async function shells(lab: Lab): Promise<void> {
  const at = { ansible_host: lab.hosts[0]!.address }
  const users = ['shbash', 'shdash', 'shzsh', 'shfish', 'shcsh', 'shmksh', 'noisy', 'deploy', 'plain']
  lab.run('h1', [
    'sh',
    '-c',
    'for u in shbash shdash shzsh shfish shcsh shmksh noisy; do echo "$u ALL=(ALL) NOPASSWD: ALL"; done >/etc/sudoers.d/shells',
  ])
  const hosts = Object.fromEntries(users.map((u) => [u, { ...at, ansible_user: u }]))
  for (const become of [false, true]) {
    const them = Object.fromEntries(Object.entries(hosts).filter(([u]) => !become || u !== 'plain'))
    const tasks = "    - command: id -un\n      register: me\n    - debug: { msg: '<%= me.stdout %>' }\n"
    const end = await told(lab, ['apply', play(tasks), '-i', inventory(lab, them), ...(become ? ['-b'] : [])])
    const said = end.events.filter((e) => e.module === 'debug').map((e) => [e.host, e.output])
    assert.equal(Object.fromEntries(said), Object.fromEntries(Object.keys(them).map((u) => [u, become ? 'root' : u])))
  }
}

async function refusals(lab: Lab): Promise<void> {
  const [h1, h2] = lab.hosts.map((h) => h.address) as [string, string]
  // Debian's users without a login; a shell that is none; one that only waits; no way to sudo
  lab.run('h1', [
    'sh',
    '-c',
    'useradd -m -s /bin/cat waits; useradd -m -s /bin/false untrue; cp -r /root/.ssh /home/waits; echo plain:lab-password | chpasswd',
  ])
  const slow = createServer(() => {}).listen(0, '127.0.0.1')
  await new Promise((r) => slow.once('listening', r))
  const tries = await moreSshd(lab, 'h1', 'MaxAuthTries=1')
  const password = 'lab-password'
  const one = { ansible_host: h1 }
  const w = await ways(
    lab,
    {
      refused: { ansible_host: h1, ansible_port: 9 },
      silent: { ansible_host: '127.0.0.1', ansible_port: (slow.address() as { port: number }).port },
      nowhere: { ansible_host: 'no-such-host.invalid' },
      stranger: { ...one, ansible_ssh_private_key_file: strangeKey() },
      asks: { ...one, ansible_user: 'admin', ansible_become: true },
      wrong: { ...one, ansible_user: 'admin', ansible_become: true, ansible_become_password: 'wrong-canary' },
      right: { ...one, ansible_user: 'admin', ansible_become: true, ansible_become_password: password },
      unlisted: { ...one, ansible_user: 'plain', ansible_become: true, ansible_become_password: password },
      unwanted: { ...one, ansible_user: 'deploy', ansible_become: true, ansible_become_password: 'not needed' },
      nobody: { ...one, ansible_user: 'deploy', ansible_become: true, ansible_become_user: 'nosuch' },
      other: { ...one, ansible_user: 'deploy', ansible_become: true, ansible_become_user: 'plain' },
      nologin: { ...one, ansible_user: 'games' },
      untrue: { ...one, ansible_user: 'untrue' },
      manykeys: {
        ansible_host: h1,
        ansible_port: tries,
        ansible_user: 'admin',
        ansible_ssh_private_key_file: strangeKey(),
        ansible_password: password,
      },
      typed: {
        ansible_host: h2,
        ansible_user: 'admin',
        ansible_ssh_private_key_file: strangeKey(),
        ansible_password: password,
      },
    },
    '-T',
    '10',
  )
  slow.close()
  const expected: Record<string, RegExp> = {
    refused: /^unreachable: 127\.77\..* port 9 refused the connection \| is sshd running/,
    silent: /^unreachable: .* did not answer within 10 s \| .*--timeout/,
    nowhere: /^unreachable: the name no-such-host.invalid is not known \| set ansible_host/,
    stranger: /^unreachable: .* lets root in by none of: the key .*stranger \| .*--ask-pass/,
    asks: /^unreachable: sudo asks for a password to become root \| .*--ask-become-pass/,
    wrong: /^unreachable: sudo does not take this password to become root/,
    right: /^ok$/,
    unlisted: /^unreachable: this user may not become root by sudo \| .*sudoers/,
    unwanted: /^ok$/,
    nobody: /^failed: the host has no user nosuch \| make it with `user`/,
    other: /^ok$/,
    nologin: /^unreachable: no POSIX shell was started on the host: .*it said: This account is currently not available/,
    untrue: /^unreachable: no POSIX shell was started on the host: the connection ended/,
    manykeys: /^unreachable: .* took no more tries for admin after: the key .*stranger/,
    typed: /^ok$/,
  }
  for (const [host, words] of Object.entries(expected)) assert.match(w[host]!, words, host)
  assert.not.match(JSON.stringify(w), /canary|lab-password/)
}

/** What is wrong on a host itself: no sudo, a sudo that wants a terminal, no room, nothing to write on. */
async function brokenHosts(lab: Lab): Promise<void> {
  const at = { ansible_host: lab.hosts[1]!.address }
  const sh = (script: string) => assert.is(lab.run('h2', ['sh', '-c', script]).status, 0, script)
  const sudo = (user: string) => ({ ...at, ansible_user: user, ansible_become: true })
  const shellsAway = Object.fromEntries(
    ['deploy', 'shdash', 'shzsh', 'shfish', 'shcsh', 'shmksh'].map((u) => [u, sudo(u)]),
  )
  sh('mv /usr/bin/sudo /usr/bin/sudo.away')
  for (const [u, way] of Object.entries(await ways(lab, shellsAway)))
    assert.match(way, /^unreachable: there is no sudo on the host \| install sudo/, u)
  sh('mv /usr/bin/sudo.away /usr/bin/sudo')
  sh('echo "Defaults requiretty" >/etc/sudoers.d/tty')
  assert.match((await ways(lab, { deploy: sudo('deploy') })).deploy!, /only on a terminal \(requiretty\).*!requiretty/)
  sh('echo "Defaults use_pty" >/etc/sudoers.d/tty')
  const pty = { deploy: sudo('deploy'), admin: { ...sudo('admin'), ansible_become_password: 'lab-password' } }
  assert.equal(await ways(lab, pty), { deploy: 'ok', admin: 'ok' })
  sh(
    'rm /etc/sudoers.d/tty; mkdir -p /srv/small; mount -t tmpfs -o size=64k none /srv/small; ! cat /dev/zero >/srv/small/fill',
  )
  const inv = inventory(lab, { h2: at })
  const write = (dest: string, size: number) => {
    const src = join(dir, 'bytes')
    writeFileSync(src, randomBytes(size))
    return told(lab, ['apply', play(`    - copy: { src: ${src}, dest: ${dest} }\n`), '-i', inv])
  }
  const full = await write('/srv/small/new', 5000)
  assert.match(
    wayOf(full, 'h2'),
    /^failed: create \/srv\/small\/new .*could not be written: dd: .*No space left on device/,
  )
  assert.is(lab.run('h2', ['ls', '-A', '/srv/small']).stdout, 'fill\n')
  sh('umount /srv/small; mount -t tmpfs -o size=300k none /tmp')
  const noRoom = await write('/srv/big', 400_000)
  assert.is(noRoom.status, 3)
  assert.match(
    wayOf(noRoom, 'h2'),
    /create \/srv\/big .*: there is no room for what was sent: TMPDIR or \/tmp on the host is full/,
  )
  assert.is(lab.run('h2', ['sh', '-c', 'ls -A /tmp; ls /srv']).stdout, 'small\n')
  // full before anything comes: the first frame already has no room
  lab.run('h2', ['sh', '-c', 'cat /dev/zero >/tmp/fill'])
  assert.match(
    (await ways(lab, { h2: at })).h2!,
    /there is no room for what was sent: TMPDIR or \/tmp on the host is full/,
  )
  // what watched over a shell that has ended goes a moment later
  await until('/tmp is left', () => lab.run('h2', ['umount', '/tmp']).status === 0)
  sh('mount --bind /tmp /tmp; mount -o remount,ro,bind /tmp')
  assert.match(
    (await ways(lab, { h2: at })).h2!,
    /no private directory can be made in TMPDIR or \/tmp .*Read-only file system/,
  )
  sh('umount /tmp')
  assert.equal(await ways(lab, { h2: at }), { h2: 'ok' })
}

async function odd(lab: Lab): Promise<void> {
  const host = lab.hosts[0]!
  const rekeys = await moreSshd(lab, 'h1', 'RekeyLimit=128K')
  const narrow = await moreSshd(lab, 'h1', 'MaxStartups=1:100:1')
  const paced = await moreSshd(lab, 'h1', 'MaxStartups=16:100:16')
  const at = { ansible_host: host.address }
  const bytes = randomBytes(4_000_000)
  writeFileSync(join(dir, 'rekey'), bytes)
  const rekey = await told(lab, [
    'apply',
    play(`    - copy: { src: ${join(dir, 'rekey')}, dest: /srv/rekey }\n`),
    '-i',
    inventory(lab, { h: { ...at, ansible_port: rekeys } }),
  ])
  assert.is(wayOf(rekey, 'h'), 'ok')
  assert.ok(
    lab.run('h1', ['sha256sum', '/srv/rekey']).stdout.startsWith(createHash('sha256').update(bytes).digest('hex')),
  )
  const names = (n: number, port: number) =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [`p${i}`, { ...at, ansible_port: port }]))
  for (const [n, port] of [
    [10, narrow],
    [60, paced],
  ] as const) {
    const end = await ways(lab, names(n, port), '-f', `${n}`)
    assert.equal([...new Set(Object.values(end))], ['ok'], `${n} at once`)
  }
  // eight at a time: this one never had to drop any, the other did
  const drops = (port: number) =>
    Number(lab.run('h1', ['grep', '-c', 'drop connection', `/var/log/sshd-${port}`]).stdout)
  assert.is(drops(paced), 0)
  assert.ok(drops(narrow) > 0)
}

async function sixth(lab: Lab): Promise<void> {
  const free = createServer().listen(0, '::1')
  const there = await new Promise<boolean>((r) => free.once('listening', () => r(true)).once('error', () => r(false)))
  if (!there) return console.log('(this machine has no ::1)')
  const { port } = free.address() as { port: number }
  await new Promise<void>((r) => free.close(() => r()))
  assert.is(
    lab.run('h1', ['/usr/sbin/sshd', '-p', `${port}`, '-o', 'ListenAddress=::1', '-o', 'PidFile=none']).status,
    0,
  )
  await untilListens(lab, 'h1', `[::1]:${port}`)
  const known = join(dir, 'known-six')
  const hosts = { six: { ansible_host: '::1', ansible_port: port } }
  const args = ['apply', ping(), '-i', inventory(lab, hosts), '--known-hosts', known]
  assert.is((await told(lab, [...args, '--accept-new'])).status, 0)
  assert.ok(readFileSync(known, 'utf8').startsWith(`[::1]:${port} ssh-ed25519 `))
  assert.is((await told(lab, args)).status, 0)
}

/** Forks, a host that does not answer, and two runs at the same time. */
async function manyHosts(lab: Lab): Promise<void> {
  const [h1, h2] = lab.hosts as [Lab['hosts'][0], Lab['hosts'][0]]
  const count = `    - shell: mkdir -p /run/forks; true >/run/forks/$$; ls /run/forks | wc -l; sleep 0.4; rm /run/forks/$$
      register: at_once
    - debug: { msg: "<%= at_once.stdout %>" }\n`
  const names = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, { ansible_host: h1.address }]))
  const forked = await told(lab, ['apply', play(count), '-i', inventory(lab, names), '-f', '3'])
  const most = Math.max(...forked.events.filter((e) => e.module === 'debug').map((e) => Number(e.output)))
  assert.is(forked.status, 0)
  assert.ok(most >= 2 && most <= 3, `${most} at once with --forks 3`)

  const dead = await startProxy(h2)
  dead.stall()
  const hosts = {
    dead: { ansible_host: '127.0.0.1', ansible_port: dead.port },
    h1: { ansible_host: h1.address },
    h2: { ansible_host: h2.address },
  }
  const plays = file(
    ['one', 'two']
      .map((n) => `- name: ${n}\n  hosts: all\n  gather_facts: false\n  tasks: [{ command: echo ${n} }]\n`)
      .join(''),
  )
  const patience = 10
  const from = performance.now()
  const end = await told(lab, ['apply', plays, '-i', inventory(lab, hosts), '-T', `${patience}`, '-f', '2'])
  assert.is(end.status, 3)
  assert.ok(performance.now() - from < 2 * patience * 1000, 'it is waited for once')
  const order = end.events
    .filter((e) => e.host !== undefined && e.event !== 'warning')
    .map((e) => `${e.play ?? ''} ${e.host} ${e.status}`)
  assert.equal(order.slice(0, 3), ['one h1 changed', 'one h2 changed', ' dead unreachable'])
  const second = end.events.filter((e) => e.event === 'play')[1] as unknown as { hosts: string[] }
  assert.equal(second.hosts, ['h1', 'h2'])
  assert.is(dead.connections, 1)
  await dead.close()

  const copies = (n: number) =>
    Array.from({ length: 30 }, (_, i) => `    - copy: { content: "${n} ${i}\\n", dest: /srv/both/${n}-${i} }\n`).join(
      '',
    )
  const make = '    - file: { path: /srv/both, state: directory }\n'
  const inv = inventory(lab, { h1: { ansible_host: h1.address } })
  const runs = await Promise.all([1, 2, 3].map((n) => told(lab, ['apply', play(make + copies(n)), '-i', inv])))
  for (const r of runs) assert.is(r.status, 0, JSON.stringify(r.events.filter((e) => e.status === 'failed')))
  assert.is(
    lab.run('h1', ['sh', '-c', 'ls -A /srv/both | wc -l; ls -d /tmp/runbook.* 2>/dev/null | wc -l']).stdout,
    '90\n0\n',
  )
}

async function timeouts(lab: Lab): Promise<void> {
  const proxy = await startProxy(lab.hosts[1]!)
  const hosts = {
    h1: { ansible_host: lab.hosts[0]!.address },
    h2: { ansible_host: '127.0.0.1', ansible_port: proxy.port },
  }
  const known = join(dir, 'known-proxy')
  const key = readFileSync(lab.knownHostsFile, 'utf8').split('\n')[1]!.split(' ').slice(1).join(' ')
  writeFileSync(known, `${readFileSync(lab.knownHostsFile, 'utf8')}[127.0.0.1]:${proxy.port} ${key}\n`)
  const tasks = `    - name: slow
      shell: true mark-slow; sleep 6001 & sleep 6002
      timeout: <%= inventory_hostname === 'h1' ? 1 : 900 %>\n`
  const file = play(tasks.replace(/<%=.*%>/, '1'))
  const limited = await told(lab, ['apply', file, '-l', 'h1', '-i', inventory(lab, hosts)])
  assert.is(limited.status, 1)
  assert.match(wayOf(limited, 'h1'), /^failed: run true mark-slow; .*: it was ended after 1 s/)
  await until('nothing of it runs', () => lab.run('h1', ['pgrep', '-f', 'mark-slow|sleep 600']).status === 1)

  const silent = play('    - command: echo begun\n    - name: endless\n      shell: true mark-silent; sleep 6003\n')
  const args = ['apply', silent, '-l', 'h2', '-i', inventory(lab, hosts), '--known-hosts', known, '--output', 'ndjson']
  try {
    const run = startRunbook(args)
    // a process on the host is no sign that what the shell said first has come back
    await until('the step before it is told', () => run.stdout().includes('"status":"changed"'))
    await until('it runs', () => lab.run('h2', ['pgrep', '-f', 'mark-silent']).status === 0)
    proxy.stall()
    const from = performance.now()
    const end = await run.ended
    assert.is(end.status, 3)
    assert.ok(performance.now() - from < 60_000, `${performance.now() - from} ms`)
    assert.match(
      end.stdout,
      /"status":"unreachable".*mark-silent; sleep 6003: the connection was lost while it ran: no sign of life for 40 s/,
      end.stdout,
    )
  } finally {
    await proxy.close()
  }
  await until('the step is gone', () => lab.run('h2', ['pgrep', '-f', 'mark-silent']).status === 1)
  await until('its directory too', () => lab.run('h2', ['sh', '-c', 'ls -d /tmp/runbook.*']).stdout === '')
}

/** A shell of another user does not wait for the steps: what he saw is looked at again only once they are done. */
async function seenByAnother(lab: Lab): Promise<void> {
  const path = '/var/tmp/seen-by-another'
  const tasks = `    - stat: { path: ${path} }
      become_user: nobody
    - command: sleep 1
      affects: nothing
    - copy: { content: now, dest: ${path}, mode: '0644' }\n`
  const hosts = { h1: { ansible_host: lab.hosts[0]!.address } }
  const end = await told(lab, ['apply', play(tasks), '-b', '-i', inventory(lab, hosts)])
  assert.is(end.status, 0, JSON.stringify(end.events.filter((e) => e.status === 'failed')))
}

/** What needs no host: this machine, as itself. */
async function here(lab: Lab): Promise<void> {
  const inv = inventory(lab, { here: { ansible_connection: 'local' } })
  const done = runbook(['apply', play(`    - copy: { content: x, dest: ${join(dir, 'here')} }\n`), '-i', inv])
  assert.is(done.status, 0, done.stdout)
  assert.is(readFileSync(join(dir, 'here'), 'utf8'), 'x')
}

labSuite(2, [
  ['every login shell, as itself and by sudo', shells],
  ['each way a connection fails has its words', refusals],
  ['what is wrong on a host is named', brokenHosts],
  ['keys exchanged again, and an sshd that takes few at a time', odd],
  ['IPv6 and a port', sixth],
  ['forks, a host that does not answer, runs side by side', manyHosts],
  ['a step that takes too long, a connection that falls silent', timeouts],
  ['what another user saw is verified behind the steps', seenByAnother],
  ['this machine', here],
])
