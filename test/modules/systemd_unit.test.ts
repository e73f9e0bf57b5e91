import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootTime, type Unit, unit } from '../../src/module.ts'
import { type Given, plan } from './plan.ts'
import { directory, file } from './world.ts'

const stopped: Unit = {
  name: 'x.service',
  load: 'loaded',
  active: 'inactive',
  sub: 'dead',
  enabled: 'disabled',
  fragment: '',
  dropIns: [],
  needsReload: false,
  type: 'simple',
  remainsAfterExit: false,
  startedAt: 0,
  pulls: ['sysinit.target', 'system.slice'],
  pulledBy: [],
  aliases: undefined,
}
const none: Unit = { ...stopped, load: 'not-found', enabled: '', type: '' }
const running: Unit = { ...stopped, active: 'active', sub: 'running', startedAt: 1000, enabled: 'enabled' }
const path = '/etc/systemd/system/x.service'
const text = '[Service]\nExecStart=/bin/x\n\n[Install]\nWantedBy=multi-user.target\n'
const sections = { Service: { ExecStart: '/bin/x' }, Install: { WantedBy: 'multi-user.target' } }

const of = (now: Unit, params: object, host: Given['host'] = {}, given: Given = {}) =>
  plan(
    'systemd_unit',
    { name: 'x', ...params },
    {
      host: { '/etc/systemd/system': directory(), ...host },
      answers: [
        [unit(now.name), now],
        [bootTime(), 1_699_999_000],
      ],
      ...given,
    },
  )
const steps = async (...args: Parameters<typeof of>) => (await of(...args)).steps

test('on a fresh host all of it is predicted, and planned again there is nothing to do', async () => {
  const fresh = await of(none, { unit: sections, enabled: true, state: 'started' })
  assert.equal(fresh.steps, [
    'verify x.service',
    `create ${path} (65 bytes)`,
    'systemctl daemon-reload',
    'systemctl enable x.service',
    'systemctl start x.service',
  ])
  assert.equal(fresh.again, [])
  assert.equal(fresh.result, { name: 'x.service', path, restart_required: false })
  assert.equal(await steps(running, { unit: sections, enabled: true, state: 'started' }, { [path]: file(text) }), [])
})

test('sections, content and a template make the same file; two of them are too many', async () => {
  const given = { files: { 't.ejs': text } }
  assert.equal(await steps(stopped, { content: text }, { [path]: text }), [])
  assert.equal(await steps(stopped, { template: 't.ejs' }, { [path]: text }, given), [])
  assert.match((await of(stopped, { content: text, unit: sections })).invalid.join(), /content/)
})

test('systemd reads its files again when a content changed, or when it says so, and not for a mode', async () => {
  assert.equal(await steps(running, { unit: sections }, { [path]: file('old') }), [
    'verify x.service',
    `replace ${path} (65 bytes)`,
    'systemctl daemon-reload',
  ])
  assert.equal(await steps(running, { unit: sections, mode: '0600' }, { [path]: text }), [
    `set mode 0600 (was 0644) of ${path}`,
  ])
  assert.equal(await steps({ ...running, needsReload: true }, { state: 'started' }), ['systemctl daemon-reload'])
})

test('a drop-in goes beside its unit, which stays as it is', async () => {
  const { steps: made, again } = await of(running, { drop_in: 'limits.conf', unit: { Service: { LimitNOFILE: 9 } } })
  assert.equal(made, [
    'verify x.service.d/limits.conf',
    `create directory ${path}.d`,
    `create ${path}.d/limits.conf (24 bytes)`,
    'systemctl daemon-reload',
  ])
  assert.equal(again, [])
  assert.match((await of(running, { drop_in: 'limits' })).failed ?? '', /`drop_in` needs/)
  assert.match((await of(none, { drop_in: 'a', content: '', state: 'started' })).failed ?? '', /no unit x.service/)
})

test('states act when they have to, restarted and reloaded every time', async () => {
  assert.equal(await steps(stopped, { state: 'started' }), ['systemctl start x.service'])
  assert.equal(await steps(running, { state: 'started' }), [])
  assert.equal(await steps({ ...running, active: 'activating', sub: 'auto-restart' }, { state: 'started' }), [
    'systemctl start x.service',
  ])
  assert.equal(await steps({ ...stopped, active: 'failed' }, { state: 'stopped' }), [])
  assert.equal(await steps({ ...running, active: 'activating', sub: 'auto-restart' }, { state: 'stopped' }), [
    'systemctl stop x.service',
  ])
  for (const [now, state, verb] of [
    [running, 'restarted', 'restart'],
    [stopped, 'restarted', 'restart'],
    [running, 'reloaded', 'reload'],
    [stopped, 'reloaded', 'start'],
  ] as const) {
    const { steps: made, plan: planned } = await of(now, { state })
    assert.equal(made, [`systemctl ${verb} x.service`])
    assert.is(planned?.steps[0]?.acts, true)
  }
})

test('a oneshot is started every time, unless it remains', async () => {
  const oneshot = { ...stopped, type: 'oneshot' }
  const { steps: made, plan: planned } = await of(oneshot, { state: 'started' })
  assert.equal([made, planned?.steps[0]?.acts], [['systemctl start x.service'], true])
  assert.equal((await of({ ...oneshot, remainsAfterExit: true }, { state: 'started' })).again, [])
})

