import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runbook } from '../lab/runbook.ts'

// A password and a PIN through the built command line on this machine, with everything shown that can be shown.

const dir = mkdtempSync(join(tmpdir(), 'canary-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
writeFileSync(join(dir, 'hosts.yml'), 'all: { hosts: { here: { ansible_connection: local } } }\n')
mkdirSync(join(dir, 'out'))

function run(mode: string, tasks: readonly object[], vars: object, output: string): string {
  writeFileSync(join(dir, 'vars.json'), JSON.stringify(vars))
  writeFileSync(join(dir, 'play.yml'), JSON.stringify([{ hosts: 'here', tasks }]))
  const { stdout, stderr } = runbook(
    [
      mode,
      join(dir, 'play.yml'),
      '-i',
      join(dir, 'hosts.yml'),
      '-e',
      `@${join(dir, 'vars.json')}`,
      '--diff',
      '-v',
      '--output',
      output,
    ],
    undefined,
    { env: { HOME: dir } },
  )
  assert.match(stdout, /here/, stderr)
  return stdout + stderr
}

const cfg = { path: join(dir, 'out/fx.cfg'), tls_anonymous: false, tls_key: '/k.p12', tls_key_pass: '<%= pass %>' }
const hcl = { path: join(dir, 'out/v.hcl'), seal: { pkcs11: { lib: '/l.so', pin: '<%= pin %>' } } }
const plays: readonly (readonly object[])[] = [
  [
    { fxpkcs11_cfg: cfg, register: 'a' },
    { vault_hcl: hcl, register: 'b' },
    { debug: { var: 'a' } },
    { debug: { msg: '<%= b %>' } },
  ],
  [{ fxpkcs11_cfg: { ...cfg, tls_cert: '<%= pass %>', address: 'a </ADDRESS>' }, ignore_errors: true }],
  [{ fxpkcs11_cfg: { ...cfg, path: join(dir, 'nowhere/fx.cfg') }, ignore_errors: true }],
  [{ vault_hcl: { ...hcl, path: join(dir, 'nowhere/v.hcl') }, ignore_errors: true }],
  [{ debug: { msg: 'the password is <%= pass %>' } }, { fxpkcs11_cfg: cfg }, { debug: { msg: 'it is <%= pass %>' } }],
]

test('neither comes out, whatever happens to them', () => {
  for (const round of [1, 2])
    for (const [i, tasks] of plays.entries())
      for (const output of ['plain', 'ndjson'])
        for (const mode of ['check', 'apply']) {
          const said = run(mode, tasks, { pass: `CANARY-pass-${round}`, pin: `CANARY-pin-${round}` }, output)
          // what the author prints before any task knows it as a secret is the author's
          const shown = i === 4 ? said.slice(said.indexOf('fxpkcs11_cfg')) : said
          assert.is(shown.includes('CANARY') ? shown : '', '', `play ${i} ${mode} ${output}`)
        }
  assert.match(readFileSync(cfg.path, 'utf8'), /CANARY-pass-2/)
  assert.match(readFileSync(hcl.path, 'utf8'), /CANARY-pin-2/)
  assert.is(statSync(cfg.path).mode & 0o777, 0o600)
  assert.is(statSync(hcl.path).mode & 0o777, 0o640)
})

test.run()
