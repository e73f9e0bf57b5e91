import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newAuthority } from '../host/certificates.ts'
import { startEnterprise } from '../vault/enterprise.ts'
import { baoRelease, whyNoServers } from './bao.ts'
import { untilHealth } from './bao-server.ts'
import { untilAllVote } from './cluster-rig.ts'
import { putTokensBack, takeTokensAway } from './hsm.ts'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { startRunbook } from './runbook.ts'
import { makeSite } from './site.ts'

// The guide as playbooks/site.yml, on real hosts, as a customer would meet it.

const skip = canBootLab() ?? whyNoServers()

function labTest(name: string, hosts: number, run: (lab: Lab) => Promise<void>): void {
  if (skip !== undefined) {
    console.log(`SKIP ${name}: ${skip}`)
    test.skip(name)
  } else
    test(name, async () => {
      const lab = await bootLab(hosts)
      try {
        await run(lab)
      } finally {
        lab.stop()
      }
    })
}

const secrets = { pin: 'canary"$PIN`4711\\x', keyPassword: "canary-key'pass$&4711" }

interface Event {
  readonly event: string
  readonly host: string
  readonly task: string
  readonly status: string
  readonly changes: readonly string[]
  readonly hosts: Readonly<Record<string, { changed: number; failed: number; unknown: number; trips: number }>>
}

/** Runs the command line on the site, and keeps all it says. */
class Site {
  readonly said: string[] = []
  readonly lab: Lab
  readonly #inventory: string
  constructor(lab: Lab) {
    this.lab = lab
    this.#inventory = makeSite(lab, secrets)
  }

