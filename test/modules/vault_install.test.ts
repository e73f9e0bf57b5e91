import { deflateRawSync, gunzipSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readArchive } from '../../src/formats/archive.ts'
import { account, capabilities, group, hashOf, type Read } from '../../src/module.ts'
import { tarOf, zipOf } from '../formats/make-archive.ts'
import { type Given, plan, scriptOf } from './plan.ts'
import { directory, file } from './world.ts'

const program = (version: string) => `program ${version} ${'x'.repeat(500)}`
const zip = (version: string, name = 'vault') => zipOf([{ name, mode: 0o755, body: program(version) }])
const path = '/usr/local/bin/vault'
const vault = { name: 'vault', uid: 998, gid: 998, comment: '', home: '/etc/vault.d', shell: '/bin/false' }

const answers: readonly (readonly [Read, unknown])[] = [
  [account('vault'), { ...vault, groups: [], group: 'vault', password: undefined, expires: undefined }],
  [group('vault'), { name: 'vault', gid: 998, members: [] }],
]
const bare: Given = {
  host: { '/usr/local/bin': directory() },
  answers: [
    [account('vault'), undefined],
    [group('vault'), undefined],
    [capabilities(path), ''],
  ],
  outputs: () => ({ status: 127 }),
}
const having = (
  version: string,
  capability = 'cap_ipc_lock=ep',
  said = `Vault v${version} (abc), built 2023`,
): Given => ({
  host: { [path]: file(program(version), { mode: 0o755 }) },
  answers: [...answers, [capabilities(path), capability]],
  outputs: () => ({ stdout: `${said}\n` }),
})
const name = (version: string) => `vault_${version}_linux_amd64.zip`
const wants = (version: string, params: object = {}, given: Given = bare) =>
  plan(
    'vault_install',
    { src: name(version), ...params },
    { ...given, files: { [name(version)]: zip(version), ...given.files } },
  )

test('on a bare host: user, program, capability', async () => {
  const { steps, again, result, settle: _, plan: made } = await wants('1.15.0+ent.hsm')
  assert.equal(steps, [
    'add group vault',
    'add user vault',
    `create ${path} (523 bytes)`,
    `set capabilities cap_ipc_lock=ep (was none) of ${path}`,
  ])
  assert.equal(again, [])
  assert.equal(
    [result.version, result.release, result.edition, result.hsm, result.reads_pin_file],
    ['1.15.0+ent.hsm', '1.15.0', 'ent.hsm', true, false],
  )
  const ends = steps.map(() => ({
    outcome: 'done' as const,
    status: 0,
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
    ms: 0,
  }))
  const said = { ...ends[2]!, stdout: Buffer.from('Vault v1.15.0+ent.hsm (abc), built 2023\n') }
  assert.is(made!.afterwards!([...ends.slice(0, 2), said, ends[3]!]).product, 'Vault')
})

test('what is as it should be stays', async () => {
  const { steps, result } = await wants('1.15.0', {}, having('1.15.0'))
  assert.equal(steps, [])
  assert.equal([result.product, result.hsm, result.path], ['Vault', false, path])
})

test('of what is there only what differs is set', async () => {
  assert.equal((await wants('1.15.0', {}, having('1.15.0', ''))).steps, [
    `set capabilities cap_ipc_lock=ep (was none) of ${path}`,
  ])
  assert.equal((await wants('1.15.0', { capability: '' }, having('1.15.0'))).steps, [
    `set capabilities none (was cap_ipc_lock=ep) of ${path}`,
  ])
  // a change of owner takes capabilities away
  const { steps, again } = await wants('1.15.0', { owner: 'vault' }, having('1.15.0'))
  assert.equal(steps, [
    `set owner vault (was root) of ${path}`,
    `set capabilities cap_ipc_lock=ep (was none) of ${path}`,
  ])
  assert.equal(again, [])
  assert.equal(
    (await wants('1.15.0', { user: '', capability: '' }, { ...bare, answers: [[capabilities(path), undefined]] }))
      .steps,
    [`create ${path} (515 bytes)`],
  )
})

test('upgrades go, downgrades are refused', async () => {
  const up = await wants('1.15.1', {}, having('1.15.0'))
  assert.match(up.steps.join(), /^replace /)
  const down = await wants('1.15.0', {}, having('1.15.1'))
  assert.match(down.failed!, /1\.15\.0 is older than 1\.15\.1/)
  assert.match((await wants('1.16.0', {}, having('1.15.0+ent.hsm'))).failed!, /lacks what 1\.15\.0\+ent\.hsm has/)
  assert.match((await wants('1.15.0', { allow_downgrade: true }, having('1.15.1'))).steps.join(), /^replace /)
  // what cannot say what it is protects nothing
  assert.match((await wants('1.15.0', {}, having('1.15.1', '', 'Segmentation fault'))).steps.join(), /^replace /)
})

