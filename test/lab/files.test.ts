import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { runTasks } from './tasks.ts'

// Files in a row come to their places together; what is told of them is what is on disk.

const reason = canBootLab()
if (reason !== undefined) console.log(`SKIP ${reason}`)
const check = reason === undefined ? test : test.skip

check('behind a file that refuses to be replaced nothing is changed', async () => {
  const lab = await bootLab(1)
  try {
    const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
    const refusals: Record<string, [refuse: string, yields: string]> = {
      immutable: ['chattr +i b', 'chattr -i b'],
      'a mount point': ['mount --bind /etc/hostname b', 'umount b'],
      'of another in a sticky directory': ['chmod 1777 .; chown deploy c; chown root b', 'chown deploy b'],
    }
    for (const [what, [refuse, yields]] of Object.entries(refusals)) {
      sh(
        `rm -rf /srv/row; mkdir /srv/row; cd /srv/row; for n in a b c; do echo -n old >$n; done; chown deploy a; ${refuse}`,
      )
      const before = sh('cat /srv/row/b')
      const user = what.startsWith('of another') ? { become: true, become_user: 'deploy' } : {}
      const tasks = ['a', 'b', 'c', 'new'].map((n) => ({
        copy: { dest: `/srv/row/${n}`, content: 'new', group: 'root', ...(user.become ? { group: 'deploy' } : {}) },
        ...user,
      }))
      const ran = runTasks(lab, 'apply', tasks)
      assert.equal(ran.statuses, ['changed', 'failed'], `${what}: ${ran.text}`)
      assert.is(sh('cd /srv/row; cat a b c; ls -A'), `new${before}olda\nb\nc\n`, what)
      sh(`cd /srv/row; ${yields}`)
      assert.equal(runTasks(lab, 'apply', tasks).statuses, ['ok', 'changed', 'changed', 'changed'], what)
    }
    full(lab)
    defaultAcl(lab)
    seenWhole(lab)
  } finally {
    lab.stop()
  }
})

/** Another run may look at a directory while it is made: it has its mode from the start, unless it is to be given away first. */
function seenWhole(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  sh(`cd /usr/bin && mv chmod chmod.real && cat >chmod <<'.' && chmod.real 755 chmod
#!/bin/sh
for p; do :; done
stat -c '%n %a' -- "$p" >>/run/seen
exec chmod.real "$@"
.`)
  const tasks = [
    { file: { path: '/srv/whole', state: 'directory' } },
    { file: { path: '/srv/given', state: 'directory', mode: '0775', owner: 'deploy' } },
    { file: { path: '/srv/sticky', state: 'directory', mode: '1777' } },
  ]
  const ran = runTasks(lab, 'apply', tasks)
  assert.equal(ran.statuses, ['changed', 'changed', 'changed'], ran.text)
  assert.is(sh('grep ^/srv/ /run/seen'), '/srv/whole 755\n/srv/given 700\n/srv/sticky 700\n')
}

/** Where not all have room at once, each comes as far as it can. */
function full(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  sh('mkdir /srv/small; mount -t tmpfs -o size=100k tmpfs /srv/small')
  const tasks = ['a', 'b', 'c', 'd'].map((n) => ({ copy: { dest: `/srv/small/${n}`, content: n.repeat(40_000) } }))
  const ran = runTasks(lab, 'apply', tasks)
  assert.equal(ran.statuses, ['changed', 'changed', 'failed'], ran.text)
  assert.match(ran.tasks[2]!.message ?? '', /No space left/)
  assert.is(sh('cd /srv/small; ls -A; cat a b | wc -c'), 'a\nb\n80000\n')
  sh('umount /srv/small')
}

/** What a directory's default ACL gives others is not given while a private file is written, nor before it has its owner. */
function defaultAcl(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  const own = '/usr/local/bin'
  sh(`mkdir /srv/acl; chgrp shadow /srv/acl; chmod 2750 /srv/acl; setfacl -d -m u:deploy:rwx,o::rwx /srv/acl`)
  // what is beside, as anybody else sees it while the owner is set
  sh(
    `printf '#!/bin/sh\\nsu deploy -s /bin/sh -c "cat /srv/acl/.runbook.* /srv/acl/.runbook.*/*; touch /srv/acl/.runbook.*/x" >>/srv/seen 2>/dev/null; exec /bin/chown "$@"\\n' >${own}/chown`,
  )
  sh(`chmod +x ${own}/chown; chmod o+rx /srv/acl; : >/srv/seen; chmod 666 /srv/seen`)
  const copy = (dest: string) => ({ copy: { dest, content: 'canary-acl', mode: '0600', owner: 'nobody' } })
  const one = runTasks(lab, 'apply', [copy('/srv/acl/one')])
  const row = runTasks(
    lab,
    'apply',
    ['a', 'b', 'c'].map((n) => copy(`/srv/acl/${n}`)),
  )
  assert.equal([one.statuses, row.statuses], [['changed'], ['changed', 'changed', 'changed']], one.text + row.text)
  assert.is(sh('cat /srv/seen'), '')
  assert.is(sh('cd /srv/acl; stat -c "%a %U:%G" one a b c | sort -u; ls -A'), '600 nobody:shadow\na\nb\nc\none\n')
  sh(`rm ${own}/chown`)
}

test.run()
