import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTls, type TlsOptions } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Channel } from '../../src/host/channel.ts'
import { type PortQuestion, portKind, portLook, type TlsQuestion } from '../../src/host/reads/port.ts'
import { type PortWanted, portProblem, portWarnings } from '../../src/port.ts'
import { localConnection } from '../../src/transport/local.ts'
import { type Issued, newAuthority } from './certificates.ts'

// Ports of stand-ins for an HSM, with TLS of every kind.

const authority = newAuthority()
const other = newAuthority()
const good = authority.issue('IP:127.0.0.1,DNS:hsm')
const client = authority.issue('DNS:client')
const dir = mkdtempSync(join(tmpdir(), 'port-test-'))
const servers: Server[] = []
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
test.after(() => {
  for (const server of servers) server.close()
})

async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  servers.push(server)
  // it never sends anything, as an HSM does not
  server.on('tlsClientError', () => {})
  server.on('connection', (socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  server.unref()
  return (server.address() as AddressInfo).port
}

const secure = ({ host, ...options }: TlsOptions & Issued & { host?: string }) =>
  listening(
    createTls(options, (socket) => socket.on('error', () => {})),
    host,
  )
const mutual = { requestCert: true, rejectUnauthorized: true, ca: authority.ca }
const both = ['TLSv1.2', 'TLSv1.3'] as const

/** What is wrong with it, what is warned of, and whether it lets us in. */
async function tell(port: number, tls?: TlsQuestion, host = '127.0.0.1', timeout = 20) {
  const question: PortQuestion = { host, port, timeout, ...(tls ? { tls } : {}) }
  const look = await portKind.call(question, new Channel(localConnection))
  const wanted: PortWanted = {
    host,
    port,
    ...(tls ? { tls: { trust: tls.ca !== undefined, serverName: tls.serverName, own: tls.own !== undefined } } : {}),
  }
  const problem = portProblem(look, wanted)
  return { look, said: problem ? `${problem.message} | ${problem.hint}` : '', warnings: portWarnings(look, wanted) }
}

function p12Of({ cert, key }: Issued, password: string, ...more: string[]): string {
  writeFileSync(join(dir, 'cert'), cert)
  writeFileSync(join(dir, 'key'), key)
  const args = ['pkcs12', '-export', '-inkey', 'key', '-in', 'cert', '-out', 'p12', '-passout', `pass:${password}`]
  const made = spawnSync('openssl', [...args, ...more], { cwd: dir, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(made.stderr)
  return readFileSync(join(dir, 'p12')).toString('base64')
}

test('nothing there, something that is no TLS, something that is silent', async () => {
  const plain = await listening(createServer((socket) => socket.end('220 hello, this is no TLS\r\n')))
  const silent = await listening(createServer(() => {}))
  assert.match((await tell(1)).said, /127\.0\.0\.1:1 refuse/)
  assert.is((await tell(plain)).said, '')
  assert.match((await tell(plain, {})).said, /does not speak TLS/)
  assert.match((await tell(silent, {}, undefined, 3)).said, /takes connections and does not answer to TLS/)
  const hasty = await listening(createServer((socket) => socket.destroy()))
  assert.is((await tell(hasty)).said, '')
  const shut =
    /ends the TLS handshake with a client without a certificate, .* why \| it may demand a client certificate,/
  assert.match((await tell(hasty, {})).said, shut)
  assert.match((await tell(hasty, { own: client })).said, /ends the TLS handshake with a client with our certificate/)
})

test('an address of IPv6, and a name that nobody knows', async () => {
  const port = await secure({ ...authority.issue('IP:::1'), host: '::1' })
  const { said, warnings, look } = await tell(port, { ca: other.ca }, '::1')
  assert.match(said, /signed the certificate of \[::1\]:\d+, which is by/)
  assert.is(look.tls!.otherName, undefined)
  assert.equal(
    warnings.filter((w) => /not for this address/.test(w)),
    [],
  )
  assert.is((await tell(port, { ca: authority.ca }, '::1')).said, '')
  assert.match((await tell(9, undefined, '::1')).said, /^\[::1\]:9 refused the connection/)
  assert.match(
    (await tell(9, {}, 'no-such-hsm.invalid')).said,
    /does not know the name in no-such-hsm\.invalid:9 \| check/,
  )
})

for (const version of both) {
  const only = { minVersion: version, maxVersion: version } as const
  test(`${version}: anonymous`, async () => {
    const port = await secure({ ...good, ...only })
    const { said, look, warnings } = await tell(port, { ca: authority.ca })
    assert.is(said, '')
    assert.is(look.tls!.protocol, version)
    assert.is(look.tls!.anonymous.accepted, true)
    assert.equal(
      look.tls!.chain.map((c) => c.subject),
      ['CN=test', 'CN=test authority'],
    )
    assert.ok(
      warnings.every((w) => /expires on .* in [01] days?/.test(w)),
      warnings.join(),
    )
    assert.ok((await tell(port, {})).warnings.some((w) => /nobody vouches/.test(w)))
    const shown = await tell(port, { ca: authority.ca, own: client })
    assert.is(shown.said, '')
    assert.ok(shown.warnings.some((w) => /lets in who shows no certificate/.test(w)))
  })

  test(`${version}: mutual`, async () => {
    const port = await secure({ ...good, ...only, ...mutual })
    const none = await tell(port, { ca: authority.ca })
    assert.is(none.look.tls!.anonymous.accepted, false)
    assert.match(none.said, /demands a client certificate, and none is given|refuses a client without a certificate/)
    const ours = await tell(port, { ca: authority.ca, own: client })
    assert.is(ours.said, '')
    assert.is(ours.look.tls!.own!.accepted, true)
    assert.is(ours.look.tls!.own!.certificate!.names, 'DNS:client')
    assert.not.ok(ours.warnings.some((w) => /shows no certificate/.test(w)))
    const p12 = p12Of(client, 'a password')
    assert.is((await tell(port, { ca: authority.ca, own: { p12, password: 'a password' } })).said, '')
    // one that holds its CA vouches for the HSM, and one of somebody else's does not
    writeFileSync(join(dir, 'ca'), authority.ca)
    writeFileSync(join(dir, 'other'), newAuthority().ca)
    const warned = async (...more: string[]) =>
      (await tell(port, { own: { p12: p12Of(client, 'x', ...more), password: 'x' } })).warnings.join()
    assert.not.match(await warned('-certfile', 'ca'), /nobody vouches/)
    assert.match(await warned('-certfile', 'other'), /nobody vouches.*no CA of it in `tls_p12`/)
    assert.match(await warned(), /nobody vouches/)
    const foreign = await tell(port, { ca: authority.ca, own: other.issue('DNS:client') })
    assert.match(foreign.said, /(refuses a|ends the TLS handshake with a) client with our certificate/)
    const old = await tell(port, { ca: authority.ca, own: authority.issue('DNS:client', -1) })
    assert.match(old.said, /our certificate CN=test expired on|refuses a client with our certificate \(.*EXPIRED/)
    const early = await tell(port, { ca: authority.ca, own: authority.issueEarly('DNS:client') })
    assert.match(early.said, /our certificate CN=test is valid only from 2095-01-01 \| compare the clocks/)
  })
}

test('a server that is not believed, has expired, has another name', async () => {
  const port = await secure(good)
  assert.match(
    (await tell(port, { ca: other.ca })).said,
    /none of `tls_ca` signed the certificate .* by CN=test authority/,
  )
  assert.is((await tell(port, { ca: authority.ca, serverName: 'hsm' })).said, '')
  assert.match(
    (await tell(port, { ca: authority.ca, serverName: 'hsm2' })).said,
    /is not for hsm2: it is CN=test, IP Address/,
  )
  const expired = await secure(authority.issue('IP:127.0.0.1', -1))
  assert.match((await tell(expired, { ca: authority.ca })).said, /certificate CN=test of 127\.0\.0\.1:\d+ expired on/)
  const early = await secure(authority.issueEarly('IP:127.0.0.1'))
  assert.match(
    (await tell(early, { ca: authority.ca })).said,
    /certificate CN=test of 127\.0\.0\.1:\d+ is valid only from 2095-01-01 \| compare the clocks/,
  )
  const lasting = await secure(authority.issue('IP:127.0.0.1', 31))
  const soon = (await tell(lasting, { ca: authority.ca })).warnings
  assert.equal(
    soon.map((w) => w.replace(/on \S+,/, 'on DATE,')),
    ['the certificate CN=test authority expires on DATE, in 1 day'],
  )
  const named = await secure(authority.issue('DNS:production'))
  const { said, warnings } = await tell(named, { ca: authority.ca })
  assert.is(said, '')
  assert.ok(warnings.some((w) => /is not for this address: it is CN=test, DNS:production/.test(w)))
})

test('what is wrong with our own files', async () => {
  const port = await secure({ ...good, ...mutual })
  const own = async (of: TlsQuestion['own']) => (await tell(port, { ca: authority.ca, own: of })).said
  assert.match(await own({ p12: p12Of(client, 'right'), password: 'wrong' }), /password of the PKCS #12 file is wrong/)
  assert.match(await own({ cert: client.cert, key: good.key }), /certificate is not for this key/)
  assert.match(await own({ cert: 'x', key: client.key }), /damaged or of another format/)
  assert.match(await own({ cert: client.cert, key: 'x' }), /damaged or of another format/)
  assert.match(await own({ p12: Buffer.from('nothing').toString('base64') }), /damaged or of another format/)
  const legacy = spawnSync('openssl', ['list', '-providers', '-provider', 'legacy'], { encoding: 'utf8' }).status === 0
  if (legacy) {
    const p12 = p12Of(client, 'old', '-legacy')
    assert.match(await own({ p12, password: 'old' }), /cipher that OpenSSL 3 no longer reads/)
  }
  writeFileSync(join(dir, 'plain.key'), client.key)
  const args = ['pkcs8', '-topk8', '-in', 'plain.key', '-out', 'locked.key', '-passout', 'pass:right']
  spawnSync('openssl', args, { cwd: dir })
  const key = readFileSync(join(dir, 'locked.key'), 'utf8')
  assert.is(await own({ cert: client.cert, key, password: 'right' }), '')
  // one of 256 wrong passwords fits by chance, and what it opens is no key
  const wrong = /password of the key is wrong or missing|damaged .*256 wrong passwords/
  assert.match(await own({ cert: client.cert, key, password: 'wrong' }), wrong)
  // without a password there is no chance, in any format of the key
  const older = spawnSync('openssl', ['ec', '-in', 'plain.key', '-aes256', '-passout', 'pass:right'], { cwd: dir })
  for (const locked of [key, older.stdout.toString()])
    assert.match(await own({ cert: client.cert, key: locked }), /password of the key is wrong or missing/)
})

test('no key or password stands in the name of a question', () => {
  const password = 'canary-4711'
  const tls = { own: { cert: client.cert, key: client.key, password } }
  const { key } = portLook({ host: 'hsm', port: 9100, timeout: 3, tls })
  assert.not.match(key, password)
  assert.not.match(key, 'PRIVATE')
  assert.is.not(key, portLook({ host: 'hsm', port: 9100, timeout: 3, tls: { own: { ...tls.own, password: 'x' } } }).key)
})

test.run()
