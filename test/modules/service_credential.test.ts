import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { credentialMark, encryptedCredential, type Unit, unit } from '../../src/module.ts'
import { type Given, plan, scriptOf } from './plan.ts'
import { directory, file } from './world.ts'

const running: Unit = {
  ...{ name: 'vault.service', load: 'loaded', active: 'active', sub: 'running', enabled: 'enabled', fragment: '' },
  ...{
    dropIns: [],
    needsReload: false,
    type: 'simple',
    remainsAfterExit: false,
    startedAt: 1000,
    pulls: [],
    pulledBy: [],
  },
  aliases: undefined,
}
const none: Unit = { ...running, load: 'not-found', active: 'inactive', sub: 'dead', enabled: '', startedAt: 0 }
const path = '/etc/credstore/vault.hsm-pin'
const dropIn = '/etc/systemd/system/vault.service.d/credential-hsm-pin.conf'
const of = (params: object = {}, given: Given = {}, now: Unit = running) =>
  plan(
    'service_credential',
    { service: 'vault', name: 'hsm-pin', value: '47110815', ...params },
    { host: { '/etc/systemd/system': directory() }, answers: [[unit('vault.service'), now]], ...given },
  )
const bytesOf = ({ plan: made }: Awaited<ReturnType<typeof of>>, at: string) =>
  made!.steps.find((s) => s.file?.path === at)!.file!.bytes.toString()

test('a credential: a file of root alone, and a drop-in', async () => {
  const made = await of()
  assert.equal(made.steps, [
    'create directory /etc/credstore',
    `create ${path} (8 bytes)`,
    'create directory /etc/systemd/system/vault.service.d',
    `create ${dropIn} (131 bytes)`,
    'systemctl daemon-reload',
  ])
  assert.equal(made.again, [])
  assert.is(
    bytesOf(made, dropIn),
    '# written by runbook (service_credential)\n[Service]\nLoadCredential=hsm-pin:/etc/credstore/vault.hsm-pin\nRestartPreventExitStatus=1\n',
  )
  assert.equal(made.result, {
    ...{ state: 'present', method: 'credential', path, drop_in: dropIn },
    ...{ file: '/run/credentials/vault.service/hsm-pin', url: 'file:///run/credentials/vault.service/hsm-pin' },
  })
  assert.ok(made.plan!.steps.every((s) => !s.diff?.after?.includes('4711')))
  assert.not.match(made.plan!.steps.map(scriptOf).join(), /4711/)
  assert.not.match(bytesOf(await of({ once: false }), dropIn), /RestartPrevent/)
})

test('what is so already stays, with a unit that is there and one that is not', async () => {
  for (const now of [running, none]) {
    const made = await of({}, {}, now)
    const host = { [path]: file('47110815', { mode: 0o600 }), [dropIn]: file(bytesOf(made, dropIn)) }
    assert.equal((await of({}, { host }, now)).steps, [])
    assert.equal((await of({ value: 'other' }, { host }, now)).steps, [`replace ${path} (5 bytes)`])
  }
})

test('a newline at the end is left out, and the rest is the secret that nobody is shown', async () => {
  const made = await of({ value: '47110815\n' })
  assert.is(bytesOf(made, path), '47110815')
  assert.ok(made.secrets.includes('47110815'))
  assert.is(bytesOf(await of({ value: 'a\nb\n' }), path), 'a\nb')
  assert.match((await of({ value: '\n' })).failed!, /is empty/)
  assert.match((await of({ value: ' 4711' })).warnings.join(), /white space/)
})

