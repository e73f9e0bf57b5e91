import type { Known } from './contract.ts'
import { parseTagged, tagValues } from './formats/tagged.ts'
import { fromBytes } from './host/bytes.ts'
import type { Read } from './host/read.ts'
import { output, type Said } from './host/reads/command.ts'
import { content } from './host/reads/content.ts'
import { endOf } from './said.ts'

// The log of a PKCS #11 library, which tells why the HSM is not reached where the library's answer does not.

/** Bytes of its end that are looked at. */
const most = 1500

/** The end of the log that a configuration names; undefined where it names none.
 * @param secret is told what else it holds that is never to be shown: the library may log it. */
export function hsmLog(cfg: string, known: Known, secret: (value: string) => void): Read<Said> | undefined {
  const bytes = known(content(cfg))?.bytes
  if (!bytes) return undefined
  const tagged = parseTagged(bytes.toString('latin1'))
  for (const value of tagValues(tagged, 'HSM', 'PROD-TLS-KEY-PASS')) secret(fromBytes(Buffer.from(value, 'latin1')))
  const log = tagValues(tagged, 'HSM', 'LOG-FILE').at(-1)
  if (!log?.startsWith('/')) return undefined
  const path = fromBytes(Buffer.from(log, 'latin1'))
  // anything but a file might never end
  return output(['sh', '-c', 'test -f "$1" && tail -c "$2" -- "$1"', 'sh', path, `${most}`], {}, [path])
}

/** For behind a sentence; empty where there is no log, or it may not be read. */
export function logWords(said: Said | undefined): string {
  const end = said?.status === 0 ? endOf(said.stdout, said.stdout.length === most) : ''
  return end === '' ? '' : `; the end of the library’s log:\n${end}`
}
