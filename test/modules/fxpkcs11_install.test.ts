import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashOf, output } from '../../src/module.ts'
import { type Entry, tarOf, zipOf } from '../formats/make-archive.ts'
import { type Given, plan } from './plan.ts'
import { directory, file } from './world.ts'

const build = (directory: string, tools = true): Entry[] => [
  { name: `${directory}/libfxpkcs11.so`, mode: 0o755, body: directory },
  ...(tools ? ['configTest', 'PKCS11Manager'].map((n) => ({ name: `${directory}/${n}`, mode: 0o755 })) : []),
]
const layout: Entry[] = [
  { name: 'fxpkcs11/fxpkcs11.cfg', body: '<HSM>\n</HSM>\n' },
  ...['x86', 'x64'].flatMap((a) => ['OpenSSL-1.0.x', 'OpenSSL-1.1.x'].flatMap((o) => build(`fxpkcs11/${a}/${o}`))),
]
const archive = gzipSync(tarOf(layout))
const bin = { '/usr/local/bin': directory(), '/etc': directory() }
const library = '/usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/libfxpkcs11.so'

const ldd = (path: string, stdout: string, status = 0) =>
  [output(['ldd', path], {}, [path]), { status, stdout: Buffer.from(stdout), stderr: '' }] as const
const everyLdd = (found: string, status = 0) =>
  ['x86', 'x64'].flatMap((a) =>
    ['OpenSSL-1.0.x', 'OpenSSL-1.1.x', 'openssl-1.1.x', 'OpenSSL-3.x'].flatMap((o) =>
      ['/usr/local/bin', '/opt/fx'].map((d) => ldd(`${d}/fxpkcs11/${a}/${o}/libfxpkcs11.so`, found, status)),
    ),
  )

const of = (params: object, given: Given = {}) =>
  plan(
    'fxpkcs11_install',
    { src: 'fx.tar.gz', ...params },
    {
      files: { 'fx.tar.gz': archive },
      host: bin,
      answers: everyLdd('libc.so.6 => /lib/libc.so.6\n'),
      facts: { openssl_version: '1.1.1w' },
      ...given,
    },
  )

const installed = {
  ...bin,
  '/etc/fxpkcs11.cfg': 'mine',
  ...Object.fromEntries(
    layout.map(({ name, body, mode }) => [
      `/usr/local/bin/${name}`,
      file(Buffer.from(body ?? ''), { mode: mode ?? 0o644 }),
    ]),
  ),
}

test('the build of the host is installed, the configuration placed, the real paths are the result', async () => {
  const { steps, again, result, warnings } = await of({})
  // what ldd says of it is known when it is there
  assert.match(again.join(), /known only after apply/)
  assert.equal(warnings, [])
  assert.ok(steps.includes(`check what ${library} needs`))
  assert.ok(steps.includes('create /etc/fxpkcs11.cfg (13 bytes)'))
  assert.equal(result, {
    library,
    config_test: '/usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/configTest',
    manager: '/usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/PKCS11Manager',
    cfg: '/etc/fxpkcs11.cfg',
    architecture: 'x64',
    openssl: 'OpenSSL-1.1.x',
  })
  assert.equal((await of({}, { host: installed })).steps, [])
})

test('architecture and OpenSSL go by the facts, or as told', async () => {
  const chosen = async (params: object, facts: object) => {
    const { result, failed, hint } = await of(params, { facts })
    return failed === undefined ? `${result.architecture} ${result.openssl}` : `${failed}: ${hint}`
  }
  assert.is(await chosen({}, { openssl_version: '1.0.2k', architecture: 'x86_64' }), 'x64 OpenSSL-1.0.x')
  assert.is(await chosen({}, { openssl_version: '1.1.1', architecture: 'i686' }), 'x86 OpenSSL-1.1.x')
  assert.is(await chosen({ openssl: 'openssl-1.0.x', architecture: 'x86' }, {}), 'x86 OpenSSL-1.0.x')
  assert.is(await chosen({}, { openssl_version: '3.0.15' }), 'x64 OpenSSL-1.1.x')
  assert.match((await of({}, { facts: { openssl_version: '3.0.15' } })).warnings.join(), /no build for OpenSSL 3.0.15/)
  assert.match(await chosen({}, { architecture: 'aarch64' }), /no build for aarch64: name one/)
  assert.match(await chosen({}, { openssl_version: '' }), /none on the host.*there are: OpenSSL-1.0.x, OpenSSL-1.1.x/)
  assert.match(await chosen({ openssl: 'OpenSSL-4.x' }, {}), /no x64 build for OpenSSL-4.x: there are/)
})

