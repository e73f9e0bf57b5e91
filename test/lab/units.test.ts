import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { runTasks } from './tasks.ts'

// systemd_unit on a real systemd.

const reason = canBootLab()
if (reason !== undefined) console.log(`SKIP ${reason}`)
const check = reason === undefined ? test : test.skip

const install = { WantedBy: 'multi-user.target' }
const service = (Service: object, more: object = {}) => ({ Service, Install: install, ...more })
const sleeper = service({ ExecStart: '/bin/sleep 1000' })

check('a unit is written, enabled, started, and verified before it replaces a good one', async () => {
  const lab = await bootLab(1)
  try {
    lifecycle(lab)
    types(lab)
    failures(lab)
    restartAfter(lab)
    lasting(lab)
    placed(lab)
    several(lab)
  } finally {
    lab.stop()
  }
})

function lifecycle(lab: Lab): void {
  const show = (name: string, ...properties: string[]) =>
    lab
      .run('h1', ['systemctl', 'show', '--value', `--property=${properties.join()}`, name])
      .stdout.trim()
      .split('\n')
      .join(' ')
  const task = { systemd_unit: { name: 'one', unit: sleeper, enabled: true, state: 'started' } }
  const predicted = runTasks(lab, 'check', [task])
  const first = runTasks(lab, 'apply', [task])
  assert.equal([first.statuses, first.warnings], [['changed'], []], first.text)
  assert.equal(first.tasks[0]!.changes, predicted.tasks[0]!.changes)
  assert.match(show('one', 'ActiveState', 'UnitFileState'), /active enabled|enabled active/)
  assert.equal(runTasks(lab, 'apply', [task]).statuses, ['ok'])
  const pid = show('one', 'MainPID')

  // a changed file does not restart what runs; it needs a reload and nothing else
  const changed = { systemd_unit: { ...task.systemd_unit, unit: service({ ExecStart: '/bin/sleep 2000' }) } }
  const second = runTasks(lab, 'apply', [changed])
  assert.is(second.statuses[0], 'changed', second.text)
  assert.ok(second.tasks[0]!.changes.includes('systemctl daemon-reload'))
  assert.is(show('one', 'MainPID', 'NeedDaemonReload'), `${pid} no`)
  // a mode alone needs no reload
  const mode = runTasks(lab, 'apply', [{ systemd_unit: { ...changed.systemd_unit, mode: '0640' } }])
  assert.equal(mode.tasks[0]!.changes.length, 1, mode.text)

  const acts = (state: string) => runTasks(lab, 'apply', [{ systemd_unit: { name: 'one', state } }]).statuses[0]
  assert.equal([acts('restarted'), acts('restarted')], ['changed', 'changed'])
  assert.is.not(show('one', 'MainPID'), pid)
  const drop = { name: 'one', drop_in: 'reload', unit: { Service: { ExecReload: '/bin/true' } } }
  const dropped = runTasks(lab, 'apply', [{ systemd_unit: { ...drop, state: 'reloaded' } }])
  assert.equal([dropped.statuses, dropped.warnings], [['changed'], []], dropped.text)
  assert.equal(acts('reloaded'), 'changed')
  assert.equal([acts('stopped'), acts('stopped')], ['changed', 'ok'])
  const off = { systemd_unit: { name: 'one', enabled: false } }
  assert.equal([runTasks(lab, 'apply', [off]).statuses, runTasks(lab, 'apply', [off]).statuses], [['changed'], ['ok']])

  lab.run('h1', [
    'sh',
    '-c',
    'mv /etc/systemd/system/one.service /usr/lib/systemd/system/; rm -r /etc/systemd/system/one.service.d; systemctl daemon-reload',
  ])
  const masked = (value: boolean) =>
    runTasks(lab, 'apply', [{ systemd_unit: { name: 'one', masked: value } }]).statuses[0]
  assert.equal([masked(true), masked(true)], ['changed', 'ok'])
  const stuck = runTasks(lab, 'check', [{ systemd_unit: { name: 'one', state: 'started' } }])
  assert.match(stuck.tasks[0]?.message ?? '', /is masked/)
  const freed = runTasks(lab, 'apply', [{ systemd_unit: { name: 'one', masked: false, state: 'started' } }])
  assert.equal([freed.statuses, freed.warnings], [['changed'], []], freed.text)
}

