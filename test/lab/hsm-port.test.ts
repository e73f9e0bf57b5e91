import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { newAuthority } from '../host/certificates.ts'
import { rootOf } from './hsm.ts'
import { base, failure, run, tokenMade } from './hsm-tasks.ts'
import type { Lab } from './lab.ts'
import { until } from './runbook.ts'
import { labSuite } from './suite.ts'

/** A port with mutual TLS as an HSM has it, found through an sshd; openssl stands in for the HSM. */
async function port(lab: Lab): Promise<void> {
  const address = lab.hosts[0]!.address
  const authority = newAuthority()
  const [own, client] = [authority.issue(`IP:${address}`), authority.issue('DNS:client')]
  const at = (name: string) => join(lab.dir, name)
  const files = {
    'ca.pem': authority.ca,
    'own.pem': own.cert,
    'own.key': own.key,
    'me.pem': client.cert,
    'me.key': client.key,
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(at(name), text, { mode: 0o600 })
    writeFileSync(join(rootOf(lab, 'h1'), 'root', name), text, { mode: 0o600 })
  }
  const serve = ['s_server', '-accept', `${address}:9100`, '-cert', at('own.pem'), '-key', at('own.key')]
  const server = spawn(
    'openssl',
    [...serve, '-CAfile', at('ca.pem'), '-Verify', '2', '-verify_return_error', '-quiet'],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  try {
    await until(
      'the port listens',
      () => lab.run('h1', ['sh', '-c', `ss -ltn | grep -q '${address}:9100 '`]).status === 0,
    )
    const tls = (more: object) => ({ name: 'port', hsm_probe: { address, tls_ca: at('ca.pem'), ...more } })
    const { status, all } = run(lab, [
      tls({ tls_cert: at('me.pem'), tls_key: at('me.key') }),
      tls({ remote_src: true, tls_ca: '/root/ca.pem', tls_cert: '/root/me.pem', tls_key: '/root/me.key', ...base }),
    ])
    assert.is(status, 0, all)
    assert.match(all, /9100 answers, by TLSv1\.3; SoftHSM/)
    assert.match(failure(lab, tls({})), /demands a client certificate, and none is given/)
    assert.match(
      failure(lab, tls({ tls_cert: at('me.pem'), tls_key: at('own.key') })),
      /certificate is not for this key/,
    )
    assert.match(
      failure(lab, tls({ remote_src: true, tls_ca: '/root/none.pem' })),
      /there is no \/root\/none\.pem on the host/,
    )
    assert.match(failure(lab, tls({ port: 9 })), /:9\b.* \|/)
    assert.match(failure(lab, tls({ address: '::1', port: 9 })), /^\[::1\]:9 .* \|/)
    assert.match(
      failure(lab, tls({ address: 'no-such-hsm.invalid' })),
      /the host does not know the name in no-such-hsm\.invalid:9100 \| check its DNS/,
    )
  } finally {
    server.kill()
  }
}

labSuite(1, [
  ['the token of these tests is made', tokenMade],
  ['the port of an HSM, its TLS, and ours', port],
])