  async run(command: string, ...options: string[]) {
    const reach = ['-i', this.#inventory, '--known-hosts', this.lab.knownHostsFile]
    const done = await startRunbook([command, 'playbooks/site.yml', ...reach, ...options]).ended
    this.said.push(done.stdout, done.stderr)
    return done
  }

  async events(command: string, status: number, ...options: string[]): Promise<Event[]> {
    const done = await this.run(command, '--output', 'ndjson', ...options)
    assert.is(done.status, status, `${command}: ${done.stdout.slice(-3000)}${done.stderr}`)
    const lines = done.stdout.trim().split('\n')
    return lines.map((l) => JSON.parse(l) as Event)
  }

  /** Looks at all with playbooks/verify.yml, as check and as apply: neither changes anything. */
  async verify(status: number, ...options: string[]): Promise<string> {
    const reach = ['-i', this.#inventory, '--known-hosts', this.lab.knownHostsFile, ...options]
    for (const { name } of this.lab.hosts) this.on(name, 'touch /run/mark')
    for (const command of ['check', 'apply']) {
      const done = await startRunbook([command, 'playbooks/verify.yml', ...reach]).ended
      this.said.push(done.stdout, done.stderr)
      assert.is(done.status, status, `${command}: ${done.stdout}${done.stderr}`)
      assert.not.match(done.stdout, /^(changed|would change|unknown)/m)
    }
    for (const { name } of this.lab.hosts) assert.is(this.on(name, touched), '', `verify changes nothing on ${name}`)
    return this.said.slice(-2).join('')
  }

  /** The root token, as it was kept. */
  token(): string {
    return (JSON.parse(readFileSync(join(this.lab.dir, 'vault-keys.json'), 'utf8')) as { root_token: string })
      .root_token
  }

  url(host: string): string {
    return `http://${this.lab.hosts.find((h) => h.name === host)!.address}:8200`
  }

  async unsealed(host: string): Promise<void> {
    const until = this.lab.hosts.length > 1 ? [200, 429] : [200]
    await untilHealth(this.lab, host, this.url(host), until)
  }

  async api(
    host: string,
    path: string,
    token: string,
    body?: object | 'delete',
  ): Promise<{ data?: { word?: string } }> {
    const method = body === undefined ? 'GET' : body === 'delete' ? 'DELETE' : 'POST'
    const more = typeof body === 'object' ? { body: JSON.stringify(body) } : {}
    const said = await fetch(`${this.url(host)}/v1/${path}`, { method, headers: { 'x-vault-token': token }, ...more })
    assert.ok(said.ok, `${path}: ${said.status}`)
    const text = await said.text()
    return text === '' ? {} : (JSON.parse(text) as { data?: { word?: string } })
  }

  /** No secret is in what was said, nor in a journal, the arguments or the environment of a process. */
  leaksNothing(token: string): void {
    const kept = JSON.parse(readFileSync(join(this.lab.dir, 'vault-keys.json'), 'utf8')) as { keys: string[] }
    const all = [...Object.values(secrets), token, ...kept.keys]
    const forms = all.flatMap((s) => [
      s,
      JSON.stringify(s).slice(1, -1),
      Buffer.from(s).toString('base64'),
      encodeURIComponent(s),
    ])
    const journals = this.lab.hosts.map(({ name }) => this.on(name, 'journalctl --no-pager'))
    const processes = this.lab.hosts.map(({ name }) => this.on(name, 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ'))
    for (const text of [...this.said, ...journals, ...processes])
      for (const form of forms) assert.not.ok(text.includes(form), `a secret can be read in: ${text.slice(0, 200)}`)
  }

  on(host: string, script: string): string {
    const done = this.lab.run(host, ['sh', '-c', script])
    assert.is(done.status, 0, `${script}: ${done.stderr}`)
    return done.stdout
  }
}

/** What would change or changed, host by host in order. */
const changes = (events: readonly Event[]) =>
  events
    .filter((e) => e.event === 'task' && e.status === 'changed')
    .map((e) => `${e.host} ${e.task}: ${e.changes.join('; ')}`)
    .sort()
/** What check can not know, host and task. */
const unknown = (events: readonly Event[]) =>
  events
    .filter((e) => e.event === 'task' && e.status === 'unknown')
    .map((e) => `${e.host} ${e.task}`)
    .sort()
const recap = (events: readonly Event[]) => Object.values(events.at(-1)!.hosts)

const pid = 'systemctl show --property=MainPID --value vault'
const touched = 'find /etc /usr /root /home /opt /srv -xdev -cnewer /run/mark'

labTest(
  'one host: from bare to a server on an HSM; twice, broken, restarted, rebooted, its token away',
  1,
  async (lab) => {
    const site = new Site(lab)
    assert.is((await site.run('validate')).status, 0)

    site.on('h1', 'touch /run/mark')
    const checked = await site.events('check', 2, '--diff')
    assert.is(site.on('h1', touched), '', 'check changes nothing')
    const applied = await site.events('apply', 0, '--diff')
    const made = changes(applied)
    const foreseen = changes(checked)
    assert.equal(
      made.filter((c) => !unknown(checked).some((u) => c.startsWith(`${u}: `))),
      foreseen,
      'apply does what check said',
    )
    assert.equal(unknown(checked), [
      'h1 HSM key : the key of the seal',
      'h1 entropy : a key',
      'h1 entropy : transit',
      'h1 init : it is initialised and unsealed',
      'h1 seal wrap : a mount with',
      'h1 seal wrap : a mount without',
    ])

    assert.match(site.on('h1', 'cat /etc/vault.d/vault.hcl'), /x64\/OpenSSL-1\.1\.x\/libfxpkcs11\.so/)
    assert.is(site.on('h1', 'getcap /usr/local/bin/bao'), '/usr/local/bin/bao cap_ipc_lock=ep\n')
    const modes =
      'stat -c "%a %U:%G" /etc/fxpkcs11.cfg /etc/credstore/vault.hsm-pin /etc/vault.d/PKI.p12 /etc/vault.d/vault.hcl'
    assert.is(site.on('h1', modes), '600 vault:vault\n600 root:root\n600 vault:vault\n640 vault:vault\n')
    assert.match(site.on('h1', 'cat /etc/fxpkcs11.cfg'), `<PROD-TLS-KEY-PASS> ${secrets.keyPassword} </`)
    assert.not.match(site.on('h1', `tr '\\0' '\\n' </proc/$(${pid})/environ`), secrets.pin)
    await site.unsealed('h1')

    const again = await site.events('apply', 0)
    assert.equal(changes(again), [])
    assert.ok(
      recap(again).every((c) => c.changed === 0 && c.trips <= 3),
      JSON.stringify(recap(again)),
    )
    assert.equal(changes(await site.events('check', 0)), [])
    await site.verify(0)

    const key = site.token()
    const kept = async () => (await site.api('h1', 'kv-unwrapped/kept', key)).data?.word
    await site.api('h1', 'kv-unwrapped/kept', key, { word: 'kept' })
    site.on('h1', 'systemctl stop vault; systemctl start vault')
    await site.unsealed('h1')
    assert.is(await kept(), 'kept')
    await lab.reboot('h1')
    await site.unsealed('h1')
    assert.is(await kept(), 'kept')
    assert.equal(changes(await site.events('check', 0)), [], 'all is there after a reboot')

    site.on(
      'h1',
      "sed -i 's/ui .*/ui = false/' /etc/vault.d/vault.hcl; chmod 0644 /etc/fxpkcs11.cfg; systemctl stop vault",
    )
    const broken = await site.run('check', '--diff')
    assert.is(broken.status, 2)
    assert.match(broken.stdout, /would change h1: fxpkcs11 : the configuration\n\s+set mode 0600/)
    assert.match(broken.stdout, /would change h1: Vault : the configuration/)
    assert.match(broken.stdout, /would change h1: Vault : the service\n\s+systemctl start vault/)
    await site.events('apply', 0)
    await site.unsealed('h1')

    takeTokensAway(lab, 'h1')
    assert.match(await site.verify(1), /failed h1: the HSM, its token, and the keys of the seal\n\s+.*(CKR_|token)/)
    putTokensBack(lab, 'h1')
    await site.verify(0)

    const old = site.on('h1', pid)
    // the run fails behind a change that wants a restart, and before the restart
    const moved = ['-e', 'hsm_address=127.0.0.9']
    await site.events('apply', 1, ...moved, '-e', `vault_checksum=${'0'.repeat(64)}`)
    assert.match(site.on('h1', 'cat /etc/fxpkcs11.cfg'), /127\.0\.0\.9/)
    assert.is(site.on('h1', pid), old, 'no restart yet')
    const lost = ['h1 Vault : the service: systemctl restart vault.service']
    assert.equal(changes(await site.events('apply', 0, ...moved)), lost)
    assert.is.not(site.on('h1', pid), old, 'the next run makes up for it')
    await site.events('check', 0, ...moved)

    // behind https, signed by an authority of one's own
    const { address } = lab.hosts[0]!
    const authority = newAuthority()
    const issued = authority.issue(`IP:${address}`)
    const [tls, ca] = [join(lab.hosts[0]!.root, 'etc/vault.d'), join(lab.dir, 'ca.pem')]
    writeFileSync(join(tls, 'tls.crt'), issued.cert)
    writeFileSync(join(tls, 'tls.key'), issued.key, { mode: 0o644 })
    writeFileSync(ca, authority.ca)
    const files = { tls_cert_file: '/etc/vault.d/tls.crt', tls_key_file: '/etc/vault.d/tls.key' }
    const secure = (vault_ca_cert: string | null) => {
      const vault_listener = [{ tcp: { address: `${address}:8200`, cluster_address: `${address}:8201`, ...files } }]
      return [
        ...moved,
        '-e',
        JSON.stringify({ vault_listener, vault_api_addr: `https://${address}:8200`, vault_ca_cert }),
      ]
    }
    await site.events('apply', 0, ...secure(ca))
    assert.equal(changes(await site.events('check', 0, ...secure(ca))), [])
    await site.verify(0, ...secure(ca))
    assert.match(
      await site.verify(1, ...secure(null)),
      /failed h1: Vault is unsealed\n\s+nobody who is believed signed/,
    )
    site.leaksNothing(key)
  },
)

labTest('three hosts: a cluster, of which one is initialised and the others join', 3, async (lab) => {
  const site = new Site(lab)
  const checked = await site.events('check', 2)
  const applied = await site.events('apply', 0)
  assert.equal(
    changes(applied).filter((c) => !unknown(checked).some((u) => c.startsWith(`${u}: `))),
    changes(checked),
  )
  // the library that the HSM is asked through is not there yet, nor the server that is asked for its mounts
  assert.equal(unknown(checked), [
    'h1 entropy : a key',
    'h1 entropy : transit',
    'h1 init : it is initialised and unsealed',
    'h1 seal wrap : a mount with',
    'h1 seal wrap : a mount without',
    'h1 the PIN is right',
    'h2 init : it is initialised and unsealed',
    'h2 the PIN is right',
    'h3 init : it is initialised and unsealed',
    'h3 the PIN is right',
  ])
  for (const { name } of lab.hosts) await site.unsealed(name)
  const key = site.token()
  const peers = await site.api('h2', 'sys/storage/raft/configuration', key)
  const servers = (peers.data as unknown as { config: { servers: { node_id: string }[] } }).config.servers
  assert.equal(servers.map((s) => s.node_id).sort(), ['h1', 'h2', 'h3'])
  const again = await site.events('apply', 0)
  assert.equal(changes(again), [])
  assert.ok(
    recap(again).every((c) => c.trips <= 3),
    JSON.stringify(recap(again)),
  )
  await untilAllVote(site.url('h1'), key, 3)
  await site.verify(0)
  await lab.reboot('h3')
  await site.unsealed('h3')
  assert.equal(changes(await site.events('check', 0)), [])

  // a wrong PIN is tried once by all of them together, and no server gets it
  const pids = () => lab.hosts.map(({ name }) => site.on(name, pid))
  const before = pids()
  const wrong = (await site.run('apply', '-e', 'vault_hsm_pin=not-the-one')).stdout
  assert.is(wrong.match(/the login failed: the PIN is wrong/g)?.length, 1, wrong)
  assert.is(wrong.match(/the token refused a PIN before in this run, and this one was not tried/g)?.length, 2, wrong)
  assert.equal(pids(), before)
  assert.match((await site.run('apply')).stdout, /counts wrong PINs since the last login: it was not tried/)
  assert.equal(changes(await site.events('apply', 0, '-e', 'hsm_risk_lockout=true')), [])
  assert.equal(pids(), before)
  await withEnterprise(site, key)
  site.leaksNothing(key)
})

/** The mounts as declared, by the stand-in before the first of a cluster: raft shows nothing at rest. */
async function withEnterprise(site: Site, token: string): Promise<void> {
  const url = site.url('h1')
  const listen = new URL(url).hostname
  const enterprise = await startEnterprise({
    address: url,
    dataDir: '/nowhere',
    storage: join(site.lab.dir, 'wrapped'),
    listen,
  })
  try {
    for (const mount of ['kv-seal-wrapped', 'transit']) await site.api('h1', `sys/mounts/${mount}`, token, 'delete')
    const vars = { vault_enterprise: true, vault_entropy: false, vault_address: enterprise.address }
    const as = ['-e', JSON.stringify(vars)]
    await site.events('apply', 0, ...as)
    assert.equal(changes(await site.events('apply', 0, ...as)), [])
    await site.verify(0, ...as)
  } finally {
    await enterprise.close()
  }
}

labTest('with what only Vault Enterprise has, by a stand-in in front of the real server', 1, async (lab) => {
  const site = new Site(lab)
  await site.events('apply', 0)
  const { address } = lab.hosts[0]!
  const wrongly = await site.run('apply', '-e', 'vault_enterprise=true', '-e', 'vault_entropy=false')
  assert.is(wrongly.status, 1)
  assert.match(wrongly.stdout, /failed h1: seal wrap : a mount with\n\s+.*(seal_wrap|Enterprise)/)
  const storage = join(lab.hosts[0]!.root, 'var/lib/wrapped')
  const enterprise = await startEnterprise({
    address: `http://${address}:8200`,
    dataDir: join(lab.hosts[0]!.root, 'var/lib/vault'),
    storage,
    listen: address,
  })
  try {
    const vars = {
      vault_enterprise: true,
      vault_entropy: false,
      vault_address: enterprise.address,
      vault_storage_seen: '/var/lib/wrapped',
    }
    const as = ['-e', JSON.stringify(vars)]
    for (const mount of ['kv-seal-wrapped', 'transit'])
      await site.api('h1', `sys/mounts/${mount}`, site.token(), 'delete')
    await site.events('apply', 0, ...as)
    assert.equal(changes(await site.events('apply', 0, ...as)), [])
    await site.verify(0, ...as)
    enterprise.hsm = false
    assert.match(await site.verify(1, ...as), /randomness of the HSM\n\s+.*CKR_TOKEN_NOT_PRESENT/)
    enterprise.hsm = true
    await site.verify(0, ...as)
  } finally {
    await enterprise.close()
  }
})

labTest(
  'what a customer may get wrong is said before anything is done to a host, or names what is wrong',
  1,
  async (lab) => {
    const site = new Site(lab)
    const says = async (status: number, pattern: RegExp, ...options: string[]) => {
      const done = await site.run('check', ...options)
      assert.is(done.status, status, done.stdout + done.stderr)
      assert.match(done.stdout + done.stderr, pattern)
    }
    await says(
      1,
      /failed h1: fxpkcs11 : the library\n\s+the checksum of .*, not abc123/,
      '-e',
      'fxpkcs11_checksum=abc123',
    )
    const vars = JSON.stringify({ fxpkcs11_archive: `${baoRelease('2.6.2').zip}`, fxpkcs11_checksum: null })
    await says(1, /is no archive of the library[\s\S]*it holds bao/, '-e', vars)
    await says(1, /there is no nowhere\.tar\.gz on the controller/, '-e', 'fxpkcs11_archive=nowhere.tar.gz')
    await says(4, /`hsm_pin` has to be a string[\s\S]*write it in quotes/, '-e', '{"vault_hsm_pin": 12345678}')
    await says(4, /`hsm_pin` has to have at least 4 characters/, '-e', 'vault_hsm_pin=abc')
    await says(4, /`port` has to be at most 65535/, '-e', 'hsm_port=91000')
    const open = JSON.stringify({ vault_listener: [{ tcp: { address: '0.0.0.0:8200', tls_disable: true } }] })
    await says(2, /warning\[module\] h1: the listener at 0\.0\.0\.0:8200 takes plain HTTP/, '-e', open)
    await says(2, /warning\[module\] h1: storage at \/tmp\/vault/, '-e', 'vault_data_dir=/tmp/vault')
    await says(4, /no host or group: elsewhere/, '-l', 'elsewhere')
  },
)

test.run()
