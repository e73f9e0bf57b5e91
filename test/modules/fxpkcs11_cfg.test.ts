import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { content } from '../../src/module.ts'
import { type Given, type Planned, plan, scriptOf } from './plan.ts'
import { directory, file } from './world.ts'

const path = '/etc/fxpkcs11.cfg'
const vendor = `# Futurex
<HSM>
    <ADDRESS> 192.0.2.1 </ADDRESS>   # ours
    <PROD-PORT>9100</PROD-PORT>
    <VENDOR-OWN>  a  b </VENDOR-OWN>
</HSM>
<CONFIG>
    <FORCED-LABEL-USAGE> other = SIGN </FORCED-LABEL-USAGE>
</CONFIG>
`
const of = (params: object, now: string | Buffer | 'none' = vendor, given: Given = {}) =>
  plan('fxpkcs11_cfg', params, {
    host: { '/etc': directory(), ...(now === 'none' ? {} : { [path]: file(now) }) },
    diff: true,
    ...given,
  })

/** What the file holds afterwards. */
function written({ plan: planned }: Planned): string | undefined {
  const step = planned?.steps[0]
  const after = step?.effects.map((e) => e.change(content(path), { bytes: undefined, denied: false }, entryAt)).at(-1)
  return (after as { bytes?: Buffer } | undefined)?.bytes?.toString()
}
const entryAt = (at: string) =>
  ({ path: at, real: at, anchor: '/etc', obstacle: undefined, stat: undefined, leads: undefined }) as const

test('every parameter has its tag; the rest of the file stays as it is', async () => {
  const {
    steps,
    again,
    plan: planned,
    ...more
  } = await of({
    address: '10.221.0.10',
    crypto_operator: 'vault',
    prod_port: 9100,
    tls_anonymous: false,
    tls_ca: ['/a.pem', '/b.pem'],
    tls_cert: '/c.pem',
    tls_key: '/k.pem',
    load_balance: true,
    log_file: '/var/log/fx.log',
    key_label: 'hsm_demo',
    hmac_key_label: 'hsm_hmac_demo',
    tags: { HSM: { 'CONNECTION-TIMEOUT': 5, DEBUG: true } },
  })
  assert.equal([steps.length, again, more.warnings], [1, [], []])
  assert.is(
    written({ plan: planned } as Planned),
    `# Futurex
<HSM>
    <ADDRESS> 10.221.0.10 </ADDRESS>   # ours
    <PROD-PORT>9100</PROD-PORT>
    <VENDOR-OWN>  a  b </VENDOR-OWN>
    <FX-LOAD-BALANCE> YES </FX-LOAD-BALANCE>
    <LOG-FILE> /var/log/fx.log </LOG-FILE>
    <CRYPTO-OPR> vault </CRYPTO-OPR>
    <PROD-ENABLED> YES </PROD-ENABLED>
    <PROD-TLS-ANONYMOUS> NO </PROD-TLS-ANONYMOUS>
    <PROD-TLS-CA> /a.pem </PROD-TLS-CA>
    <PROD-TLS-CA> /b.pem </PROD-TLS-CA>
    <PROD-TLS-CERT> /c.pem </PROD-TLS-CERT>
    <PROD-TLS-KEY> /k.pem </PROD-TLS-KEY>
    <CONNECTION-TIMEOUT> 5 </CONNECTION-TIMEOUT>
    <DEBUG> YES </DEBUG>
</HSM>
<CONFIG>
    <FORCED-LABEL-USAGE> other = SIGN </FORCED-LABEL-USAGE>
    <FORCED-LABEL-USAGE> hsm_demo = ENCRYPT | DECRYPT </FORCED-LABEL-USAGE>
    <FORCED-LABEL-USAGE> hsm_hmac_demo = SIGN | VERIFY </FORCED-LABEL-USAGE>
</CONFIG>
`,
  )
})

test('nothing is changed where all is so, whatever the spacing and the line endings', async () => {
  const odd =
    '<HSM>\r\n<ADDRESS>h</ADDRESS>\r\n\t<PROD-ENABLED>  YES\t</PROD-ENABLED>\r\n</HSM>\r\n<CONFIG>\r\n<FORCED-LABEL-USAGE>a=ENCRYPT|DECRYPT</FORCED-LABEL-USAGE>\r\n</CONFIG>'
  assert.equal((await of({ address: 'h', key_label: 'a' }, odd)).steps, [])
  assert.is(written(await of({ log_file: '/l' }, odd)), odd.replace('</HSM>', '\t<LOG-FILE> /l </LOG-FILE>\r\n</HSM>'))
  assert.equal((await of({})).steps, [])
})