/** Every type of service, timers and templates: predicted as they come out, and converged after. */
function types(lab: Lab): void {
  lab.run('h1', [
    'sh',
    '-c',
    `printf '#!/bin/sh\\nsleep 1000 &\\necho $! >/run/forks.pid\\n' >/usr/local/bin/forks; chmod +x /usr/local/bin/forks`,
  ])
  const units: Record<string, object> = {
    kept: service({ Type: 'oneshot', RemainAfterExit: true, ExecStart: '/bin/true' }),
    forks: service({ Type: 'forking', PIDFile: '/run/forks.pid', ExecStart: '/usr/local/bin/forks' }),
    tells: service({
      Type: 'notify',
      NotifyAccess: 'all',
      ExecStart: "/bin/sh -c 'systemd-notify --ready; exec sleep 1000'",
    }),
    'tick.timer': { Timer: { OnCalendar: 'daily', Unit: 'kept.service' }, Install: { WantedBy: 'timers.target' } },
    'many@': service({ ExecStart: '/bin/sleep %i' }),
    static: { Service: { ExecStart: '/bin/sleep 1000' } },
  }
  const tasks = Object.entries(units).map(([name, unit]) => ({
    systemd_unit: {
      name,
      unit,
      ...(name === 'many@' ? {} : { state: 'started' }),
      ...(name === 'static' ? {} : { enabled: true }),
    },
  }))
  tasks.push({ systemd_unit: { name: 'many@1000', state: 'started' } } as never)
  delete (tasks[4]!.systemd_unit as { enabled?: boolean }).enabled
  const first = runTasks(lab, 'apply', tasks)
  assert.equal(first.statuses, Array(7).fill('changed'), first.text)
  assert.equal(first.warnings, [])
  const again = runTasks(lab, 'apply', tasks)
  assert.equal([again.statuses, again.warnings], [Array(7).fill('ok'), []], again.text)
  // a oneshot is over when it ran: to start it is to run it
  const runs = [
    { systemd_unit: { name: 'runs', unit: service({ Type: 'oneshot', ExecStart: '/bin/true' }), state: 'started' } },
  ]
  const ran = [runTasks(lab, 'apply', runs), runTasks(lab, 'apply', runs)]
  assert.equal(
    ran.map((r) => [r.statuses, r.warnings]),
    [
      [['changed'], []],
      [['changed'], []],
    ],
    ran[0]!.text,
  )
}

