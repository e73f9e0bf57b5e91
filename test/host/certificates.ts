import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Issued {
  readonly key: string
  readonly cert: string
}

/** A certificate authority of a test, made by openssl. */
export interface Authority {
  /** PEM. */
  readonly ca: string
  /** @param names as a certificate says them: `IP:127.0.0.1`, `DNS:vault`.
   * @param days until it ends; a negative number for one that is over. */
  readonly issue: (names: string, days?: number) => Issued
  /** One that is not valid yet. */
  readonly issueEarly: (names: string) => Issued
}

const conf = `[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
`

export function newAuthority(): Authority {
  const dir = mkdtempSync(join(tmpdir(), 'authority-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  const openssl = (...args: string[]) => {
    const done = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`openssl ${args[0]}: ${done.stderr}`)
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
  let count = 0
  const issued = (names: string, sign: (n: string) => readonly string[]): Issued => {
    const n = `c${++count}`
    openssl('req', ...key, '-keyout', `${n}.key`, '-out', `${n}.csr`, '-subj', '/CN=test')
    writeFileSync(join(dir, `${n}.ext`), `subjectAltName=${names}\n`)
    openssl(...sign(n), '-in', `${n}.csr`, '-out', `${n}.pem`, '-extfile', `${n}.ext`)
    return { key: readFileSync(join(dir, `${n}.key`), 'utf8'), cert: readFileSync(join(dir, `${n}.pem`), 'utf8') }
  }
  const issue = (names: string, days = 2) => {
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', String(count + 1)]
    return issued(names, () => ['x509', '-req', '-days', String(days), ...signed])
  }
  const issueEarly = (names: string) => {
    writeFileSync(join(dir, 'ca.cnf'), conf)
    writeFileSync(join(dir, 'index'), '')
    const dates = ['-startdate', '20950101000000Z', '-enddate', '20960101000000Z']
    const signed = ['-cert', 'ca.pem', '-keyfile', 'ca.key', ...dates]
    return issued(names, () => ['ca', '-batch', '-notext', '-config', 'ca.cnf', ...signed])
  }
  return { ca: readFileSync(join(dir, 'ca.pem'), 'utf8'), issue, issueEarly }
}
