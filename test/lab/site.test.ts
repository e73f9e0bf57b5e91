import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { runbook } from './runbook.ts'
import { makeSite } from './site.ts'

// The guide as playbooks/site.yml, on real hosts, as a customer would meet it.

const skip = canBootLab()
const check = skip === undefined ? test : test.skip
// a line for each of the two
if (skip !== undefined) console.log(`SKIP ${skip}\nSKIP ${skip}`)

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

  run(command: string, ...options: string[]) {
    const reach = ['-i', this.#inventory, '--known-hosts', this.lab.knownHostsFile]
    const done = runbook([command, 'playbooks/site.yml', ...reach, ...options])
    this.said.push(done.stdout, done.stderr)
    return done
  }

  events(command: string, status: number, ...options: string[]): Event[] {
    const done = this.run(command, '--output', 'ndjson', ...options)
    assert.is(done.status, status, `${command}: ${done.stdout.slice(-3000)}${done.stderr}`)
    const lines = done.stdout.trim().split('\n')
    return lines.map((l) => JSON.parse(l) as Event)
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
const recap = (events: readonly Event[]) => Object.values(events.at(-1)!.hosts)

const pid = 'systemctl show --property=MainPID --value vault'
const touched = 'find /etc /usr /root /home /opt /srv -xdev -cnewer /run/mark'

check(
  'the guide on real hosts: check, apply, twice, broken, repaired, rebooted, a lost restart made up for',
  async () => {
    const lab = await bootLab(2)
    try {
      const site = new Site(lab)
      assert.is(site.run('validate').status, 0)

      site.on('h1', 'touch /run/mark')
      const checked = site.events('check', 2, '--diff')
      assert.is(site.on('h1', touched), '', 'check changes nothing')
      assert.ok(recap(checked).every((c) => c.changed >= 12 && c.failed === 0 && c.unknown === 0))

      const applied = site.events('apply', 0, '--diff')
      assert.equal(changes(applied), changes(checked), 'apply does what check said')
      assert.match(site.on('h1', 'cat /etc/vault.d/vault.hcl'), /x64\/OpenSSL-1\.1\.x\/libfxpkcs11\.so/)
      assert.is(site.on('h1', 'getcap /usr/local/bin/vault'), '/usr/local/bin/vault cap_ipc_lock=ep\n')
      const modes =
        'stat -c "%a %U:%G" /etc/fxpkcs11.cfg /etc/vault.d/vault.env /etc/vault.d/PKI.p12 /etc/vault.d/vault.hcl'
      assert.is(site.on('h1', modes), '600 vault:vault\n600 root:root\n600 vault:vault\n640 vault:vault\n')
      assert.match(site.on('h1', `tr '\\0' '\\n' </proc/$(${pid})/environ`), `VAULT_HSM_PIN=${secrets.pin}\n`)
      assert.match(site.on('h1', 'cat /etc/fxpkcs11.cfg'), `<PROD-TLS-KEY-PASS> ${secrets.keyPassword} </`)

      const again = site.events('apply', 0)
      assert.equal(changes(again), [])
      assert.ok(
        recap(again).every((c) => c.changed === 0 && c.trips <= 1),
        JSON.stringify(recap(again)),
      )
      assert.equal(changes(site.events('check', 0)), [])

      site.on(
        'h2',
        "sed -i 's/ui .*/ui = false/' /etc/vault.d/vault.hcl; chmod 0644 /etc/fxpkcs11.cfg; systemctl stop vault",
      )
      const broken = site.run('check', '--diff')
      assert.is(broken.status, 2)
      assert.match(broken.stdout, /would change h2: fxpkcs11 : the configuration\n\s+set mode 0600/)
      assert.match(broken.stdout, /would change h2: Vault : the configuration/)
      assert.match(broken.stdout, /-ui = false\n/)
      assert.match(broken.stdout, /would change h2: Vault : the service\n\s+systemctl start vault/)
      assert.not.match(broken.stdout, /would change h1/)
      site.events('apply', 0)
      assert.is(site.on('h2', 'systemctl is-active vault'), 'active\n')

      await lab.reboot('h2')
      await waitForService(site, 'h2')
      assert.equal(changes(site.events('check', 0)), [], 'all is there after a reboot')

      const old = site.on('h1', pid)
      // the run fails behind a change that wants a restart, and before the restart
      const moved = ['-l', 'h1', '-e', 'hsm_address=127.0.0.9']
      site.events('apply', 1, ...moved, '-e', 'vault_checksum=abc123')
      assert.match(site.on('h1', 'cat /etc/fxpkcs11.cfg'), /127\.0\.0\.9/)
      assert.is(site.on('h1', pid), old, 'no restart yet')
      const lost = ['h1 Vault : the service: systemctl restart vault.service']
      assert.equal(changes(site.events('check', 2, ...moved)), lost)
      assert.equal(changes(site.events('apply', 0, ...moved)), lost)
      assert.is.not(site.on('h1', pid), old, 'the next run makes up for it')
      site.events('check', 0, ...moved)

      for (const text of site.said)
        for (const secret of Object.values(secrets))
          for (const form of [secret, JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('base64')])
            assert.not.ok(text.includes(form), `a secret can be read in: ${text.slice(0, 200)}`)
    } finally {
      lab.stop()
    }
  },
)

check('what a customer may get wrong is said before anything is done to a host, or names what is wrong', async () => {
  const lab = await bootLab(1)
  try {
    const site = new Site(lab)
    const says = (status: number, pattern: RegExp, ...options: string[]) => {
      const done = site.run('check', ...options)
      assert.is(done.status, status, done.stdout + done.stderr)
      assert.match(done.stdout + done.stderr, pattern)
    }
    says(1, /failed h1: fxpkcs11 : the library\n\s+the checksum of .*, not abc123/, '-e', 'fxpkcs11_checksum=abc123')
    const vars = JSON.stringify({ fxpkcs11_archive: `${lab.dir}/files/vault.zip`, fxpkcs11_checksum: null })
    says(1, /is no archive of the library[\s\S]*it holds vault/, '-e', vars)
    says(1, /there is no nowhere\.tar\.gz on the controller/, '-e', 'fxpkcs11_archive=nowhere.tar.gz')
    says(4, /`hsm_pin` has to be a string[\s\S]*write it in quotes/, '-e', '{"vault_hsm_pin": 12345678}')
    says(4, /`hsm_pin` has to have at least 4 characters/, '-e', 'vault_hsm_pin=abc')
    says(4, /`port` has to be at most 65535/, '-e', 'hsm_port=91000')
    const open = JSON.stringify({ vault_listener: [{ tcp: { address: '0.0.0.0:8200', tls_disable: true } }] })
    says(2, /warning\[module\] h1: the listener at 0\.0\.0\.0:8200 takes plain HTTP/, '-e', open)
    says(2, /warning\[module\] h1: storage at \/tmp\/vault/, '-e', 'vault_data_dir=/tmp/vault')
    says(4, /no host or group: elsewhere/, '-l', 'elsewhere')
  } finally {
    lab.stop()
  }
})

async function waitForService(site: Site, host: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (site.lab.run(host, ['systemctl', 'is-active', 'vault']).stdout === 'active\n') return
    await new Promise((r) => setTimeout(r, 200))
  }
  throw new Error(`${host}: ${site.lab.run(host, ['journalctl', '-n', '20', '-u', 'vault']).stdout}`)
}

test.run()
