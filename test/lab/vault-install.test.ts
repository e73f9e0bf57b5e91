import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import * as assert from 'uvu/assert'
import { zipOf } from '../formats/make-archive.ts'
import { newAuthority } from '../host/certificates.ts'
import { baoRelease, whyNoServers } from './bao.ts'
import { onHost, rootOf } from './hsm.ts'
import type { Lab } from './lab.ts'
import { labSuite } from './suite.ts'
import { runTasks } from './tasks.ts'

// A real release of 75 MB on real hosts.

const dir = mkdtempSync(join(tmpdir(), 'install-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

const install = (params: object) => [{ vault_install: params }]
const bao = '/usr/local/bin/bao'
/** Of nothing here. */
const otherSum = (sum: string) => sum.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
const sumOf = (lab: Lab) => onHost(lab, 'h1', `sha256sum ${bao}`).split(' ')[0]

/** Everything that an install may touch, and what must not be left. */
const state = (lab: Lab) =>
  onHost(
    lab,
    'h1',
    `stat -c '%a %U:%G %n' ${bao}; getcap ${bao}; getent passwd vault; ls -A /usr/local/bin | grep -c runbook || :`,
  )

function sign(file: string): { key: string; signature: string; fingerprint: string } {
  const home = mkdtempSync(join(dir, 'gpg-'))
  const gpg = (...args: string[]) => {
    const done = spawnSync('gpg', ['--homedir', home, '--batch', '--passphrase', '', ...args], { encoding: 'utf8' })
    assert.is(done.status, 0, done.stderr)
    return done.stdout
  }
  gpg('--quick-generate-key', `publisher of ${basename(home)}`, 'ed25519', 'sign', 'never')
  const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(gpg('--with-colons', '--list-keys'))![1]!
  writeFileSync(join(home, 'key.asc'), gpg('--armor', '--export'))
  gpg('--output', join(home, 'sums.sig'), '--detach-sign', file)
  spawnSync('gpgconf', ['--homedir', home, '--kill', 'all'])
  return { key: join(home, 'key.asc'), signature: join(home, 'sums.sig'), fingerprint }
}

/** Sends on from /moved/, and breaks off below /cut/. */
const webServer = `import http.server, ssl, sys
class Web(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith('/moved/'):
            self.send_response(302)
            self.send_header('Location', self.path[6:])
            self.end_headers()
        elif self.path.startswith('/cut/'):
            self.send_response(200)
            self.send_header('Content-Length', '1000000')
            self.end_headers()
            self.wfile.write(b'PK' * 1000)
        else:
            super().do_GET()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('own.pem')
server = http.server.ThreadingHTTPServer((sys.argv[1], 8443), Web)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

labSuite(
  1,
  [
    [
      'a release is installed, and a second run sends nothing',
      async (lab) => {
        const { zip, sums, program } = baoRelease('2.6.2')
        const { key, signature, fingerprint } = sign(sums)
        const params = { src: zip, checksums: sums, signature, key, fingerprint, completion: true }
        const predicted = runTasks(lab, 'check', install(params))
        assert.equal(predicted.statuses, ['changed'], predicted.text)
        const done = runTasks(lab, 'apply', install(params))
        assert.equal([done.statuses, done.warnings], [['changed'], []], done.text)
        assert.equal(predicted.tasks[0]!.changes, done.tasks[0]!.changes)
        assert.match(
          state(lab),
          /^755 root:root \/usr\/local\/bin\/bao\n\/usr\/local\/bin\/bao cap_ipc_lock=ep\nvault:x:\d+:\d+::\/etc\/vault.d:\/bin\/false\n0\n$/,
        )
        const completed = onHost(
          lab,
          'h1',
          `bash -c '. /etc/bash_completion.d/bao; complete -p bao'; COMP_LINE='bao oper' COMP_POINT=8 ${bao}`,
        )
        assert.match(completed, /^complete -C '\/usr\/local\/bin\/bao' bao\n.*operator/s)
        assert.ok(spawnSync('cmp', [program, join(rootOf(lab, 'h1'), bao)]).status === 0)
        const asks = [
          { vault_install: params, register: 'it' },
          {
            assert: { that: ["it.product === 'OpenBao'", "it.version === '2.6.2'", '!it.hsm', `it.path === '${bao}'`] },
          },
          { assert: { that: [`it.verified === 'signature of ${fingerprint}'`] } },
        ]
        const again = runTasks(lab, 'apply', asks)
        assert.equal(again.statuses, ['ok', 'ok', 'ok'], again.text)
        assert.is(again.trips, 0)
      },
    ],
    [
      'a newer one takes its place; an older one does not, unless told',
      async (lab) => {
        const [older, newer] = [baoRelease('2.6.2'), baoRelease('2.7.2')]
        const upgraded = runTasks(lab, 'apply', [
          { vault_install: { src: newer.zip }, register: 'it' },
          { assert: { that: ["it.product === 'OpenBao'", "it.version === '2.7.2'", "it.verified === 'nothing'"] } },
        ])
        assert.equal(upgraded.statuses, ['changed', 'ok'], upgraded.text)
        assert.match(state(lab), /cap_ipc_lock=ep/)
        const before = sumOf(lab)
        const refused = runTasks(lab, 'apply', install({ src: older.zip }))
        assert.match(refused.tasks[0]!.message!, /2\.6\.2 is older than 2\.7\.2/)
        assert.match(refused.tasks[0]!.hint!, /allow_downgrade/)
        assert.is(sumOf(lab), before)
        assert.equal(runTasks(lab, 'apply', install({ src: older.zip, allow_downgrade: true })).statuses, ['changed'])
        assert.match(onHost(lab, 'h1', `${bao} version`), /^OpenBao v2\.6\.2 /)
      },
    ],
    [
      'a program that is not what it is called, or does not run, takes no place',
      async (lab) => {
        const before = state(lab) + sumOf(lab)
        const wrong = runTasks(lab, 'apply', install({ src: baoRelease('2.7.2').zip, version: '2.7.9' }))
        assert.match(wrong.tasks[0]!.message!, /it says that it is OpenBao v2\.7\.2, not v2\.7\.9/)
        const broken = join(dir, 'bao_9.9.9_linux_amd64.zip')
        writeFileSync(broken, zipOf([{ name: 'bao', mode: 0o755, body: '\x7fELF and no more' }]))
        const failed = runTasks(lab, 'apply', install({ src: broken }))
        assert.match(failed.tasks[0]!.message!, /it does not run on this host/)
        assert.is(state(lab) + sumOf(lab), before)
        // as when an install of another kind broke off
        onHost(lab, 'h1', `cp ${bao} /root/bao; head -c 1000 /root/bao >${bao}`)
        const mended = runTasks(lab, 'apply', install({ src: baoRelease('2.6.2').zip }))
        assert.equal(mended.statuses, ['changed'], mended.text)
        assert.is(state(lab) + sumOf(lab), before)
      },
    ],
    [
      'a release that somebody touched is not installed',
      async (lab) => {
        const { zip, sums } = baoRelease('2.7.2')
        const [signed, other] = [sign(sums), sign(sums)]
        const before = sumOf(lab)
        const message = (params: object) => {
          const done = runTasks(lab, 'apply', install({ src: zip, checksums: sums, ...params }))
          assert.equal(done.statuses, ['failed'], done.text)
          return done.tasks[0]!.message!
        }
        const { key, signature } = signed
        assert.match(message({ signature, key: other.key }), /the key that signed it is not among those given/)
        assert.match(message({ signature, key: sums }), /holds no public key/)
        assert.match(message({ signature: key, key }), /is no signature/)
        assert.match(message({ signature, key, fingerprint: other.fingerprint }), /is signed by .*, not by/)
        const changed = join(dir, 'SHA256SUMS')
        writeFileSync(
          changed,
          readFileSync(sums, 'utf8').replace(/^./, (c) => (c === '0' ? '1' : '0')),
        )
        assert.match(message({ checksums: changed, signature, key }), /it is another file that was signed/)
        assert.match(message({ checksums: changed }), /the checksum of .* is/)
        writeFileSync(changed, 'nothing\n')
        assert.match(message({ checksums: changed }), /has no line for vault_2\.7\.2_linux_amd64\.zip/)
        assert.is(sumOf(lab), before)
      },
    ],
    [
      'an archive of the host, and one that it fetches',
      async (lab) => {
        const { zip, sums } = baoRelease('2.7.2')
        const sum = readFileSync(sums, 'utf8').slice(0, 64)
        copyFileSync(zip, join(rootOf(lab, 'h1'), 'srv/vault_2.7.2_linux_amd64.zip'))
        const here = { src: '/srv/vault_2.7.2_linux_amd64.zip', remote_src: true, binary: 'bao' }
        const wrong = runTasks(lab, 'apply', install({ ...here, checksum: otherSum(sum) }))
        assert.match(wrong.tasks[0]!.message!, /the checksum of/)
        const done = runTasks(lab, 'apply', install({ ...here, checksum: sum }))
        assert.equal(done.statuses, ['changed'], done.text)
        assert.equal(runTasks(lab, 'apply', install({ ...here, checksum: sum })).statuses, ['ok'])

        const { address } = lab.hosts[0]!
        onHost(lab, 'h1', `systemd-run -q --unit=web python3 -m http.server --bind ${address} -d /srv 8099; rm ${bao}`)
        onHost(
          lab,
          'h1',
          `for i in $(seq 100); do curl -so /dev/null http://${address}:8099/ && exit; sleep 0.3; done; exit 1`,
        )
        const url = `http://${address}:8099/vault_2.7.2_linux_amd64.zip`
        const bare = runTasks(lab, 'check', install({ url, binary: 'bao' }))
        assert.match(bare.tasks[0]!.message!, /needs `checksum` or `checksums`/)
        const other = runTasks(lab, 'apply', install({ url, binary: 'bao', checksum: otherSum(sum) }))
        assert.match(other.tasks[0]!.message!, /the SHA-256 of the archive is/)
        const gone = runTasks(
          lab,
          'apply',
          install({ url: url.replace('.zip', '.tar.gz'), binary: 'bao', checksum: sum }),
        )
        assert.match(gone.tasks[0]!.message!, /it could not be fetched: .*404/)
        const got = runTasks(lab, 'apply', install({ url, binary: 'bao', checksums: sums }))
        assert.equal(got.statuses, ['changed'], got.text)
        assert.match(state(lab), /^755 root:root .*\n.*cap_ipc_lock=ep/)
        onHost(lab, 'h1', 'systemctl stop web')
        // what is there needs no fetching
        assert.equal(runTasks(lab, 'apply', install({ url, binary: 'bao', checksums: sums })).statuses, ['ok'])
      },
    ],
    [
      'a server of one’s own: its CA, where it sends on, what breaks off',
      async (lab) => {
        const { address } = lab.hosts[0]!
        const authority = newAuthority()
        const { cert, key } = authority.issue(`IP:${address}`)
        const at = (name: string) => join(rootOf(lab, 'h1'), name)
        writeFileSync(at('srv/own.pem'), cert + key, { mode: 0o600 })
        writeFileSync(at('srv/web.py'), webServer)
        onHost(
          lab,
          'h1',
          `systemd-run -q --unit=own -p WorkingDirectory=/srv python3 web.py ${address}; rm ${bao}
for i in $(seq 100); do curl -kso /dev/null https://${address}:8443/ && exit; sleep 0.3; done; exit 1`,
        )
        const checksum = readFileSync(baoRelease('2.7.2').sums, 'utf8').slice(0, 64)
        const from = (path: string) => {
          const url = `https://${address}:8443/${path}/vault_2.7.2_linux_amd64.zip`
          return runTasks(lab, 'apply', install({ url, binary: 'bao', checksum }))
        }
        const foreign = from('moved')
        assert.match(foreign.tasks[0]!.message!, /could not be fetched: curl: \(60\) SSL certificate problem/)
        writeFileSync(at('usr/local/share/ca-certificates/own.crt'), authority.ca)
        onHost(lab, 'h1', 'update-ca-certificates')
        const cut = from('cut')
        assert.match(cut.tasks[0]!.message!, /could not be fetched: .*(transfer closed|end of file)/)
        assert.is(lab.run('h1', ['test', '-e', bao]).status, 1)
        const got = from('moved')
        assert.equal(got.statuses, ['changed'], got.text)
        assert.match(onHost(lab, 'h1', `${bao} version; systemctl stop own`), /^OpenBao v2\.7\.2 /)
      },
    ],
  ],
  whyNoServers,
)