function failures(lab: Lab): void {
  const sh = (script: string) => lab.run('h1', ['sh', '-c', script]).stdout
  const message = (unit: object, more: object = {}) => {
    const ran = runTasks(lab, 'apply', [{ systemd_unit: { name: 'bad', unit, state: 'started', ...more } }])
    assert.is(ran.statuses[0], 'failed', ran.text)
    return `${ran.tasks[0]!.message} | ${ran.tasks[0]!.hint ?? ''}`
  }
  const good = runTasks(lab, 'apply', [{ systemd_unit: { name: 'bad', unit: sleeper, state: 'started' } }])
  assert.is(good.statuses[0], 'changed', good.text)
  assert.match(message({ Service: { Type: 'simple' } }), /does not take the unit: .*no ExecStart/)
  assert.match(message(service({ ExecStart: '/nowhere/x' })), /nowhere\/x is not executable/)
  assert.match(sh('cat /etc/systemd/system/bad.service; systemctl is-active bad'), /sleep 1000[\s\S]*\nactive\n/)
  sh('systemctl stop bad')

  const dies = "/bin/sh -c 'echo these are its last words; exit 3'"
  // the journal reads the unit's words and systemd's from two sockets: either may come first
  const words = message(service({ ExecStart: dies }))
  for (const said of [/ended right after its start:/, /these are its last words/, /status=3/]) assert.match(words, said)
  assert.match(message(service({ ExecStart: dies, Restart: 'always', RestartSec: '60' })), /last words/)
  // it waits for its next start: that is not running
  assert.match(message(service({ ExecStart: dies, Restart: 'always', RestartSec: '60' })), /last words/)
  assert.match(message(service({ ExecStart: dies, Restart: 'always', RestartSec: '0' })), /last words/)
  sh('systemctl stop bad')
  const late = message(service({ ExecStart: "/bin/sh -c 'sleep 1.5; echo too late; exit 1'" }), {
    name: 'late',
    watch: 6,
  })
  assert.ok(/too late/.test(late), late)
  assert.match(
    message(service({ Type: 'oneshot', ExecStart: '/bin/false' }), { name: 'once' }),
    /exit status 1[\s\S]*status=1/,
  )
  assert.match(
    message({ ...sleeper, Unit: { ConditionFileNotEmpty: '/nowhere' } }, { name: 'once' }),
    /\/nowhere is not there, or is empty, .*\n[\s\S]*a condition of once.service is not met[\s\S]* \| write it first/,
  )
  assert.match(
    message(service({ ExecStart: '/bin/sleep 9', LoadCredential: 'pin:/nowhere' }), { name: 'once' }),
    /^systemctl start once.service: a credential of its unit is not there, .*\n[\s\S]*status=243[\s\S]* \| .*LoadCredential=/,
  )
  // systemd has forgotten it by now: that is no condition
  assert.match(
    message(service({ ExecStart: "/bin/sh -c 'echo done already'" }), { name: 'brief' }),
    /brief.service ended right after its start:[\s\S]*done already/,
  )
  // starts that failed before do not count against the one that is right
  for (let i = 0; i < 6; i++) lab.run('h1', ['systemctl', 'restart', 'late'])
  assert.is(
    runTasks(lab, 'apply', [{ systemd_unit: { name: 'late', unit: sleeper, state: 'started' } }]).statuses[0],
    'changed',
  )

  const ignored = {
    Unit: { Foo: 'bar' },
    Service: { ExecStart: '/bin/sleep 1', Capabilities: 'CAP_IPC_LOCK+ep', StartLimitIntervalSec: 60 },
  }
  const told = runTasks(lab, 'check', [{ systemd_unit: { name: 'traps', unit: ignored } }]).warnings.join('\n')
  assert.match(told, /Capabilities is ignored/)
  assert.match(told, /StartLimitIntervalSec is ignored in \[Service\]/)
  const applied = runTasks(lab, 'apply', [{ systemd_unit: { name: 'traps', unit: ignored } }]).warnings
  assert.is(applied.length, 3, applied.join('\n'))
  assert.match(applied.join('\n'), /traps.service:2: Unknown key 'Foo'/)
  const none = runTasks(lab, 'check', [{ systemd_unit: { name: 'nosuch', state: 'started' } }])
  assert.match(none.tasks[0]?.message ?? '', /there is no unit nosuch.service/)
}

