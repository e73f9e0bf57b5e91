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
  } finally {
    lab.stop()
  }
})

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

test.run()
