import { type Failure, fail } from '../contract.ts'
import { nameOf } from '../host/reads/entry.ts'
import type { Signed } from '../local-read.ts'
import { decoded } from './release.ts'

/** What is to vouch for a release's archive. */
export interface Vouchers {
  readonly checksum?: string | undefined
  readonly checksums?: string | undefined
  readonly signature?: string | undefined
  readonly key?: string | undefined
  readonly fingerprint?: string | undefined
  readonly url?: string | undefined
}

/** The checksum that the archive must have, and what vouches for it.
 * @param source the path or the URL of the archive.
 * @param sums the content of `checksums`.
 * @param signed what its signature is worth. */
export function vouchedBy(
  p: Vouchers,
  source: string,
  sums: Buffer | undefined,
  signed: Signed | undefined,
): { readonly sha256: string | undefined; readonly by: string } | Failure {
  const given = p.checksum?.replace(/^sha256:/, '').toLowerCase()
  if (p.signature !== undefined && (p.checksums === undefined || p.key === undefined))
    return fail('`signature` needs `checksums`, which it signs, and the publisher’s `key`')
  if (p.checksums === undefined) {
    if (p.url !== undefined && given === undefined)
      return fail('what is fetched needs `checksum` or `checksums`: nothing else says that it is the release')
    return { sha256: given, by: given === undefined ? 'nothing' : 'checksum' }
  }
  if (!sums) return fail(`there is no ${p.checksums} on the controller`)
  const name = nameOf(`/${decoded(source.replace(/[?#].*$/, ''))}`)
  const line = sums
    .toString('utf8')
    .split('\n')
    .map((l) => /^([0-9a-f]{64}) [ *](.+?)\r?$/.exec(l))
    .find((l) => l?.[2] === name)
  if (!line) return fail(`${p.checksums} has no line for ${name}`)
  if (given !== undefined && given !== line[1])
    return fail(`${p.checksums} says ${line[1]} of ${name}, \`checksum\` ${given}`)
  if (p.signature === undefined) return { sha256: line[1]!, by: 'checksums' }
  if (!signed) return fail(`there is no ${p.signature} or no ${p.key} on the controller`)
  if (signed.problem !== undefined)
    return fail(`the signature of ${p.checksums} could not be verified: ${signed.problem}`, {
      hint: signed.noGpg ? 'install gnupg on the controller, or leave out `signature`' : 'do not use this release',
    })
  const bare = (text: string) => text.replace(/\s|^0x/g, '').toUpperCase()
  if (p.fingerprint !== undefined && !signed.fingerprints.some((f) => f.endsWith(bare(p.fingerprint!))))
    return fail(`${p.checksums} is signed by ${signed.fingerprints.join(' of ')}, not by ${p.fingerprint}`)
  return { sha256: line[1]!, by: `signature of ${signed.fingerprints[0]}` }
}