/** A unit's file that another task places is known before systemd has read it: check tells what apply does, in two trips. */
function placed(lab: Lab): void {
  const text = '[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n'
  const tasks = (name: string, content: string) => [
    { copy: { content, dest: `/etc/systemd/system/${name}.service` } },
    { systemd_unit: { name, enabled: true, state: 'started' } },
  ]
  const predicted = runTasks(lab, 'check', tasks('placed', text))
  assert.equal(predicted.statuses, ['changed', 'changed'], predicted.text)
  assert.equal(predicted.tasks[1]!.changes, ['systemctl enable placed.service', 'systemctl start placed.service'])
  const done = runTasks(lab, 'apply', tasks('placed', text))
  assert.equal(done.statuses, ['changed', 'changed'], done.text)
  assert.equal(done.tasks[1]!.changes, predicted.tasks[1]!.changes)
  assert.match(lab.run('h1', ['systemctl', 'is-active', 'placed']).stdout, /^active/)
  assert.equal(runTasks(lab, 'apply', tasks('placed', text)).statuses, ['ok', 'ok'])
  const bad = runTasks(
    lab,
    'apply',
    tasks('bad-one', '[Service]\nType=simple\n[Install]\nWantedBy=multi-user.target\n'),
  )
  assert.equal(bad.statuses, ['changed', 'failed'], bad.text)
  assert.match(bad.tasks[1]!.message ?? '', /systemctl (enable|start) bad-one.service: exit status 1.*bad.*setting/s)
  // drop-ins of a unit that there is not are not told: what they make of it is not held against the host
  const dropIn = '[Service]\\nType=oneshot\\nExecStart=\\nExecStart=/bin/true\\n'
  lab.run('h1', [
    'sh',
    '-c',
    `cd /etc/systemd/system; mkdir once-placed.service.d; printf '${dropIn}' >once-placed.service.d/x.conf`,
  ])
  const once = runTasks(lab, 'apply', tasks('once-placed', text))
  assert.equal(once.statuses, ['changed', 'changed'], once.text)
  // without a task that starts it, a bad file is no business of this run
  const idle = [tasks('bad-two', '[Service]\nType=simple\n')[0]!, { systemd_unit: { name: 'bad-two', enabled: false } }]
  const left = runTasks(lab, 'apply', idle)
  assert.equal(left.statuses, ['changed', 'ok'], left.text)
}

/** A unit that has nothing to do with another is known whatever becomes of that one; one that it starts is not. */
function several(lab: Lab): void {
  const task = (name: string, Unit: object = {}) => ({
    systemd_unit: { name, unit: { Unit, ...sleeper }, enabled: true, state: 'started' },
  })
  const apart = [
    task('first'),
    task('second', { After: 'network-online.target', Wants: 'network-online.target' }),
    task('third'),
  ]
  const predicted = runTasks(lab, 'check', apart)
  assert.equal(predicted.statuses, ['changed', 'changed', 'changed'], predicted.text)
  const done = runTasks(lab, 'apply', apart)
  assert.equal(
    done.tasks.map((t) => t.changes),
    predicted.tasks.map((t) => t.changes),
    done.text,
  )
  assert.equal(runTasks(lab, 'apply', apart).statuses, ['ok', 'ok', 'ok'])
  // each that ends is told
  const brief = (name: string) => ({
    systemd_unit: {
      name,
      unit: service({ ExecStart: `/bin/sh -c 'echo words of ${name}; exit 3'` }),
      state: 'started',
    },
  })
  const died = runTasks(lab, 'apply', [brief('brief-1'), task('fourth'), brief('brief-2')])
  assert.equal(died.statuses, ['failed', 'changed', 'failed'], died.text)
  for (const i of [0, 2])
    assert.match(died.tasks[i]!.message ?? '', /ended right after its start:[\s\S]*words of brief/, died.text)
  // one that ends another is no sign that this one died
  const fight = [task('conflicted'), task('conflicting', { Conflicts: 'conflicted.service' })]
  const fought = runTasks(lab, 'apply', fight)
  assert.equal(fought.statuses, ['changed', 'changed'], fought.text)
  assert.match(fought.warnings.join(), /never converge/)
  const bound = [task('puller', { Wants: 'pulled.service' }), { systemd_unit: { name: 'pulled', state: 'started' } }]
  runTasks(lab, 'apply', [{ systemd_unit: { name: 'pulled', unit: sleeper } }])
  assert.equal(runTasks(lab, 'check', bound).statuses, ['changed', 'unknown'])
  const pulled = runTasks(lab, 'apply', bound)
  assert.equal(pulled.statuses, ['changed', 'ok'], pulled.text)
}

