import { answerEffect, pathEffect } from '../effect.ts'
import { credentialMark, encryptedCredential } from '../reads/credential.ts'
import type { Step } from '../step.ts'
import { rename, temporary } from './beside.ts'
import { newStat, type Place } from './files.ts'

/** Encrypts a value with the host's key, for systemd's LoadCredentialEncrypted of that name, into a file of root alone. */
export function encryptCredential(place: Place, name: string, value: Buffer): Step {
  const summary = `${place.stat ? 'replace' : 'create'} ${place.path}, encrypted with the host's key`
  const attributes = { owner: 'root', group: 'root', mode: 0o600 }
  const stat = newStat('file', attributes, { size: undefined })
  return {
    summary,
    effects: [
      pathEffect(summary, place.real, { to: 'file', stat, bytes: undefined }, place.stat?.type === 'link'),
      answerEffect(encryptedCredential(place.path, name), credentialMark(value)),
    ],
    script: (sh) => `export LC_ALL=C
command -v systemd-creds >/dev/null || { echo "the host has no systemd-creds" >&2; exit 1; }
systemd-creds encrypt --with-key=host --name=${sh.word(name)} ${sh.blob(value)} - >"$d/c" 2>"$d/e" && test -s "$d/c" || { cat "$d/e" >&2; exit 1; }
${temporary(place.path, sh)}
set -C; : >"$t" || exit 1; set +C
dd if="$d/c" of="$t" bs=65536 conv=fsync 2>"$d/dd" && chown root:root "$t" && chmod 0600 "$t" || { head -n 1 "$d/dd" >&2; exit 1; }
${rename}`,
  }
}
