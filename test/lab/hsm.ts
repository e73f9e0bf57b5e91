import { copyFileSync, cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { packFxpkcs11 } from './fxpkcs11-archive.ts'
import type { Lab } from './lab.ts'

/** A token of SoftHSM2 on a host. */
export interface Token {
  readonly label: string
  readonly pin: string
  readonly soPin: string
}

/** Where the guide has the library. In the lab it is SoftHSM2's. */
export const libraryPath = '/usr/local/bin/fxpkcs11/x64/OpenSSL-1.1.x/libfxpkcs11.so'

/** SoftHSM2's own, as Debian has it. */
export const softhsmPath = '/usr/lib/softhsm/libsofthsm2.so'

const tokens = '/var/lib/softhsm/tokens'

/** Runs shell text on a host as root.
 * @returns what it said.
 * @throws Error with what it said where it fails. */
export function onHost(lab: Lab, host: string, script: string): string {
  const done = lab.run(host, ['sh', '-c', script])
  if (done.status !== 0) throw new Error(`${script}: ${done.stdout}${done.stderr}`)
  return done.stdout
}

/** The lab's archive of the library, unpacked where the guide wants it; its configuration is at /etc/fxpkcs11.cfg. */
export function placeLibrary(lab: Lab, host: string): string {
  const archive = join(lab.dir, 'library.tar.gz')
  packFxpkcs11(archive)
  mkdirSync(join(rootOf(lab, host), 'root/library'), { recursive: true })
  copyFileSync(archive, join(rootOf(lab, host), 'root/library/archive.tar.gz'))
  onHost(lab, host, 'tar -xzf /root/library/archive.tar.gz -C /usr/local/bin && rm -r /root/library')
  return libraryPath
}

export function rootOf(lab: Lab, host: string): string {
  return lab.hosts.find((h) => h.name === host)!.root
}

/** Makes a token, and lets every user of the host use what is in it. */
export function makeToken(lab: Lab, host: string, { label, pin, soPin }: Token): void {
  onHost(lab, host, `softhsm2-util --init-token --free --label '${label}' --so-pin '${soPin}' --pin '${pin}'`)
  shareTokens(lab, host)
}

/** Gives a host the tokens of another, with their keys: as if both used one HSM. */
export function copyTokens(lab: Lab, from: string, to: string): void {
  const [source, target] = [from, to].map((host) => join(rootOf(lab, host), tokens))
  cpSync(source!, target!, { recursive: true })
  shareTokens(lab, to)
}

/** SoftHSM2 makes its files for the user alone who runs it. This opens what is there now to all users. */
export function shareTokens(lab: Lab, host: string): void {
  onHost(lab, host, `chmod -R a+rX /etc/softhsm && chmod a+rx /var/lib/softhsm && chmod -R a+rwX ${tokens}`)
}

/** Makes an AES key of 256 bits. A second one of the same label is made when asked for: that breaks a seal. */
export function makeKey(lab: Lab, host: string, token: Token, label: string, id = '01', type = 'AES:32'): void {
  const key = `--keygen --key-type ${type} --label '${label}' --id ${id} --sensitive`
  const login = `--token-label '${token.label}' --login --pin env:LAB_PIN`
  onHost(lab, host, `LAB_PIN='${token.pin}' pkcs11-tool --module ${softhsmPath} ${login} ${key}`)
  shareTokens(lab, host)
}

/** Takes all tokens away from a host, as when the HSM is gone. */
export function takeTokensAway(lab: Lab, host: string): void {
  onHost(lab, host, `mv ${tokens} ${tokens}.away`)
}

export function putTokensBack(lab: Lab, host: string): void {
  onHost(lab, host, `mv ${tokens}.away ${tokens}`)
}
