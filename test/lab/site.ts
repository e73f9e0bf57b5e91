import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packFxpkcs11 } from './fxpkcs11-archive.ts'
import type { Lab } from './lab.ts'
import { packVault } from './vault-archive.ts'

export interface SiteSecrets {
  readonly pin: string
  readonly keyPassword: string
}

/** Writes what playbooks/site.yml wants of a site, below the lab's directory: an inventory with the group `vault`, its
 * variables, and stand-ins for what comes from vendors.
 * @returns the inventory, a folder. */
export function makeSite(lab: Lab, secrets: SiteSecrets = randomSecrets()): string {
  const site = join(lab.dir, 'site')
  const vars = join(site, 'group_vars/vault')
  // an inventory is a folder of YAML: the archives lie beside it
  const files = join(lab.dir, 'files')
  for (const dir of [vars, files]) mkdirSync(dir, { recursive: true })
  const at = (name: string) => join(files, name)
  packFxpkcs11(at('fxpkcs11.tar.gz'))
  packVault(at('vault.zip'))
  writeFileSync(at('PKI.p12'), clientKey(lab, secrets.keyPassword), { mode: 0o600 })
  const main = {
    fxpkcs11_archive: at('fxpkcs11.tar.gz'),
    fxpkcs11_checksum: sha256(at('fxpkcs11.tar.gz')),
    // the library is of this machine's kind
    fxpkcs11_architecture: process.arch === 'x64' ? 'auto' : 'x64',
    // the hosts' OpenSSL is newer than the archive knows: told, not taken for lack of a better one
    fxpkcs11_openssl: 'OpenSSL-1.1.x',
    vault_archive: at('vault.zip'),
    vault_checksum: sha256(at('vault.zip')),
    vault_client_p12: at('PKI.p12'),
    hsm_address: '127.0.0.1',
    hsm_crypto_operator: 'vault',
    // all hosts of the lab share this machine's loopback: each listens on its own address of it
    vault_listener: [{ tcp: { address: '<%= ansible_host %>:8200', tls_disable: true } }],
    vault_api_addr: 'http://<%= ansible_host %>:8200',
  }
  const own = { vault_hsm_pin: secrets.pin, vault_client_key_password: secrets.keyPassword }
  writeFileSync(join(vars, 'main.yml'), yaml(main))
  writeFileSync(join(vars, 'secrets.yml'), yaml(own), { mode: 0o600 })
  const hosts = lab.hosts.map((h) => `    ${h.name}: { ansible_host: ${h.address} }`)
  const lines = ['vault:', '  vars:', '    ansible_user: root', `    ansible_ssh_private_key_file: ${lab.keyFile}`]
  writeFileSync(join(site, 'hosts.yml'), `${[...lines, '  hosts:', ...hosts].join('\n')}\n`)
  return site
}

/** Values as JSON, which YAML is. */
function yaml(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('')
}

function randomSecrets(): SiteSecrets {
  return { pin: randomBytes(9).toString('base64url'), keyPassword: randomBytes(12).toString('base64url') }
}

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

/** A key with a certificate of its own, as PKCS #12, made by a host's OpenSSL. */
function clientKey(lab: Lab, password: string): Buffer {
  const made = lab.run(lab.hosts[0]!.name, ['env', `P12_PASSWORD=${password}`, 'sh', '-c', makeKey])
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`)
  return Buffer.from(made.stdout, 'base64')
}

const makeKey = `d=$(mktemp -d) && trap 'rm -rf "$d"' 0
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /O=Lab/CN=Client -keyout "$d/key" -out "$d/cert" 2>"$d/said" || { cat "$d/said" >&2; exit 1; }
openssl pkcs12 -export -name ClientPki -inkey "$d/key" -in "$d/cert" -passout env:P12_PASSWORD -out "$d/p12" && base64 "$d/p12"`