test('the case of a directory is that of the archive', async () => {
  const files = { 'fx.tar.gz': zipOf(build('FXPKCS11/x64/openssl-1.1.x', false)) }
  const path = '/usr/local/bin/FXPKCS11/x64/openssl-1.1.x/libfxpkcs11.so'
  const { result, warnings } = await of({}, { files, answers: [ldd(path, '')] })
  assert.equal([result.library, result.manager], [path, undefined])
  assert.match(warnings.join(), /has no fxpkcs11.cfg/)
})

test('an archive of another shape is an error that lists what was found', async () => {
  const files = { 'fx.tar.gz': tarOf([{ name: 'other/readme' }, { name: 'other/lib.so' }]) }
  const { failed, hint } = await of({}, { files })
  assert.match(`${failed} ${hint}`, /no archive of the library.*it holds other\/lib.so, other\/readme/)
  assert.match((await of({}, { files: { 'fx.tar.gz': 'x' } })).failed ?? '', /no tar, tar.gz or zip/)
  assert.match((await of({ checksum: 'abc' })).failed ?? '', /checksum/)
  assert.is((await of({ checksum: `sha256:${hashOf(archive)}` })).failed, undefined)
})

test('libraries that it needs and the host has not are an error, now or when it is there', async () => {
  const missing = everyLdd('\tlibssl.so.1.1 => not found\n\tlibc.so.6 => /lib/libc.so.6\n')
  assert.match((await of({}, { host: installed, answers: missing })).failed ?? '', /not on the host: libssl.so.1.1$/)
  const musl = everyLdd('', 1).map(
    ([read]) =>
      [
        read,
        {
          status: 1,
          stdout: Buffer.alloc(0),
          stderr: 'Error loading shared library libssl.so.1.1: No such file (needed by x)',
        },
      ] as const,
  )
  assert.match((await of({}, { host: installed, answers: musl })).failed ?? '', /libssl.so.1.1/)
  const odd = everyLdd('not a dynamic executable', 1)
  assert.match((await of({}, { host: installed, answers: odd })).failed ?? '', /ldd cannot read/)
  assert.equal((await of({ check_libraries: false }, { host: installed, answers: [] })).steps, [])
})

test('another place of the configuration needs an environment file, whose other lines stay', async () => {
  assert.match((await of({ cfg: '/opt/fx.cfg' })).hint ?? '', /environment_file/)
  const params = { cfg: '/opt/fx.cfg', environment_file: '/etc/fx.env' }
  const after = async (text: string) => {
    const { plan: planned } = await of(params, { host: { ...installed, '/opt/fx.cfg': '', '/etc/fx.env': text } })
    const [step] = planned?.steps ?? []
    assert.is(step?.diff, undefined)
    let written = ''
    const blob = (bytes: Buffer) => {
      written = bytes.toString()
      return ''
    }
    step?.script?.({ word: (t) => t, words: (t) => t.join(' '), blob })
    return written
  }
  assert.is(await after('# a\n\nB="1"'), '# a\n\nB="1"\nFXPKCS11_CFG=/opt/fx.cfg\n')
  assert.is(await after('FXPKCS11_CFG=/old\r\nC=1\n'), 'FXPKCS11_CFG=/opt/fx.cfg\r\nC=1\n')
  assert.is(await after('FXPKCS11_CFG=/opt/fx.cfg\n'), '')
})

test('without root it goes to a home, and nobody else gets it', async () => {
  const { steps, failed } = await of(
    { dest: '/opt/fx', cfg: '/opt/fx.cfg', environment_file: '/opt/fx.env' },
    { facts: { uid: 1000, openssl_version: '1.1.1' }, host: { '/opt': directory() } },
  )
  assert.is(failed, undefined)
  assert.is(steps[0], 'create directory /opt/fx')
  assert.not.match(steps.join(), /owner/)
})

test.run()