/** While a service is watched other tasks go on; what becomes of it is told in its turn, once. */
function lasting(lab: Lab): void {
  const start = (ExecStart: string, more: object = {}) => ({
    systemd_unit: { name: 'lasting', unit: service({ ExecStart }), state: 'started', watch: 3 },
    ...more,
  })
  const dies = "/bin/sh -c 'sleep 0.5; echo gone again; exit 3'"
  const copy = { copy: { content: 'x', dest: '/srv/meanwhile' } }
  const died = runTasks(lab, 'apply', [start(dies), copy])
  assert.equal(died.statuses, ['failed', 'changed'], died.text)
  assert.match(died.tasks[0]!.message ?? '', /lasting.service ended right after its start:[\s\S]*gone again/)
  // also where a task behind it fails
  const both = runTasks(lab, 'apply', [start(dies), { copy: { content: 'x', dest: '/proc/no/file' } }])
  assert.equal(both.statuses, ['failed', 'failed'], both.text)
  assert.match(both.tasks[0]!.message ?? '', /gone again/)
  // a command is not started before it is seen
  const before = runTasks(lab, 'apply', [start(dies), copy, { command: 'touch /srv/too-far' }])
  assert.equal([before.statuses, lab.run('h1', ['test', '-e', '/srv/too-far']).status], [['failed', 'ok'], 1])
  // who asks what became of it is told
  const asked = [
    start(dies, { register: 'started', ignore_errors: true }),
    { assert: { that: 'started.failed && /gone again/.test(started.msg)' } },
  ]
  assert.equal(runTasks(lab, 'apply', asked).statuses, ['failed', 'ok'])
  // what is stopped on purpose did not end
  const stop = { systemd_unit: { name: 'lasting', state: 'stopped' } }
  const stopped = runTasks(lab, 'apply', [start('/bin/sleep 1000'), copy, stop])
  assert.equal(stopped.statuses, ['changed', 'ok', 'changed'], stopped.text)
  const quick = runTasks(lab, 'apply', [start('/bin/sleep 1000'), { command: 'systemctl stop lasting' }])
  assert.equal(quick.statuses, ['changed', 'changed'], quick.text)
}

/** A restart that was lost with a failed run is made up for by the next. */
function restartAfter(lab: Lab): void {
  const unit = { name: 'after', unit: sleeper, state: 'started', restart_after: ['/srv/after.conf'] }
  const tasks = (content: string, ...between: object[]) => [
    { copy: { content, dest: '/srv/after.conf' } },
    ...between,
    { systemd_unit: unit },
  ]
  assert.equal(runTasks(lab, 'apply', tasks('1')).statuses, ['changed', 'changed'])
  assert.equal(runTasks(lab, 'apply', tasks('1')).statuses, ['ok', 'ok'])
  assert.equal(runTasks(lab, 'apply', tasks('2', { command: '/bin/false' })).statuses, ['changed', 'failed'])
  const predicted = runTasks(lab, 'check', tasks('2'))
  assert.equal(predicted.statuses, ['ok', 'changed'])
  assert.equal(predicted.tasks[1]!.changes, ['systemctl restart after.service'])
  assert.equal(runTasks(lab, 'apply', tasks('2')).statuses, ['ok', 'changed'])
  assert.equal(runTasks(lab, 'apply', tasks('2')).statuses, ['ok', 'ok'])
  // what somebody wants restarted is no service that ends again and again
  const limited = { Unit: { StartLimitIntervalSec: 600, StartLimitBurst: 2 } }
  const often = { systemd_unit: { ...unit, unit: { ...sleeper, ...limited }, state: 'restarted' } }
  for (let i = 0; i < 4; i++) assert.equal(runTasks(lab, 'apply', [often]).statuses, ['changed'])
  const all = runTasks(lab, 'apply', tasks('3'))
  assert.equal([all.statuses, all.warnings], [['changed', 'changed'], []], all.text)
}

test.run()
