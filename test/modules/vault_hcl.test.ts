import { parse } from '@cdktf/hcl2json'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Given, plan, scriptOf } from './plan.ts'
import { directory, file } from './world.ts'

const path = '/etc/vault.d/vault.hcl'
/** What the programs of servers on the host say of themselves. */
const saying = (programs: Readonly<Record<string, string>>): Given => ({
  outputs: (argv) => ({
    stdout: argv.flatMap((path) => (programs[path] === undefined ? [] : `\u0001${path}\n${programs[path]}\n`)).join(''),
  }),
})
const enterprise = saying({ '/usr/local/bin/vault': 'Vault v1.20.0+ent.hsm (ab12), built 2025-06-23' })
const of = (params: object, given: Given = {}) =>
  plan('vault_hcl', params, { host: { '/etc/vault.d': directory() }, diff: true, ...enterprise, ...given })

const guide = {
  seal: {
    pkcs11: { lib: '/l.so', slot: '0', key_label: 'hsm_demo', hmac_key_label: 'hsm_hmac_demo', generate_key: 'true' },
  },
  entropy: { seal: { mode: 'augmentation' } },
  storage: { file: { path: '/var/lib/vault' } },
  listener: [{ tcp: { address: '127.0.0.1:8200', tls_disable: 'true' } }, { tcp: { address: '0.0.0.0:8300' } }],
  telemetry: { disable_hostname: true },
  api_addr: 'http://127.0.0.1:8200',
  cluster_addr: 'https://127.0.0.1:8201',
  ui: true,
  disable_mlock: true,
  plugin_directory: '/p',
  settings: { max_lease_ttl: '768h' },
  stanzas: [{ type: 'service_registration', labels: ['kubernetes'], body: { namespace: 'x' } }],
}

test('every parameter is in the file, as HCL that its own parser reads', async () => {
  const { plan: planned, steps, again, warnings } = await of(guide)
  assert.match(steps.join(), /^create \/etc\/vault.d\/vault.hcl/)
  assert.equal([again, warnings], [[], []])
  assert.match(scriptOf(planned!.steps[0]!), /chmod 00640/)
  assert.equal(JSON.parse(JSON.stringify(await parse('v.hcl', planned!.steps[0]!.diff!.after!.toString()))), {
    api_addr: 'http://127.0.0.1:8200',
    cluster_addr: 'https://127.0.0.1:8201',
    ui: true,
    disable_mlock: true,
    plugin_directory: '/p',
    max_lease_ttl: '768h',
    listener: { tcp: [{ address: '127.0.0.1:8200', tls_disable: 'true' }, { address: '0.0.0.0:8300' }] },
    storage: { file: [{ path: '/var/lib/vault' }] },
    seal: { pkcs11: [guide.seal.pkcs11] },
    entropy: { seal: [{ mode: 'augmentation' }] },
    telemetry: [{ disable_hostname: true }],
    service_registration: { kubernetes: [{ namespace: 'x' }] },
  })
})

