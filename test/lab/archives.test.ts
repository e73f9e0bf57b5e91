import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tarOf, zipOf } from '../formats/make-archive.ts'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { runTasks } from './tasks.ts'

// unarchive and fxpkcs11_install on a real host: its own tar, unzip and ldd.

const reason = canBootLab()
const check = reason === undefined ? test : test.skip
if (reason !== undefined) console.log(`SKIP ${reason}`)

const long = `${'deep/'.repeat(30)}end`
const make = `set -e; mkdir -p /srv/made/tree/empty '/srv/made/tree/with space'; cd /srv/made/tree
echo run >run; chmod 4755 run; ln run same; ln -s /etc/passwd link; ln -s nowhere dangling
echo x >'with space/grüße 世界'; printf y >"$(printf 'odd\\377name')"; mkdir -p ${long.replace(/\/end$/, '')}; echo z >${long}
mkdir closed; echo c >closed/file; chmod 0555 closed; chown -R deploy:adm 'with space'
tar -C /srv/made -cf /srv/a.tar tree; for k in gz xz; do tar -C /srv/made -caf /srv/a.tar.$k tree; done
rm odd* dangling; cd /srv/made; zip -qry /srv/a.zip tree`

const look = (dir: string) =>
  `cd ${dir} && find . -mindepth 1 -printf '%p %y %m %u:%g %l\\n' | sort && find . -type f -exec sha256sum {} + | sort -k2`

check('archives of the host and of the controller come out as tar and unzip make them', async () => {
  const lab = await bootLab(1)
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script])
  try {
    assert.is(sh(make).stderr, '')
    for (const kind of ['tar', 'tar.gz', 'tar.xz', 'zip']) {
      const zip = kind === 'zip'
      const unpack = zip ? `unzip -qo /srv/a.zip -d /srv/theirs` : `tar -xf /srv/a.${kind} -C /srv/theirs`
      sh(`rm -rf /srv/theirs /srv/ours; mkdir /srv/theirs /srv/ours; ${unpack}`)
      const theirs = sh(look('/srv/theirs')).stdout
      assert.ok(theirs.includes(`${long} f`), theirs)
      const remote = [{ unarchive: { src: `/srv/a.${kind}`, dest: '/srv/ours', remote_src: true } }]
      const predicted = runTasks(lab, 'check', remote)
      assert.equal(predicted.statuses, ['changed'], predicted.text)
      const first = runTasks(lab, 'apply', remote)
      assert.equal([first.statuses, first.warnings], [['changed'], []], first.text)
      assert.is(sh(look('/srv/ours')).stdout, theirs, kind)
      assert.equal(runTasks(lab, 'apply', remote).statuses, ['ok'], kind)
      if (kind.includes('xz')) continue
      const files = { [`files/a.${kind}`]: readFileSync(join(lab.hosts[0]!.root, `srv/a.${kind}`)) }
      const local = [{ unarchive: { src: `a.${kind}`, dest: '/srv/ours' } }]
      assert.equal(runTasks(lab, 'check', local, { files }).statuses, ['ok'], kind)
      sh('rm -rf /srv/ours; mkdir /srv/ours')
      const sent = runTasks(lab, 'apply', local, { files })
      assert.equal([sent.statuses, sent.warnings], [['changed'], []], sent.text)
      assert.is(sh(look('/srv/ours')).stdout, theirs, `sent ${kind}`)
      assert.equal(runTasks(lab, 'apply', local, { files }).statuses, ['ok'], kind)
    }
    partly(lab)
    malicious(lab)
    unreadable(lab)
    library(lab)
  } finally {
    lab.stop()
  }
})

/** What changed is mended, with owner and mode as wanted, and nothing else is touched. */
function partly(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  sh('rm -rf /srv/ours; mkdir /srv/ours')
  const want = {
    src: '/srv/a.tar',
    dest: '/srv/ours',
    remote_src: true,
    exclude: ['odd*'],
    owner: 'daemon',
    mode: 'u=rwX,go=rX',
  }
  assert.equal(runTasks(lab, 'apply', [{ unarchive: want }]).statuses, ['changed'])
  sh('cd /srv/ours/tree; rm run; echo changed >run; chmod 0600 same; rm dangling; stat -c %i link >/srv/inode')
  const mended = runTasks(lab, 'apply', [{ unarchive: want }])
  assert.equal(mended.tasks[0]!.changes, [
    'unpack /srv/a.tar into /srv/ours (2 of its members)',
    'set mode 0644 (was 0600) of /srv/ours/tree/same',
  ])
  assert.is(
    sh('cd /srv/ours/tree; cat run; stat -c "%U %a" run link same; stat -c %i link | cmp - /srv/inode; ls | grep odd'),
    'run\ndaemon 755\ndaemon 777\ndaemon 644\n',
  )
  assert.equal(runTasks(lab, 'apply', [{ unarchive: want }]).statuses, ['ok'])
}

