import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { runTasks } from './tasks.ts'

// package on a real apt, with a repository of the host's own; capabilities with a real setcap.

const reason = canBootLab()
if (reason !== undefined) console.log(`SKIP ${reason}`)
const check = reason === undefined ? test : test.skip

const publish = (version: string, name = 'tiny', fields = '') => `mkdir -p /srv/repo /srv/b/DEBIAN && cd /srv
printf 'Package: ${name}\\nVersion: ${version}\\nArchitecture: all\\nMaintainer: lab <lab@localhost>\\nDescription: lab\\n${fields}' >b/DEBIAN/control
dpkg-deb -b b repo/${name}_${version.replace(':', '%3a')}_all.deb >/dev/null && cd repo
: >Packages; for f in *.deb; do { dpkg-deb -f $f; echo Filename: ./$f; echo Size: $(stat -c %s $f); echo SHA256: $(sha256sum $f | cut -d' ' -f1); echo; } >>Packages; done`
const setUp = `rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] copy:/srv/repo ./' >/etc/apt/sources.list
${publish('1.0-1')}; ${publish('1:0.9-1', 'other', 'Provides: tiny-virtual\\n')}; apt-get -q update`

check('packages come, stay, are updated and go; capabilities are what is predicted', async () => {
  const lab = await bootLab(1)
  try {
    const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
    const installed = (name: string) => sh(`dpkg-query -W -f '\${db:Status-Status} \${Version}' ${name} 2>/dev/null`)
    const done = lab.run('h1', ['sh', '-c', setUp])
    assert.is(done.status, 0, done.stderr)
    const run = (params: object, mode: 'apply' | 'check' = 'apply') => {
      const ran = runTasks(lab, mode, [{ package: params }])
      assert.equal(ran.warnings, [], ran.text)
      return ran.statuses[0] ?? ran.text
    }
    const twice = (params: object) => [run(params, 'check'), run(params), run(params)]
    assert.equal(twice({ name: ['tiny', 'other'] }), ['changed', 'changed', 'ok'])
    assert.is(installed('tiny'), 'installed 1.0-1')
    assert.is(run({ name: 'tiny-virtual' }), 'ok')
    sh(publish('1.1-1'))
    assert.is(run({ name: 'tiny', state: 'latest' }), 'ok', 'the lists are old')
    assert.equal(twice({ name: 'tiny', state: 'latest', update_cache: true }), ['changed', 'changed', 'ok'])
    assert.is(installed('tiny'), 'installed 1.1-1')
    assert.equal(twice({ name: 'tiny=1.0-1' }), ['changed', 'changed', 'ok'])
    assert.is(run({ name: 'tiny' }), 'ok')
    assert.is(run({ name: 'tiny=1.*' }), 'ok')
    assert.equal(twice({ name: ['tiny', 'nosuch'], state: 'absent' }), ['changed', 'changed', 'ok'])
    assert.is(installed('tiny').includes('installed'), false)
    const none = runTasks(lab, 'apply', [{ package: { name: 'nosuch' } }])
    assert.match(none.tasks[0]?.message ?? none.text, /install nosuch: exit status 100:[\s\S]*Unable to locate/)
    withCapabilities(lab)
  } finally {
    lab.stop()
  }
})

function withCapabilities(lab: Lab): void {
  const path = '/srv/prog'
  const tasks = (content: string, capability: string) => [
    { copy: { content, dest: path, mode: '0755' } },
    { capabilities: { path, capability } },
    { capabilities: { path, capability: 'cap_ipc_lock=+ep' } },
  ]
  const getcap = () => lab.run('h1', ['getcap', path]).stdout.trim()
  const first = runTasks(lab, 'apply', tasks('1', 'cap_kill,cap_chown+ep'))
  assert.equal([first.statuses, first.warnings], [['changed', 'changed', 'changed'], []], first.text)
  assert.is(getcap(), `${path} cap_chown,cap_kill,cap_ipc_lock=ep`)
  assert.equal(runTasks(lab, 'apply', tasks('1', 'cap_kill,cap_chown+ep')).statuses, ['ok', 'ok', 'ok'])
  // a file that is replaced loses them, in check too
  const replaced = runTasks(lab, 'check', tasks('2', 'cap_kill=ep'))
  assert.equal(replaced.statuses, ['changed', 'changed', 'changed'])
  const again = runTasks(lab, 'apply', tasks('2', 'cap_kill=ep'))
  assert.equal([again.statuses, again.warnings], [['changed', 'changed', 'changed'], []], again.text)
  assert.is(getcap(), `${path} cap_kill,cap_ipc_lock=ep`)
  // of a link they are those of where it leads
  lab.run('h1', ['ln', '-s', path, '/srv/link'])
  const linked = [{ capabilities: { path: '/srv/link', capability: 'cap_ipc_lock=+ep' } }]
  assert.equal(runTasks(lab, 'apply', linked).statuses, ['ok'])
  const gone = [{ capabilities: { path, capability: 'cap_kill', state: 'absent' } }]
  assert.equal(runTasks(lab, 'apply', gone).statuses, ['changed'])
  assert.is(getcap(), `${path} cap_ipc_lock=ep`)
  lab.run('h1', ['sh', '-c', 'mv /usr/sbin/getcap /srv/'])
  assert.match(runTasks(lab, 'check', gone).tasks[0]?.message ?? '', /no getcap/)
}

test.run()
