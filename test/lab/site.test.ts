import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateIdentity } from 'age-encryption'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newAuthority } from '../host/certificates.ts'
import { startEnterprise } from '../vault/enterprise.ts'
import { baoRelease, whyNoServers } from './bao.ts'
import { putTokensBack, takeTokensAway } from './hsm.ts'
import { hunted } from './hunt.ts'
import { bootLab, canBootLab, type Lab } from './lab.ts'
import { changes, newOpener, recap, Site, touched, unknown } from './whole-site.ts'

// The guide as playbooks/site.yml, on real hosts, as a customer would meet it.

const skip = canBootLab() ?? whyNoServers()

/** No secret of the site is anywhere but where it belongs, while and after each. */
function labTest(name: string, hosts: number, run: (site: Site, lab: Lab) => Promise<void>, encrypted = false): void {
  if (skip !== undefined) {
    console.log(`SKIP ${name}: ${skip}`)
    test.skip(name)
  } else
    test(name, async () => {
      const lab = await bootLab(hosts)
      try {
        const site = new Site(lab, encrypted ? await newOpener(lab) : undefined)
        await hunted({ labs: [lab], secrets: () => site.secrets() }, () => run(site, lab))
      } finally {
        lab.stop()
      }
    })
}

const pid = 'systemctl show --property=MainPID --value vault'

labTest(
  'one host: from bare to a server on an HSM; twice, broken, restarted, rebooted, its token away',
  1,
  async (site, lab) => {
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
    assert.match(site.on('h1', 'cat /etc/fxpkcs11.cfg'), `<PROD-TLS-KEY-PASS> ${site.own.keyPassword} </`)
    assert.not.match(site.on('h1', `tr '\\0' '\\n' </proc/$(${pid})/environ`), site.own.pin)
    await site.unsealed('h1')

    const again = await site.events('apply', 0)
    assert.equal(changes(again), [])
    assert.ok(
      recap(again).every((c) => c.changed === 0 && c.trips <= 3),
      JSON.stringify(recap(again)),
    )
    assert.equal(changes(await site.events('check', 0)), [])
    await site.verify(0)

    const key = (await site.kept()).root_token
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
    const broken = await site.run('check', ['--diff'])
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
  },
)