/** No archive writes outside its destination, wherever it is unpacked. */
function malicious(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  const link = { name: 'l', type: '2', target: '/srv/outside' }
  const archives: Record<string, Buffer> = {
    'dots.tar': tarOf([{ name: '../outside/x', body: 'bad' }]),
    'deep.tar': tarOf([{ name: 'a/../../outside/x', body: 'bad' }]),
    'absolute.tar': tarOf([{ name: '/srv/outside/x', body: 'bad' }]),
    'through.tar': tarOf([link, { name: 'l/x', body: 'bad' }]),
    'relative.tar': tarOf([
      { ...link, target: '../outside' },
      { name: 'l/x', body: 'bad' },
    ]),
    'twice.tar': tarOf([link, { name: 'l/', type: '5' }, { name: 'l/x', body: 'bad' }]),
    'chain.tar': tarOf([
      { ...link, name: 'm', target: '..' },
      { ...link, target: 'm/outside' },
      { name: 'l/x', body: 'bad' },
    ]),
    'hard.tar': tarOf([
      { name: 'h', type: '1', target: '/srv/outside/secret' },
      { name: 'h', body: 'bad' },
    ]),
    'harder.tar': tarOf([{ name: 'h', type: '1', target: '../outside/secret' }]),
    'device.tar': tarOf([{ name: 'd', type: '3' }]),
    'laid.tar': tarOf([{ name: 'laid/x', body: 'bad' }]),
    'laid-directory.tar': tarOf([{ name: 'laid/', type: '5', mode: 0o777 }]),
    'dots.zip': zipOf([{ name: '../outside/x', body: 'bad' }]),
    'absolute.zip': zipOf([{ name: '/srv/outside/x', body: 'bad' }]),
    'through.zip': zipOf([
      { name: 'l', mode: 0o120777, body: '/srv/outside' },
      { name: 'l/x', body: 'bad' },
    ]),
    'laid.zip': zipOf([{ name: 'laid/x', body: 'bad' }]),
  }
  sh('mkdir /srv/outside; echo secret >/srv/outside/secret; chmod 0700 /srv/outside')
  const before = sh(look('/srv/outside'))
  const cases = Object.keys(archives).flatMap((name) => [true, false].map((remote_src) => ({ name, remote_src })))
  cases.forEach((_, i) => void sh(`mkdir -p /srv/bad/${i}; ln -s /srv/outside /srv/bad/${i}/laid`))
  for (const [name, bytes] of Object.entries(archives)) writeFileSync(join(lab.hosts[0]!.root, 'srv', name), bytes)
  const tasks = cases.map(({ name, remote_src }, i) => ({
    unarchive: { src: remote_src ? `/srv/${name}` : name, dest: `/srv/bad/${i}`, remote_src },
    ignore_errors: true,
  }))
  const files = Object.fromEntries(Object.entries(archives).map(([name, bytes]) => [`files/${name}`, bytes]))
  const { tasks: ran, text } = runTasks(lab, 'apply', tasks, { files })
  assert.is(ran.length, cases.length, text)
  // tar and unzip themselves take a leading slash away, unzip also dots
  const inside = (remote: boolean) =>
    remote ? /^absolute|^twice|^dots.zip|^hard.tar|^through.zip/ : /^absolute|^twice/
  for (const [i, { name, remote_src }] of cases.entries())
    if (!inside(remote_src).test(name)) assert.is(ran[i]!.status, 'failed', `${name} ${remote_src} ${ran[i]!.changes}`)
  assert.is(sh(look('/srv/outside')), before)
  assert.is(sh('stat -c %a /srv/outside; find /srv/bad -type f -links +1'), '700\n')
  assert.is(sh('find /srv /tmp -name "*runbook*"'), '')
}