/** What systemd makes of a line of an EnvironmentFile that is in double quotes. */
const unquoted = (line: string) => /^\w+="(.*)"\n$/s.exec(line)![1]!.replace(/\\(["\\`$])/g, '$1')

test('in the environment where systemd is older or the author says so', async () => {
  const old = { facts: { systemd_version: 245 } }
  assert.match((await of({}, old)).failed!, /which variable/)
  assert.match((await of({ method: 'credential' }, old)).failed!, /came with 247/)
  const made = await of({ environment: 'VAULT_HSM_PIN' }, old)
  assert.is(bytesOf(made, path), 'VAULT_HSM_PIN="47110815"\n')
  assert.match(bytesOf(made, dropIn), /^EnvironmentFile=\/etc\/credstore\/vault\.hsm-pin$/m)
  assert.equal([made.result.method, made.result.url], ['environment', undefined])
  assert.match((await of({ environment: 'X', value: 'a\nb' }, old)).failed!, /several lines/)
  await fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1, unit: 'binary' }).filter((s) => !/[\0\r\n]/.test(s)),
      async (value) => {
        assert.is(unquoted(bytesOf(await of({ environment: 'X', value, method: 'environment' }), path)), value)
      },
    ),
    { numRuns: 100 },
  )
})

const sealedPath = '/etc/credstore.encrypted/vault.hsm-pin'
const sealed = (value: string | undefined, params: object = {}, host: Given['host'] = {}, systemd_version = 252) =>
  of(
    { encrypted: true, ...params },
    {
      facts: { systemd_version },
      host: { '/etc/systemd/system': directory(), ...host },
      answers: [
        [unit('vault.service'), running],
        [
          encryptedCredential(sealedPath, 'hsm-pin'),
          value === undefined ? undefined : credentialMark(Buffer.from(value)),
        ],
      ],
    },
  )

test('encrypted: made anew only where something else is in it', async () => {
  const made = await sealed(undefined)
  assert.equal(made.steps, [
    'create directory /etc/credstore.encrypted',
    `create ${sealedPath}, encrypted with the host's key`,
    'create directory /etc/systemd/system/vault.service.d',
    `create ${dropIn} (150 bytes)`,
    'systemctl daemon-reload',
  ])
  assert.equal(made.again, [])
  assert.match(bytesOf(made, dropIn), /^LoadCredentialEncrypted=hsm-pin:\/etc\/credstore\.encrypted\/vault\.hsm-pin$/m)
  assert.not.match(made.plan!.steps.map(scriptOf).join(), /4711/)
  const host = { [sealedPath]: file('text', { mode: 0o600 }), [dropIn]: file(bytesOf(made, dropIn)) }
  assert.equal((await sealed('47110815', {}, host)).steps, [])
  assert.equal((await sealed('other', {}, host)).steps, [`replace ${sealedPath}, encrypted with the host's key`])
  // the plain one does not stay
  const both = { ...host, [path]: file('47110815', { mode: 0o600 }) }
  assert.equal((await sealed('47110815', {}, both)).steps, [`remove ${path}`])
  assert.equal((await sealed('47110815', { state: 'absent' }, both)).steps, [
    ...[`remove ${dropIn}`, `remove ${sealedPath}`, `remove ${path}`, 'systemctl daemon-reload'],
  ])
  assert.match((await sealed(undefined, {}, {}, 249)).failed!, /came with 250/)
  assert.match((await sealed(undefined, { method: 'environment' })).failed!, /is not encrypted/)
})

test('what cannot be is said', async () => {
  assert.match((await of({}, { facts: { uid: 1000 } })).hint!, /become/)
  assert.match((await of({}, { facts: { service_manager: 'openrc' } })).failed!, /openrc/)
  assert.match((await of({ path: '/a b' })).failed!, /no path that a unit can name/)
  assert.match((await of({ path: '/a%n' })).failed!, /no path that a unit can name/)
  assert.ok((await of({ name: '..' })).invalid.length > 0)
  const theirs = {
    host: { '/etc/vault.d': directory({ uid: 998, owner: 'vault' }), '/etc/systemd/system': directory() },
  }
  assert.match((await of({ path: '/etc/vault.d/pin' }, theirs)).warnings.join(), /is vault's, who can put another file/)
})

test('absent takes both files away', async () => {
  const host = { [path]: file('x'), [dropIn]: file('x') }
  const { steps, again } = await of({ state: 'absent' }, { host })
  assert.equal(steps, [`remove ${dropIn}`, `remove ${path}`, 'systemctl daemon-reload'])
  assert.equal(again, [])
})

test.run()