test('the traps of the guide are told, wherever they stand', async () => {
  const told = async (params: object) => (await of(params)).warnings.map((w) => w.split(' ').slice(0, 4).join(' '))
  for (const at of ['/tmp/vault', '/var/tmp', '/tmp'])
    assert.equal(await told({ storage: { file: { path: at } } }), [`storage at ${at}: with`])
  const raft = { raft: { path: '/tmpfs/x' } }
  const cluster_addr = 'https://127.0.0.1:8201'
  // a server looks for it outside of its stanza
  for (const storage of [raft, { raft: { ...raft.raft, cluster_addr } }])
    assert.equal(await told({ storage }), ['raft without `cluster_addr`: the'])
  for (const given of [{ cluster_addr }, { settings: { cluster_addr } }])
    assert.equal(await told({ storage: raft, ...given }), [])
  for (const address of ['0.0.0.0:8200', '[::]:8200', ':8200'])
    for (const tls_disable of [true, 'true', 1, '1'])
      assert.equal(await told({ listener: [{ tcp: { address, tls_disable } }] }), [`the listener at ${address}`])
  assert.equal(await told({ listener: [{ tcp: { address: '0.0.0.0:8200', tls_disable: false } }] }), [])
  assert.equal(await told({ listener: [{ tcp: { address: '127.0.0.1:8200', tls_disable: true } }] }), [])
  assert.equal(await told({ seal: { pkcs11: { pin: '1' } } }), ['the PIN stands in'])
  for (const [api_addr, tls_disable, warned] of [
    ['http://x:8200', true, false],
    ['https://x:8200', false, false],
    ['http://x:8200', false, true],
    ['https://x:8200', true, true],
  ]) {
    const listener = [{ tcp: { address: '127.0.0.1:8200', tls_disable } }]
    assert.equal(await told({ api_addr, listener }), warned ? [`api_addr is ${api_addr}, and`] : [])
    const second = [...listener, { tcp: { address: '127.0.0.1:8300', tls_disable: !tls_disable } }]
    assert.equal(await told({ api_addr, listener: second }), [])
  }
  const stanza = { type: 'storage', labels: ['file'], body: { path: '/tmp/x' } }
  assert.equal(await told({ stanzas: [stanza] }), ['storage at /tmp/x: with'])
})

test('a PIN, a token, a password is shown nowhere', async () => {
  const shown = async (params: object, before = '') => {
    const { plan: planned, secrets, ...rest } = await of(params, { host: { [path]: file(before) } })
    for (const { diff } of planned?.steps ?? []) assert.not.match(`${diff?.before ?? ''}${diff?.after ?? ''}`, /CANARY/)
    assert.not.match(JSON.stringify([rest, planned?.result]), /CANARY/)
    return [...new Set(secrets)]
  }
  assert.equal(await shown({ seal: { pkcs11: { pin: 'CANARY' } } }), ['CANARY'])
  assert.equal(await shown({ storage: { consul: { token: 'CANARY' } } }), ['CANARY'])
  assert.equal(await shown({ stanzas: [{ type: 'x', body: { deep: [{ client_secret: 'CANARY' }] } }] }), ['CANARY'])
  for (const name of ['connection_url', 'current_key', 'accountKey', 'leader_client_key', 'auth_info'])
    assert.equal(await shown({ stanzas: [{ type: 'x', body: { [name]: 'CANARY' } }] }), ['CANARY'])
  assert.equal(await shown({ ui: true }, 'seal "pkcs11" {\n  pin = "CANARY"\n}\n'), [])
  assert.equal((await of(guide)).secrets, [])
})

