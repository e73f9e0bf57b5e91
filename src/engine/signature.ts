import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childEnvironment } from '../child-environment.ts'
import type { Signed } from '../local-read.ts'

const failures: Readonly<Record<string, string>> = {
  BADSIG: 'it is another file that was signed',
  EXPSIG: 'the signature has expired',
  EXPKEYSIG: 'the key that signed it has expired',
  REVKEYSIG: 'the key that signed it was revoked',
  ERRSIG: 'the key that signed it is not among those given',
}

/** Asks gpg, with a keyring of its own that holds nothing but these keys. */
export function verifySignature(file: string, signature: string, key: string): Signed {
  const home = mkdtempSync(join(tmpdir(), 'runbook-gpg-'))
  // no path of the author's is taken for an option
  const names = { file: join(home, 'file'), signature: join(home, 'signature'), key: join(home, 'key') }
  const gpg = (...args: string[]) =>
    spawnSync('gpg', ['--homedir', home, '--batch', '--no-tty', '--no-autostart', '--status-fd', '1', ...args], {
      encoding: 'utf8',
      env: { ...childEnvironment(), LC_ALL: 'C' },
      timeout: 60_000,
    })
  try {
    copyFileSync(file, names.file)
    copyFileSync(signature, names.signature)
    copyFileSync(key, names.key)
    const imported = gpg('--import', names.key)
    if (imported.error) return { problem: 'there is no gpg on the controller', noGpg: true, fingerprints: [] }
    if (!/^\[GNUPG:\] IMPORT_OK /m.test(imported.stdout))
      return { problem: `${key} holds no public key`, fingerprints: [] }
    const { stdout, status } = gpg('--verify', names.signature, names.file)
    const failure = Object.keys(failures).find((word) => new RegExp(`^\\[GNUPG:\\] ${word} `, 'm').test(stdout))
    if (failure !== undefined) return { problem: failures[failure]!, fingerprints: [] }
    const valid = /^\[GNUPG:\] VALIDSIG ([0-9A-F]+)(?: .*? ([0-9A-F]+))?$/m.exec(stdout)
    if (status !== 0 || !valid || !/^\[GNUPG:\] GOODSIG /m.test(stdout))
      return { problem: `${signature} is no signature`, fingerprints: [] }
    return { problem: undefined, fingerprints: [...new Set([valid[1]!, valid[2] ?? valid[1]!])] }
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