test('completion is opted into', async () => {
  const { steps, again, plan: made } = await wants('1.15.0', { completion: true }, having('1.15.0'))
  assert.equal(steps, [
    'create directory /etc',
    'create directory /etc/bash_completion.d',
    'create /etc/bash_completion.d/vault (39 bytes)',
  ])
  assert.equal(again, [])
  assert.match(String(made!.steps[2]!.diff!.after), /^complete -C \/usr\/local\/bin\/vault vault\n$/)
  const line = 'complete -C /usr/local/bin/vault vault\n'
  const host = { ...having('1.15.0').host, '/etc/bash_completion.d/vault': file(line, { mode: 0o644 }) }
  assert.equal((await wants('1.15.0', { completion: true }, { ...having('1.15.0'), host })).steps, [])
  assert.equal((await wants('1.15.0', {}, having('1.15.0'))).steps, [])
})

test('an upgrade is what tasks behind it are told of', async () => {
  const { result } = await wants('1.15.1', {}, having('1.15.0'))
  assert.equal([result.release, result.version, result.edition], ['1.15.1', '1.15.1', ''])
})

test('a release that has no such storage does not take the place of one that has', async () => {
  const bao = (version: string, storage: object) => {
    const src = `bao_${version}_linux_amd64.zip`
    const given = { ...bare, answers: [...bare.answers!, [capabilities('/usr/local/bin/bao'), ''] as const] }
    return plan('vault_install', { src, storage }, { ...given, files: { [src]: zip(version, 'bao') } })
  }
  assert.match(
    (await bao('2.7.2', { file: { path: '/d' } })).failed!,
    /OpenBao 2\.7\.2 has no storage `file`: it would not/,
  )
  assert.match((await bao('2.6.2', { consul: {} })).failed!, /no storage `consul`/)
  assert.is((await bao('2.6.2', { file: { path: '/d' } })).failed, undefined)
  assert.is((await bao('2.7.2', { raft: { path: '/d' } })).failed, undefined)
  assert.is((await wants('1.15.0', { storage: { consul: {} } })).failed, undefined)
})

test('another product has to be allowed', async () => {
  const beside = { ...bare, host: { '/usr/local/bin/bao': file('x', { mode: 0o755 }) } }
  assert.match((await wants('1.15.0', {}, beside)).failed!, /vault would be installed: \/usr\/local\/bin\/bao is there/)
  assert.is((await wants('1.15.0', { allow_downgrade: true }, beside)).failed, undefined)
  const step = (await wants('2.7.2', {}, having('1.15.0'))).plan!.steps[0]!
  assert.match(scriptOf(step), /test "\$a" = 'Vault'/)
  const allowed = (await wants('2.7.2', { allow_downgrade: true }, having('1.15.0'))).plan!.steps[0]!
  assert.not.match(scriptOf(allowed), /test "\$a"/)
})

test('an archive that is damaged inside is told as such', async () => {
  const whole = zip('1.15.0')
  const at = whole.indexOf('vault') + 10
  const torn = Buffer.concat([whole.subarray(0, at), Buffer.from([whole[at]! ^ 0xff]), whole.subarray(at + 1)])
  const { failed } = await wants('1.15.0', {}, { ...bare, files: { [name('1.15.0')]: torn } })
  assert.match(failed ?? '', /linux_amd64\.zip: the archive is damaged: vault cannot be unpacked/)
})

test('what an archive is for, and what it holds', async () => {
  const failed = async (params: object, files: Record<string, Buffer>) =>
    (await plan('vault_install', params, { ...bare, files })).failed
  const arm = 'vault_1.15.0_linux_arm64.zip'
  assert.match((await failed({ src: arm }, { [arm]: zip('1') }))!, /is for aarch64, the host is x86_64/)
  assert.match((await failed({ src: 'vault.zip' }, { 'vault.zip': zip('1') }))!, /does not say which version/)
  assert.match(
    (await failed({ src: name('1.2.3') }, { [name('1.2.3')]: zip('1', 'consul') }))!,
    /holds no vault or bao/,
  )
  const both = zipOf(['vault', 'bao'].map((n) => ({ name: n, body: n })))
  assert.match(
    (await failed({ src: name('1.2.3') }, { [name('1.2.3')]: both }))!,
    /holds vault and bao|holds bao and vault/,
  )
  assert.match(
    (await failed({ src: name('1.2.3') }, { [name('1.2.3')]: Buffer.from('no zip') }))!,
    /no archive|neither|is no/,
  )
  assert.match((await failed({ src: 'none' }, {}))!, /there is no none on the controller/)
  assert.match((await failed({ src: name('1.2.3'), version: 'one' }, { [name('1.2.3')]: zip('1') }))!, /is no version/)
})