/** Why an archive cannot be unpacked is said before anything is done. */
function unreadable(lab: Lab): void {
  lab.run('h1', [
    'sh',
    '-c',
    'mv /usr/bin/unzip /srv/; printf "\\050\\265\\057\\375rest" >/srv/a.tar.zst; echo text >/srv/text',
  ])
  const sources = ['/srv/a.zip', '/srv/a.tar.zst', '/srv/text', '/srv/none', '/srv']
  const tasks = sources.map((src) => ({ unarchive: { src, dest: '/srv/ours', remote_src: true }, ignore_errors: true }))
  const messages = runTasks(lab, 'check', tasks).tasks.map((t) => t.message ?? '')
  assert.match(messages[0] ?? '', /the host has no unzip/)
  assert.match(messages[1] ?? '', /cannot be unpacked: .*zstd/)
  assert.match(messages[2] ?? '', /does not look like a tar archive/)
  assert.match(messages[3] ?? '', /there is no \/srv\/none on the host/)
  assert.match(messages[4] ?? '', /is a directory/)
}

/** The vendor's archive, from either side; what is in it under the names that it really has. */
function library(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  // a stand-in for the vendor's library: any library of the host does, here that of SoftHSM
  const bytes = readFileSync(join(lab.hosts[0]!.root, 'usr/lib/softhsm/libsofthsm2.so'))
  const build = (directory: string) => [
    { name: `fxpkcs11/x64/${directory}/libfxpkcs11.so`, mode: 0o755, body: bytes },
    { name: `fxpkcs11/x64/${directory}/configTest`, mode: 0o755, body: '#!/bin/sh\n' },
    { name: `fxpkcs11/x64/${directory}/PKCS11Manager`, mode: 0o755, body: '#!/bin/sh\n' },
  ]
  const archive = gzipSync(
    tarOf([
      { name: 'fxpkcs11/fxpkcs11.cfg', body: '<HSM>\n</HSM>\n' },
      ...build('OpenSSL-1.0.x'),
      ...build('OpenSSL-1.1.x'),
    ]),
  )
  writeFileSync(join(lab.hosts[0]!.root, 'srv/fx.tar.gz'), archive)
  for (const remote_src of [false, true]) {
    sh('rm -rf /opt/fx /etc/fxpkcs11.cfg /etc/fx.env; printf "# kept\\n\\nA=1" >/etc/fx.env')
    const params = {
      src: remote_src ? '/srv/fx.tar.gz' : 'fx.tar.gz',
      remote_src,
      dest: '/opt/fx',
      environment_file: '/etc/fx.env',
    }
    const tasks = [
      { fxpkcs11_install: params, register: 'fx' },
      { fxpkcs11_cfg: { path: '<%= fx.cfg %>', address: '10.0.0.1' } },
      { command: { argv: ['test', '-x', '<%= fx.library %>', '-a', '-x', '<%= fx.manager %>'] }, changed_when: false },
    ]
    const files = { 'files/fx.tar.gz': archive }
    assert.equal(runTasks(lab, 'check', tasks, { files }).statuses.slice(0, 2), ['changed', 'changed'])
    const { statuses, text, warnings } = runTasks(lab, 'apply', tasks, { files })
    assert.equal(statuses, ['changed', 'changed', 'ok'], text)
    assert.match(warnings.join('\n'), /no build for OpenSSL 3.*OpenSSL-1.1.x/)
    assert.is(
      sh('cat /etc/fx.env; stat -c %a /etc/fxpkcs11.cfg'),
      '# kept\n\nA=1\nFXPKCS11_CFG=/etc/fxpkcs11.cfg\n644\n',
    )
    assert.equal(runTasks(lab, 'apply', tasks, { files }).statuses, ['ok', 'ok', 'ok'])
  }
  sh('mv /usr/lib/x86_64-linux-gnu/libstdc++.so.6* /srv/; ldconfig')
  const missing = runTasks(lab, 'check', [
    { fxpkcs11_install: { src: '/srv/fx.tar.gz', remote_src: true, dest: '/opt/fx' } },
  ])
  assert.match(missing.tasks[0]?.message ?? missing.text, /are not on the host: libstdc\+\+/)
  const fresh = runTasks(lab, 'apply', [
    { fxpkcs11_install: { src: '/srv/fx.tar.gz', remote_src: true, dest: '/opt/fy' } },
  ])
  assert.match(fresh.tasks[0]?.message ?? '', /not on the host:[\s\S]*libstdc\+\+/)
}

test.run()