test('a diff shows all but the secrets, whoever wrote the file', async () => {
  const diff = async (params: object, before: string) => {
    const { plan: planned } = await of(params, { host: { [path]: file(before) } })
    return planned!.steps[0]!.diff && `${planned!.steps[0]!.diff.before}${planned!.steps[0]!.diff.after}`
  }
  const byFile = { seal: { pkcs11: { pin: 'file:///run/pin', slot: '0' } } }
  assert.match(
    (await diff(byFile, 'ui = true # token: CANARY\n'))!,
    /ui = true # token: \*{8}\n[\s\S]*"file:\/\/\/run\/pin"/,
  )
  const json = '{"ui": true, "seal": {"pkcs11": {"pin": "CANARY", "slot": 0}}}\n'
  assert.match((await diff(byFile, json))!, /^\{"ui": true, "seal": \{"pkcs11": \{"pin": \*{8}\n/)
  const both = await diff({ seal: { pkcs11: { pin: 'CANARY', slot: '0' } } }, 'pin = "file:///x" token = "CANARY"\n')
  assert.match(both!, /^pin = \*{8}\n[\s\S]*pin += \*{8}\n[\s\S]*slot += "0"/)
  assert.not.match(both!, 'CANARY')
  for (const open of ['pin = <<E\nCANARY\nE\n', 'secret = [\n"CANARY"]', 'token =\n "CANARY"'])
    assert.is(await diff({ ui: true }, open), undefined, open)
})

test('what cannot be written is an error', async () => {
  assert.match((await of({ storage: { file: '/x' } })).failed ?? '', /`storage.file` has to be a mapping/)
  for (const storage of [{ raft: {} }, { file: { path: '' } }])
    assert.match((await of({ storage })).failed ?? '', /`storage\.\w+` has no `path`: the server would not start/)
  assert.match((await of({ ui: true, settings: { ui: false } })).failed ?? '', /`ui` is given twice/)
  assert.match((await of({ settings: { 'a b': 1 } })).failed ?? '', /cannot be a name/)
  assert.match((await of({ settings: { a: [null] } })).failed ?? '', /no way to write null/)
  assert.match((await of({ ui: true }, { host: {} })).failed ?? '', /the directory \/etc\/vault.d does not exist/)
})

test('nothing is changed where all is so', async () => {
  const after = (await of(guide)).plan!.steps[0]!.diff!.after!
  assert.equal((await of(guide, { host: { [path]: file(after, { mode: 0o640 }) } })).steps, [])
  assert.equal((await of(guide, { host: { [path]: file(after) } })).steps, [`set mode 0640 (was 0644) of ${path}`])
})

test('a server does not lose its data for another storage', async () => {
  const old = 'storage "file" {\n  path = "/old/"\n}\n'
  const to = async (storage: object, ...marks: string[]) => {
    const host = { [path]: file(old), ...Object.fromEntries(marks.map((m) => [m, file('x')])) }
    return (await of({ storage }, { host })).failed ?? ''
  }
  const why = /keeps its data in \/old \(file\), and would get a storage of .*: it would start empty/
  assert.match(await to({ file: { path: '/new' } }, '/old/core'), why)
  assert.match(await to({ raft: { path: '/old' } }, '/old/core'), why)
  assert.match(await to({ consul: { address: 'x' } }, '/old/core'), why)
  assert.is(await to({ file: { path: '/old' } }, '/old/core'), '')
  assert.is(await to({ file: { path: '/new' } }), '', 'nothing is there yet')
  assert.is(await to({ file: { path: '/new' } }, '/old/core', '/new/core'), '', 'it was brought there')
})

test('what the program would ignore is a failure, before anything is written', async () => {
  const failed = async (params: object, program: object) => (await of({ ...params, program })).failed ?? ''
  const bao = { product: 'OpenBao', release: '2.7.2' }
  const hsmBuild = { product: 'Vault', edition: 'ent.hsm', release: '1.15.0' }
  const guide = {
    seal: { pkcs11: { lib: '/l.so', slot: '0', key_label: 'a', hmac_key_label: 'b', generate_key: 'true' } },
    entropy: { seal: { mode: 'augmentation' } },
  }
  assert.is(await failed(guide, hsmBuild), '')
  assert.is(
    await failed(guide, bao),
    [
      'OpenBao 2.7.2 has no pkcs11 seal of its own: without a stanza `plugin "kms" "pkcs11"` it would not start',
      'OpenBao 2.7.2 has no `hmac_key_label` in its pkcs11 seal: it would ignore it and say nothing',
      'OpenBao 2.7.2 has no `generate_key` in its pkcs11 seal: it would ignore it and say nothing',
      'OpenBao 2.7.2 has no entropy augmentation: it would ignore the stanza `entropy` and say nothing',
    ].join('; '),
  )
  assert.match(await failed(guide, { product: 'Vault', release: '1.15.0' }), /has no seal for an HSM.*no entropy/)
  assert.match(await failed({ seal: { pkcs11: { lib: '/l.so', pim: 'x' } } }, hsmBuild), /no `pim` in its pkcs11 seal/)
  const byFile = { seal: { pkcs11: { lib: '/l.so', key_label: 'a', hmac_key_label: 'b', pin: 'file:///run/pin' } } }
  assert.match(await failed(byFile, { ...hsmBuild, release: '1.5.0' }), /^Vault 1\.5\.0 \(ent\.hsm\) takes `pin` as it/)
  for (const release of ['1.19.0', '1.20.1']) assert.is(await failed(byFile, { ...hsmBuild, release }), '')
  assert.is(
    await failed({ seal: { pkcs11: { lib: '/l.so', pin: 'file:///run/pin' } } }, { ...bao, edition: 'hsm' }),
    '',
  )
  assert.match(await failed({ storage: { file: { path: '/d' } } }, bao), /no storage `file`/)
  assert.is(await failed({ storage: { file: { path: '/d' } } }, { ...bao, release: '2.6.2' }), '')
  assert.match(await failed({ stanzas: [{ type: 'lisener' }] }, bao), /knows no stanza `lisener`/)
  assert.match(await failed({ disable_mlock: false }, bao), /it would not start/)
  const plugin = { type: 'plugin', labels: ['kms', 'pkcs11'], body: { command: 'x' } }
  const seal = { pkcs11: { lib: '/l.so', slot: '0', key_label: 'a' } }
  assert.is(await failed({ seal, stanzas: [plugin], plugin_directory: '/p' }, bao), '')
  assert.is(await failed({ seal }, { ...bao, edition: 'hsm' }), '')
  assert.match(await failed({ seal }, bao), /no pkcs11 seal of its own/)
  assert.is(await failed({ seal }, { ...bao, release: '2.5.4' }), '')
  assert.match(await failed({ seal, stanzas: [plugin] }, bao), /from `plugin_directory`: without one/)
  // by the other door
  assert.match(await failed({ settings: { disable_mlock: false } }, bao), /it would not start/)
  assert.match(await failed({ settings: { entropy: { seal: { mode: 'x' } } } }, bao), /no entropy augmentation/)
  assert.match(await failed({ settings: { seal: { pkcs11: { generate_key: 'true' } } } }, bao), /no `generate_key`/)
  assert.is(await failed({ settings: { log_level: 'info', listener: { tcp: { address: 'x' } } } }, bao), '')
})

test('which program will read it is found out', async () => {
  const bao = 'OpenBao v2.7.2 (9e0a), committed 2026-10-26'
  const entropy = { entropy: { seal: { mode: 'augmentation' } } }
  const on = (programs: Readonly<Record<string, string>>, program?: object) =>
    of({ ...entropy, ...(program ? { program } : {}) }, saying(programs))
  assert.match((await on({ '/usr/local/bin/bao': bao })).failed!, /^OpenBao 2\.7\.2 has no entropy augmentation/)
  assert.match(
    (await on({ '/usr/bin/vault': 'Vault v1.15.0' })).failed!,
    /^Vault 1\.15\.0 \(community\) has no entropy/,
  )
  assert.match((await on({ '/opt/bao': bao }, { path: '/opt/bao' })).failed!, /^OpenBao 2\.7\.2 has no entropy/)
  const two = { '/usr/local/bin/vault': 'Vault v1.15.0+ent.hsm', '/usr/bin/bao': bao }
  assert.match((await on(two)).warnings.join(), /there are \/usr\/local\/bin\/vault and \/usr\/bin\/bao; name one/)
  assert.equal((await on({ ...two, '/usr/bin/bao': two['/usr/local/bin/vault'] })).warnings, [], 'one and the same')
  assert.match((await on({})).warnings.join(), /was not looked for: there is no vault and no bao/)
  assert.match(
    (await on({ '/opt/x': 'Consul v1.2.3' }, { path: '/opt/x' })).warnings.join(),
    /\/opt\/x is not there, or/,
  )
  const checked = await of({ storage: { inmem: {} } }, saying({ '/usr/bin/bao': bao }))
  assert.match(scriptOf(checked.plan!.steps[0]!), /validate-config[\s\S]*\/usr\/bin\/bao/)
})

test.run()