test('what is text is written as UTF-8, bytes of the file that are none stay', async () => {
  const bytes = Buffer.concat([Buffer.from([0x23, 0xff, 0xa0, 0x0a]), Buffer.from('<HSM>\n</HSM>\n')])
  const { plan: planned } = await of({ crypto_operator: 'Schlüssel à 鍵' }, bytes)
  const after = planned?.steps[0]?.diff?.after
  assert.ok(after?.subarray(0, 4).equals(bytes.subarray(0, 4)))
  assert.match(after?.toString() ?? '', /<CRYPTO-OPR> Schlüssel à 鍵 <\/CRYPTO-OPR>/)
  assert.equal((await of({ crypto_operator: 'Schlüssel à 鍵' }, after)).steps, [])
})

test('a new file is made; a password makes it private, and an open one is closed', async () => {
  const mutual = { tls_anonymous: false, tls_key: '/PKI.p12', tls_key_pass: 'CANARY' }
  const made = await of(mutual, 'none')
  assert.match(made.steps.join(), /create \/etc\/fxpkcs11.cfg/)
  assert.match(scriptOf(made.plan!.steps[0]!), /chmod 00600/)
  assert.match(scriptOf((await of({ address: 'h' }, 'none')).plan!.steps[0]!), /chmod 00644/)
  const text =
    '<HSM>\n<PROD-TLS-KEY> /PKI.p12 </PROD-TLS-KEY>\n<PROD-TLS-KEY-PASS> CANARY </PROD-TLS-KEY-PASS>\n</HSM>\n'
  const closed = await of({ tls_key_pass: 'CANARY' }, text)
  assert.equal(closed.steps, ['set mode 0600 (was 0644) of /etc/fxpkcs11.cfg'])
  const host = { '/etc': directory(), [path]: file(text, { mode: 0o600 }) }
  assert.equal((await of({ tls_key_pass: 'CANARY' }, 'none', { host })).steps, [])
  const wide = await of({ tls_key_pass: 'CANARY', mode: '0644' }, text)
  assert.match(wide.warnings.join(), /everybody may read/)
})

test('the password of a key that is on the controller is tried', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'p12-'))
  const made = spawnSync('sh', ['-ec', makeKey], { cwd: dir, encoding: 'utf8' })
  const files = Object.fromEntries(['new', 'old', 'k'].map((name) => [name, readFileSync(join(dir, name))]))
  files.text = Buffer.from('root:x:0:0\n')
  rmSync(dir, { recursive: true })
  assert.is(made.status, 0, made.stderr)
  const failed = async (tls_key_src: string, tls_key_pass: string) =>
    (await of({ tls_anonymous: false, tls_key: '/PKI.p12', tls_key_src, tls_key_pass }, vendor, { files })).failed
  assert.is(await failed('new', 'right-1'), undefined)
  assert.is(await failed('new', 'wrong-1'), 'the password of new is wrong')
  // by a cipher that this program does not have: whether the password is right is seen all the same
  assert.is(await failed('old', 'right-1'), undefined)
  assert.is(await failed('old', 'wrong-1'), 'the password of old is wrong')
  assert.is(await failed('k', 'any-one'), 'k is no PKCS #12 file')
  assert.is(await failed('text', 'any-one'), 'text is no PKCS #12 file')
})

const makeKey = `openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=x 2>/dev/null
openssl pkcs12 -export -inkey k -in c -out new -passout pass:right-1
openssl pkcs12 -legacy -export -inkey k -in c -out old -passout pass:right-1`

test('a diff shows all but the passwords', async () => {
  const diff = async (params: object, now: string) => (await of(params, now)).plan!.steps[0]!.diff
  const text =
    '<HSM>\n<ADDRESS> a </ADDRESS>\n<PROD-TLS-KEY> /PKI.p12 </PROD-TLS-KEY> # <PIN> CANARY </PIN>\n<PROD-TLS-KEY-PASS> CANARY-1 </PROD-TLS-KEY-PASS>\n</HSM>\n'
  const { before, after } = (await diff({ tls_key_pass: 'CANARY-2', address: 'b' }, text))!
  assert.is(
    before!.toString(),
    '<HSM>\n<ADDRESS> a </ADDRESS>\n<PROD-TLS-KEY> /PKI.p12 </PROD-TLS-KEY> # <PIN> ********\n<PROD-TLS-KEY-PASS> ********\n</HSM>\n',
  )
  assert.is(after!.toString(), before!.toString().replace('> a <', '> b <'))
  // it may stand in the next line
  assert.is(await diff({ address: 'b' }, `${text}# <OTHER-PIN>\nCANARY\n`), undefined)
})