labTest(
  'three hosts: a cluster, of which one is initialised and the others join; its store encrypted',
  3,
  async (site, lab) => {
    const checked = await site.events('check', 2)
    const applied = await site.events('apply', 0)
    // all vote by the time that it ends
    await site.verify(0)
    assert.equal(
      changes(applied).filter((c) => !unknown(checked).some((u) => c.startsWith(`${u}: `))),
      changes(checked),
    )
    // the library that the HSM is asked through is not there yet, nor the server that is asked for its mounts
    assert.equal(unknown(checked), [
      'h1 entropy : a key',
      'h1 entropy : transit',
      'h1 init : it is initialised and unsealed',
      'h1 it takes part in its cluster, and so do all others',
      'h1 seal wrap : a mount with',
      'h1 seal wrap : a mount without',
      'h1 the PIN and the keys of the seal',
      'h2 init : it is initialised and unsealed',
      'h2 it takes part in its cluster, and so do all others',
      'h2 the PIN and the keys of the seal',
      'h3 init : it is initialised and unsealed',
      'h3 it takes part in its cluster, and so do all others',
      'h3 the PIN and the keys of the seal',
    ])
    for (const { name } of lab.hosts) await site.unsealed(name)
    const key = (await site.kept()).root_token
    const peers = await site.api('h2', 'sys/storage/raft/configuration', key)
    const servers = (peers.data as unknown as { config: { servers: { node_id: string }[] } }).config.servers
    assert.equal(servers.map((s) => s.node_id).sort(), ['h1', 'h2', 'h3'])
    await theStoreIsEncrypted(site)
    const again = await site.events('apply', 0)
    assert.equal(changes(again), [])
    assert.ok(
      recap(again).every((c) => c.trips <= 3),
      JSON.stringify(recap(again)),
    )
    await lab.reboot('h3')
    await site.unsealed('h3')
    assert.equal(changes(await site.events('check', 0)), [])

    // a wrong PIN is tried once by all of them together, and no server gets it
    const pids = () => lab.hosts.map(({ name }) => site.on(name, pid))
    const before = pids()
    const wrong = (await site.run('apply', ['-e', 'vault_hsm_pin=not-the-one'])).stdout
    assert.is(wrong.match(/the login failed: the PIN is wrong/g)?.length, 1, wrong)
    assert.is(wrong.match(/the token refused a PIN before in this run, and this one was not tried/g)?.length, 2, wrong)
    assert.equal(pids(), before)
    assert.match((await site.run('apply')).stdout, /counts wrong PINs since the last login: it was not tried/)
    assert.equal(changes(await site.events('apply', 0, '-e', 'hsm_risk_lockout=true')), [])
    assert.equal(pids(), before)
    await withEnterprise(site)

    // a key that is not there is told before any server is restarted: they would unseal by the old one, and fail as they rotate
    const served = pids()
    const other = (await site.run('apply', ['-e', 'vault_key_label=other'])).stdout
    assert.is(
      other.match(/there is no key other on the token\n.*\n {4}fix: the labels there are: hsm_demo/g)?.length,
      3,
      other,
    )
    assert.equal(pids(), served)
    // the key that the HSM knows is not replaced by one that can't be used
    for (const [wrong, why] of [
      ['vault_client_key_password=not-the-one', /the password of .* is wrong/g],
      ['vault_client_p12=/etc/hostname', /\/etc\/hostname is no PKCS #12 file/g],
    ] as const) {
      const { stdout } = await site.run('apply', ['-e', wrong])
      assert.is(stdout.match(why)?.length, 3, stdout)
      assert.not.match(stdout, /^changed /m)
    }
  },
  true,
)

/** Three shares of which two are needed; without what opens it, or with what does not, a run changes nothing, and says what to do. */
async function theStoreIsEncrypted(site: Site): Promise<void> {
  assert.match(readFileSync(site.store, 'utf8'), /^-----BEGIN AGE ENCRYPTED FILE-----\n/)
  assert.is(statSync(site.store).mode & 0o777, 0o600)
  const { keys, threshold } = await site.kept()
  assert.equal([keys.length, threshold], [3, 2])
  const other = join(site.lab.dir, 'other')
  writeFileSync(other, `${await generateIdentity()}\n`, { mode: 0o600 })
  for (const [command, identity, why, fix] of [
    ['check', '', 'it is encrypted, and no age identity was given', ''],
    ['apply', '', 'it is encrypted, and no age identity was given', ''],
    ['check', other, 'it is encrypted to somebody else', `${other} does not open it; `],
    ['apply', `${other}.none`, `the age identity ${other}.none can’t be read: ENOENT`, ''],
  ] as const) {
    const { status, stdout } = await site.run(command, [], identity)
    assert.is(status, 1, stdout)
    assert.ok(stdout.includes(`there is no token in the store ${site.store}: ${why}\n`), stdout)
    assert.match(stdout, new RegExp(`fix: ${fix}name the file .*RUNBOOK_AGE_IDENTITY`))
    assert.match(stdout, /failed h1: seal wrap : a mount with/)
    assert.not.match(stdout, /^(would change|changed) /m)
  }
}

/** The mounts as declared, by the stand-in before the first of a cluster: raft shows nothing at rest. */
async function withEnterprise(site: Site): Promise<void> {
  const url = site.url('h1')
  const listen = new URL(url).hostname
  const enterprise = await startEnterprise({
    address: url,
    dataDir: '/nowhere',
    storage: join(site.lab.dir, 'wrapped'),
    listen,
  })
  try {
    const vars = { vault_enterprise: true, vault_entropy: false, vault_address: enterprise.address }
    const as = ['-e', JSON.stringify(vars)]
    // mounts of before wrap nothing, and can't be told to: the way out that is named, by its variable
    const refused = (await site.run('apply', as)).stdout
    assert.match(
      refused,
      /failed h1: seal wrap : a mount with\n\s+kv-seal-wrapped\/ can't be changed so: .*\n[\s\S]*`recreate: true`/,
    )
    await site.events('apply', 0, ...as, '-e', 'vault_recreate_mounts=true')
    assert.equal(changes(await site.events('apply', 0, ...as)), [])
    await site.verify(0, ...as)
  } finally {
    await enterprise.close()
  }
}

labTest('with what only Vault Enterprise has, by a stand-in in front of the real server', 1, async (site, lab) => {
  await site.events('apply', 0)
  const { address } = lab.hosts[0]!
  const wrongly = await site.run('apply', ['-e', 'vault_enterprise=true', '-e', 'vault_entropy=false'])
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
      await site.api('h1', `sys/mounts/${mount}`, (await site.kept()).root_token, 'delete')
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
  async (site) => {
    const says = async (status: number, pattern: RegExp, ...options: string[]) => {
      const done = await site.run('check', options)
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
    const nowhere =
      /there is no nowhere\.tar\.gz on the controller\n\s+at .*\n\s+fix: looked for \S+\/tasks\/files\/nowhere\.tar\.gz and \S+ and \S*playbooks\/files\/nowhere/
    await says(1, /is no archive of the library[\s\S]*it holds bao/, '-e', vars)
    await says(1, nowhere, '-e', 'fxpkcs11_archive=nowhere.tar.gz')
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
