import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { newAuthority } from '../host/certificates.ts'
import { whyNoServers } from './bao.ts'
import { initServer, startServer, untilHealth } from './bao-server.ts'
import { makeKey, makeToken, onHost, placeLibrary, rootOf } from './hsm.ts'
import type { Lab } from './lab.ts'
import { runbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// The built command line, a real sshd, a real server that an HSM unseals: what is kept in it, and how it is asked for.

const salt = randomBytes(6).toString('hex')
const token = { label: 'lab', pin: `canary-pin-${salt}`, soPin: 'canary-so-4711' }
const password = `canary-password-${salt}`
let rootToken: string | undefined

interface Server {
  readonly api: string
  readonly rootToken: string
}

async function serverOn(lab: Lab, host: string, options: object): Promise<Server> {
  placeLibrary(lab, host)
  makeToken(lab, host, token)
  makeKey(lab, host, token, 'hsm_demo')
  const api = startServer(lab, host, { token, keyLabel: 'hsm_demo', ...options })
  await untilHealth(lab, host, api, 501)
  rootToken = (await initServer(api)).rootToken
  await untilHealth(lab, host, api, 200)
  return { api, rootToken }
}

type Line = Record<string, unknown> & {
  event: string
  status: string
  changes: string[]
  message?: string
  hosts: object
}

function told(lab: Lab, command: string, host: string, tasks: readonly object[], { rootToken }: Server) {
  const file = join(lab.dir, 'play.yml')
  writeFileSync(file, JSON.stringify([{ hosts: host, gather_facts: false, tasks }]), { mode: 0o600 })
  const done = runbook([command, file, '--output', 'ndjson'], lab, { env: { VAULT_TOKEN: rootToken } })
  const events = done.stdout.split('\n').flatMap((l) => (l === '' ? [] : [JSON.parse(l) as Line]))
  const recap = events.at(-1)!.hosts as Record<string, { trips: number }>
  return {
    lines: events.flatMap((e) =>
      e.event === 'task' ? [`${e.status} ${e.changes.join('; ')}${e.message ? `: ${e.message}` : ''}`] : [],
    ),
    trips: recap[host]!.trips,
    stderr: done.stderr,
  }
}

async function overTls(lab: Lab): Promise<void> {
  const authority = newAuthority()
  const { address } = lab.hosts[0]!
  const { key, cert } = authority.issue(`IP:${address}`)
  const root = rootOf(lab, 'h1')
  onHost(lab, 'h1', 'mkdir -p /etc/openbao')
  writeFileSync(join(root, 'etc/openbao/key.pem'), key, { mode: 0o644 })
  writeFileSync(join(root, 'etc/openbao/cert.pem'), cert, { mode: 0o644 })
  writeFileSync(join(lab.dir, 'ca.pem'), authority.ca)
  const more = `listener "tcp" {
  address = "${address}:18243"
  cluster_address = "${address}:18244"
  tls_cert_file = "/etc/openbao/cert.pem"
  tls_key_file = "/etc/openbao/key.pem"
}`
  const server = await serverOn(lab, 'h1', { more })
  const at = { address: `https://${address}:18243`, ca_cert: join(lab.dir, 'ca.pem') }
  const tasks = [
    { systemd_unit: { name: 'openbao', state: 'started' } },
    { vault_mount: { path: 'kv', type: 'kv', version: 2, ...at } },
    { vault_secret: { mount: 'kv', path: 'app', data: { password }, ...at } },
    { vault_policy: { name: 'app', policy: 'path "kv/*" { capabilities = ["read"] }', ...at } },
  ]
  const checked = told(lab, 'check', 'h1', tasks, server)
  const applied = told(lab, 'apply', 'h1', tasks, server)
  assert.equal(applied.lines, checked.lines)
  assert.equal(applied.lines, [
    'ok ',
    'changed mount kv at kv/ (version 2)',
    'changed write kv/app (password)',
    'changed make policy app',
  ])
  const again = told(lab, 'apply', 'h1', tasks, server)
  assert.equal(
    again.lines,
    tasks.map(() => 'ok '),
  )
  // the API is no trip of the shell
  assert.ok(again.trips <= 1, `${again.trips} trips`)

  // a stream at rest is not written to behind a change of the host, which may have ended what answered on it
  const behind = [
    { file: { path: '/srv/before', state: 'directory' } },
    { vault_policy: { name: 'behind', policy: 'path "kv/*" { capabilities = ["list"] }', address: server.api } },
  ]
  assert.equal(told(lab, 'apply', 'h1', behind, server).lines, [
    'changed create directory /srv/before',
    'changed make policy behind',
  ])

  // what was restarted is asked again once it runs, and waited for by nobody but the playbook
  const restart = [
    { systemd_unit: { name: 'openbao', state: 'restarted' } },
    { wait_for: { url: `${server.api}/v1/sys/health` } },
    { vault_policy: { name: 'app', policy: 'path "kv/*" { capabilities = ["list"] }', ...at } },
  ]
  assert.match(told(lab, 'check', 'h1', restart, server).lines[2]!, /^unknown .*: (systemctl restart|wait for)/)
  assert.is(told(lab, 'apply', 'h1', restart, server).lines[2], 'changed change policy app')

  const wrong = [{ vault_policy: { name: 'app', policy: 'x', address: at.address } }]
  assert.match(told(lab, 'apply', 'h1', wrong, server).lines[0]!, /nobody who is believed signed the certificate/)
  onHost(lab, 'h1', 'systemctl stop openbao')
  assert.match(told(lab, 'apply', 'h1', tasks.slice(1), server).lines[0]!, /failed : 127\.77\.\d+\.11:18243 .*refused/)
}

labSuite(1, [['what a server keeps, over TLS, through a real sshd', overTls]], whyNoServers, {
  secrets: () => ({ pin: token.pin, password, ...(rootToken === undefined ? {} : { rootToken }) }),
  // VAULT_TOKEN
  environments: { rootToken: ['dist/main.js'] },
})