test('no password comes out: not in a step, a diff, a warning or an error', async () => {
  const text =
    '<HSM>\n<PROD-TLS-KEY> /PKI.p12 </PROD-TLS-KEY>\n<PROD-TLS-KEY-PASS> CANARY-1 </PROD-TLS-KEY-PASS>\n</HSM>\n'
  const broken = '<HSM>\n<PROD-TLS-KEY-PASS> CANARY-1\n</HSM>\n'
  for (const [params, now] of [
    [{ tls_key_pass: 'CANARY-2' }, text],
    [{ tags: { HSM: { 'PROD-TLS-KEY-PASS': [] } } }, text],
    [{ tags: { HSM: { 'OTHER-PASSWORD': 'CANARY-3' } } }, vendor],
    [{ tls_key_pass: 'CANARY\n2' }, text],
    [{ tls_key_pass: ' CANARY' }, text],
    [{ tls_key_pass: 'CANARY' }, vendor],
    [{ address: 'x' }, broken],
  ] as const) {
    const { plan: planned, ...rest } = await of(params, now)
    const { secrets, ...shown } = rest
    for (const { diff } of planned?.steps ?? []) assert.not.match(`${diff?.before ?? ''}${diff?.after ?? ''}`, /CANARY/)
    assert.not.match(JSON.stringify([shown, planned?.result, planned?.warnings]), /CANARY/)
  }
  assert.ok((await of({ tags: { HSM: { 'OTHER-PASSWORD': 'CANARY-3' } } })).secrets.includes('CANARY-3'))
})

test('on any file: what was set is set, a second time changes nothing, everything else stays', async () => {
  const line = fc.oneof(
    fc.constantFrom(
      '<HSM>',
      '</HSM>',
      '<CONFIG>',
      '</CONFIG>',
      '# <ADDRESS> x </ADDRESS>',
      '',
      '  <OTHER>  a b </OTHER> # c',
    ),
    fc.string({ maxLength: 12 }).filter((l) => !/[\r\n]/.test(l)),
    fc.constantFrom(
      '<ADDRESS>a</ADDRESS>',
      '\t<ADDRESS> b </ADDRESS>',
      '<FORCED-LABEL-USAGE>k=SIGN</FORCED-LABEL-USAGE>',
    ),
  )
  const text = fc.tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n')).map(([l, end]) => l.join(end))
  const name = fc.string({ minLength: 1, maxLength: 8 }).map((v) => v.replace(/[^\w.:-]/g, 'é'))
  await fc.assert(
    fc.asyncProperty(text, name, name, async (before, address, label) => {
      const { plan: planned, failed } = await of({ address, key_label: label }, before)
      if (failed !== undefined) return assert.match(failed, /never closed/)
      const after = planned!.steps[0]?.diff?.after?.toString() ?? before
      assert.equal((await of({ address, key_label: label }, after)).steps, [])
      const rest = (all: string) =>
        all.split(/\r?\n/).filter((l) => l !== '' && !/<(ADDRESS|FORCED|\/?HSM|\/?CONFIG)/.test(l))
      assert.equal(rest(after), rest(before))
    }),
    { numRuns: 150 },
  )
})

const wrong: readonly (readonly [object, RegExp, string?])[] = [
  [{ tls_anonymous: false }, /mutual TLS needs a key/],
  [{ tls_anonymous: true, tls_key: '/k' }, /exclude each other/],
  [{ tls_cert: '/k' }, /exclude each other/, '<HSM>\n<PROD-TLS-ANONYMOUS> YES </PROD-TLS-ANONYMOUS>\n</HSM>\n'],
  [{ tls_anonymous: false, tls_key: '/k.pem' }, /needs its certificate/],
  [{ tls_anonymous: false, tls_key: '/k.pem', tls_cert: '/c.pem' }, /needs the certificates of the CA/],
  [{ tls_key_pass: 'x' }, /there is none/],
  [{ key_label: 'a', hmac_key_label: 'a' }, /the same key/],
  [{ key_label: 'a = b' }, /no label/],
  [{ address: 'a </ADDRESS>' }, /closing tag/],
  [{ address: ' a' }, /begin or end with a blank/],
  [{ address: 'a', tags: { HSM: { ADDRESS: 'b' } } }, /given twice/],
  [{ tags: { HSM: { 'A B': 'b' } } }, /no tag/],
  [{ tags: { HSM: { A: { b: 1 } } } }, /has to be a text/],
  [{ address: 'a' }, /never closed/, '<HSM>\n'],
]
for (const [params, message, now] of wrong)
  test(`an error: ${JSON.stringify(params)}`, async () => assert.match((await of(params, now)).failed ?? '', message))

test('a PKCS #12 key needs neither certificate nor CA', async () => {
  assert.is((await of({ tls_anonymous: false, tls_key: '/PKI.p12' })).failed, undefined)
  assert.ok((await of({ prod_port: 70_000 })).invalid.length > 0)
})

test('an empty list removes a tag; another label keeps its line, the same gets its use', async () => {
  assert.not.match(written(await of({ tags: { HSM: { 'VENDOR-OWN': [] } } })) ?? '', /VENDOR-OWN/)
  const used = written(await of({ key_label: 'other' })) ?? ''
  assert.match(used, /<FORCED-LABEL-USAGE> other = ENCRYPT \| DECRYPT </)
})

test.run()