test('a tar is taken too, and what a name does not say is said', async () => {
  const tar = gzipSync(tarOf([{ name: 'bin/bao', mode: 0o755, body: program('2.7.2') }]))
  const at = '/usr/local/bin/bao'
  const given = {
    ...bare,
    answers: [...bare.answers!, [capabilities(at), '']] as NonNullable<Given['answers']>,
    files: { 'x.tar.gz': tar },
  }
  const { steps, again } = await plan('vault_install', { src: 'x.tar.gz', version: '2.7.2', user: '' }, given)
  assert.match(steps[0]!, /create \/usr\/local\/bin\/bao/)
  assert.equal(again, [])
})

test('a zip hands its program on as it is packed', () => {
  const body = program('1')
  const [packed] = readArchive(zipOf([{ name: 'vault', body }]))
  assert.is(gunzipSync(packed!.gzip!).toString(), body)
  assert.ok(packed!.gzip!.includes(deflateRawSync(body)))
  const [stored] = readArchive(zipOf([{ name: 'vault', body, stored: true }]))
  assert.is(stored!.gzip, undefined)
})

test('an URL needs something that vouches for it; what is installed is not fetched again', async () => {
  const url = 'https://user:secret@x.example/vault_1.15.0_linux_amd64.zip?key=secret'
  assert.match((await plan('vault_install', { url }, bare)).failed!, /needs `checksum` or `checksums`/)
  const checksum = hashOf(zip('1.15.0'))
  const { steps, plan: made } = await plan('vault_install', { url, checksum }, bare)
  assert.is(steps[2], `create ${path} from https://x.example/vault_1.15.0_linux_amd64.zip`)
  assert.not.match(scriptOf(made!.steps[2]!), /secret/)
  assert.equal((await plan('vault_install', { url, checksum }, having('1.15.0+ent.hsm'))).steps, [])
  assert.match((await plan('vault_install', { url: 'ftp://x', checksum }, bare)).invalid.join(), /url|match/i)
  for (const wrong of [
    { checksum: '' },
    { checksum: 'sha256:' },
    { checksum, fingerprint: '' },
    { fingerprint: '89ABCDEF' },
  ])
    assert.is(
      (await plan('vault_install', { url: 'https://x/vault_1.15.0_linux_amd64.zip', ...wrong }, bare)).invalid.length,
      1,
    )
})

test('an archive of the host is looked at only where it is needed', async () => {
  const src = `/srv/${name('1.15.0')}`
  const host = { ...bare.host, [src]: file(zip('1.15.0')) }
  const checksum = hashOf(zip('1.15.0'))
  const { steps } = await plan('vault_install', { src, remote_src: true, checksum }, { ...bare, host })
  assert.is(steps[2], `create ${path} from ${src}`)
  const wrong = await plan(
    'vault_install',
    { src, remote_src: true, checksum: checksum.replace(/^./, (c) => (c === '0' ? '1' : '0')) },
    { ...bare, host },
  )
  assert.match(wrong.failed!, /the checksum of/)
  assert.match(
    (
      await plan(
        'vault_install',
        { src: '/none_1.2.3.zip', remote_src: true, binary: 'bao' },
        {
          ...bare,
          answers: [...bare.answers!, [capabilities('/usr/local/bin/bao'), '']],
        },
      )
    ).failed!,
    /there is no file/,
  )
  assert.equal((await plan('vault_install', { src, remote_src: true }, having('1.15.0'))).steps, [])
})

test('what cannot be read is said', async () => {
  const noTools = {
    ...bare,
    answers: [...bare.answers!.slice(0, 2), [capabilities(path), undefined]] as NonNullable<Given['answers']>,
  }
  assert.match((await wants('1.15.0', {}, noTools)).hint!, /libcap2-bin/)
  assert.match((await wants('1.15.0', { capability: 'ipc lock' })).failed!, /is no capability/)
  assert.match((await wants('1.15.0', { signature: 'x.sig' })).failed!, /needs `checksums`/)
  const told = await wants('1.15.0', {}, { ...having('1.15.0'), outputs: () => ({ status: 126 }) })
  assert.match(told.warnings.join(), /cannot be run/)
})

test.run()