test('enabled, disabled and masked', async () => {
  assert.equal(await steps(stopped, { enabled: true }), ['systemctl enable x.service'])
  assert.equal(await steps({ ...stopped, enabled: 'static' }, { enabled: true }), [])
  assert.equal(await steps(running, { enabled: false }), ['systemctl disable x.service'])
  assert.equal(await steps(stopped, { masked: true }), ['systemctl mask x.service'])
  const masked = { ...stopped, load: 'masked', enabled: 'masked' }
  assert.equal(await steps(masked, { masked: true }), [])
  assert.equal(await steps(masked, { masked: false }), ['systemctl unmask x.service'])
  assert.match((await of(masked, { state: 'started' })).failed ?? '', /masked/)
  const { failed, hint } = await of(none, { unit: { Service: { ExecStart: '/bin/x' } }, enabled: true })
  assert.match(`${failed} ${hint}`, /no \[Install\] section.*WantedBy/)
})

test('restart_after restarts what is older than one of the paths, whatever made them new', async () => {
  const at = (mtime: number) => ({ '/c': file('', { mtime }), '/old': file('', { mtime: 1 }) })
  const restart = (now: Unit, mtime: number, more = {}) =>
    steps(now, { restart_after: ['/old', '/c', '/none'], state: 'started', ...more }, at(mtime))
  assert.equal(await restart(running, 1_700_000_001), ['systemctl restart x.service'])
  assert.equal(await restart(running, 1_699_999_999), [])
  assert.equal(await restart(running, 1_700_000_001, { state: 'stopped' }), ['systemctl stop x.service'])
  assert.equal(await restart(stopped, 1_700_000_001), ['systemctl start x.service'])
  assert.match((await of(running, { restart_after: ['c'] })).invalid.join(), /restart_after/)
})

test('a unit that changed may be a reason to restart too', async () => {
  const unit = { Service: { ExecStart: '/bin/x' } }
  const host = { '/etc/systemd/system': directory(), [path]: file('[Service]\nExecStart=/bin/old\n', { mtime: 1 }) }
  const made = (await steps(running, { unit, state: 'started', restart_after: [path] }, host)) as string[]
  assert.is(made.at(-1), 'systemctl restart x.service', made.join())
  assert.not.match((await steps(running, { unit, state: 'started' }, host)).join(), /restart/)
  const left = await of(running, { unit, state: 'started', restart: 'later', restart_after: [path] }, host)
  assert.is(left.result.restart_required, true)
})

test('a restart that is left to others is told as long as it has not come', async () => {
  const left = async (now: Unit, mtime: number, more = {}) => {
    const params = { restart_after: ['/c', '/none'], restart: 'later', state: 'started', ...more }
    const { steps: made, result, again } = await of(now, params, { '/c': file('', { mtime }) })
    assert.equal(again, [])
    return [made, result.restart_required]
  }
  assert.equal(await left(running, 1_700_000_001), [[], true])
  assert.equal(await left(running, 1_700_000_001, { state: undefined }), [[], true])
  assert.equal(await left(running, 1_699_999_999), [[], false])
  assert.equal(await left(stopped, 1_700_000_001), [['systemctl start x.service'], false])
  const ended = { ...running, active: 'activating', sub: 'auto-restart' }
  assert.equal(await left(ended, 1_700_000_001), [['systemctl start x.service'], false], 'nothing runs')
  assert.equal(await left(running, 1_700_000_001, { restart: 'now' }), [['systemctl restart x.service'], false])
})

test('what systemd ignores is told in check too; a unit it refuses leaves the old one', async () => {
  const traps = { Service: { ExecStart: '/bin/x', Capabilities: 'x', StartLimitIntervalSec: 60 } }
  const planned = await of(none, { unit: traps })
  assert.is(planned.warnings.length, 2)
  const refused = planned.settle({ status: 1, stdout: 'x.service: Service has no ExecStart=. Refusing.\n' })
  assert.match(`${refused.failed} ${refused.hint}`, /does not take the unit: .*Refusing.*still in place/)
  const told = planned.settle(
    { stdout: "x.service:3: Unknown key 'Foo', ignoring.\nx.service:2: Capabilities= is ignored\n" },
    {},
    {},
  )
  assert.equal(told.warnings, ["x.service:3: Unknown key 'Foo', ignoring."])
})

test('what is no unit, and a host that systemd does not run, are errors', async () => {
  assert.match((await of(none, { state: 'started' })).failed ?? '', /there is no unit x.service/)
  assert.match((await of(none, { unit: { Service: { ExecStart: ['a', { b: 1 }] } } })).failed ?? '', /ExecStart/)
  assert.ok((await of(none, { name: 'a b', state: 'started' })).invalid.length > 0)
  assert.match((await of(none, {}, {}, { facts: { service_manager: 'openrc' } })).failed ?? '', /openrc/)
  const template = { ...none, name: 'x@.service' }
  assert.match((await of(template, { name: 'x@', content: text, state: 'started' })).failed ?? '', /is a template/)
})

test.run()
