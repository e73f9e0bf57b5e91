import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { baoRelease, kmsPlugin, pluginName } from './bao.ts'
import { packFxpkcs11 } from './fxpkcs11-archive.ts'
import { copyTokens, makeKey, makeToken } from './hsm.ts'
import type { Lab } from './lab.ts'

export interface SiteSecrets {
  readonly pin: string
  readonly keyPassword: string
}

/** Writes what playbooks/site.yml wants of a site, below the lab's directory: an inventory with the group `vault`, its
 * variables, a stand-in for the library of the HSM, and OpenBao: one server with the guide's file storage, or a cluster on
 * raft. Each host gets a token, which is what there would be on the HSM; those of a cluster hold the same key.
 * @param recipient who can open the store (age), which then holds three shares of which two are needed.
 * @returns the inventory, a folder. */
export function makeSite(lab: Lab, secrets: SiteSecrets = randomSecrets(), recipient?: string): string {
  const cluster = lab.hosts.length > 1
  makeTokens(lab, secrets.pin, cluster)
  const site = join(lab.dir, 'site')
  const vars = join(site, 'group_vars/vault')
  // an inventory is a folder of YAML: the archives lie beside it
  const files = join(lab.dir, 'files')
  for (const dir of [vars, files]) mkdirSync(dir, { recursive: true })
  const at = (name: string) => join(files, name)
  packFxpkcs11(at('fxpkcs11.tar.gz'))
  const { zip } = baoRelease(cluster ? '2.7.2' : '2.6.2')
  const plugin = kmsPlugin()
  writeFileSync(at('PKI.p12'), clientKey(lab, secrets.keyPassword), { mode: 0o600 })
  const main = {
    fxpkcs11_archive: at('fxpkcs11.tar.gz'),
    fxpkcs11_checksum: sha256(at('fxpkcs11.tar.gz')),
    // the library is of this machine's kind
    fxpkcs11_architecture: process.arch === 'x64' ? 'auto' : 'x64',
    // the hosts' OpenSSL is newer than the archive knows: told, not taken for lack of a better one
    fxpkcs11_openssl: 'OpenSSL-1.1.x',
    vault_archive: zip,
    vault_checksum: sha256(zip),
    vault_client_p12: at('PKI.p12'),
    hsm_address: '127.0.0.1',
    hsm_crypto_operator: 'vault',
    // SoftHSM2 has no port
    hsm_probe_port: false,
    // all hosts of the lab share this machine's loopback: each listens on its own address of it
    vault_listener: [
      { tcp: { address: '<%= ansible_host %>:8200', cluster_address: '<%= ansible_host %>:8201', tls_disable: true } },
    ],
    vault_api_addr: 'http://<%= ansible_host %>:8200',
    vault_cluster_addr: 'http://<%= ansible_host %>:8201',
    // OpenBao is no Vault Enterprise: it has no seal wrap and no entropy augmentation, and makes no key on the HSM
    vault_enterprise: false,
    vault_seal: { token_label: tokenLabel, key_label: '<%= vault_key_label %>' },
    vault_make_key: !cluster,
    vault_plugins: [{ src: plugin.program, name: pluginName }],
    vault_stanzas: [
      {
        type: 'plugin',
        labels: ['kms', 'pkcs11'],
        body: { command: pluginName, version: 'v0.1.0', sha256sum: plugin.sha256 },
      },
    ],
    vault_store: storeOf(lab, recipient),
    ...(recipient === undefined
      ? { vault_store_plaintext: true, vault_recovery_shares: 1, vault_recovery_threshold: 1 }
      : { vault_store_recipients: [recipient], vault_recovery_shares: 3, vault_recovery_threshold: 2 }),
    ...(cluster ? { vault_storage: raft } : {}),
  }
  const own = { vault_hsm_pin: secrets.pin, vault_client_key_password: secrets.keyPassword }
  writeFileSync(join(vars, 'main.yml'), yaml(main))
  writeFileSync(join(vars, 'secrets.yml'), yaml(own), { mode: 0o600 })
  const hosts = lab.hosts.map((h) => `    ${h.name}: { ansible_host: ${h.address} }`)
  const lines = ['vault:', '  vars:', '    ansible_user: root', `    ansible_ssh_private_key_file: ${lab.keyFile}`]
  writeFileSync(join(site, 'hosts.yml'), `${[...lines, '  hosts:', ...hosts].join('\n')}\n`)
  return site
}

/** Where what the servers of a site hand out is kept. */
export const storeOf = (lab: Lab, recipient?: string) =>
  join(lab.dir, recipient === undefined ? 'vault-keys.json' : 'vault-keys.age')

const tokenLabel = 'vault'

/** Of a host of a cluster. */
const raft = {
  raft: {
    path: '<%= vault_data_dir %>',
    node_id: '<%= inventory_hostname %>',
    performance_multiplier: 1,
    retry_join:
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a playbook's
      '<%= groups.vault.filter(h => h !== inventory_hostname).map(h => ({ leader_api_addr: `http://${hostvars[h].ansible_host}:8200` })) %>',
  },
}

function makeTokens(lab: Lab, pin: string, cluster: boolean): void {
  const token = { label: tokenLabel, pin, soPin: randomBytes(9).toString('hex') }
  const [first, ...others] = lab.hosts.map((h) => h.name)
  makeToken(lab, first!, token)
  if (!cluster) return
  makeKey(lab, first!, token, 'hsm_demo')
  for (const other of others) copyTokens(lab, first!, other)
}

/** Values as JSON, which YAML is. */
function yaml(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('')
}

export function randomSecrets(): SiteSecrets {
  return { pin: randomBytes(9).toString('base64url'), keyPassword: randomBytes(12).toString('base64url') }
}

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

/** A key with a certificate of its own, as PKCS #12, made by a host's OpenSSL. */
function clientKey(lab: Lab, password: string): Buffer {
  const made = lab.run(lab.hosts[0]!.name, ['env', `P12_PASSWORD=${password}`, 'sh', '-c', makeP12])
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`)
  return Buffer.from(made.stdout, 'base64')
}

const makeP12 = `d=$(mktemp -d) && trap 'rm -rf "$d"' 0
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /O=Lab/CN=Client -keyout "$d/key" -out "$d/cert" 2>"$d/said" || { cat "$d/said" >&2; exit 1; }
openssl pkcs12 -export -name ClientPki -inkey "$d/key" -in "$d/cert" -passout env:P12_PASSWORD -out "$d/p12" && base64 "$d/p12"`
