import { fromBytes } from './host/bytes.ts'
import type { StepEnd } from './host/step.ts'

/** The end of what a program said. It is cut at a line, else at a word: half a secret would not be known as one.
 * @param cut its beginning is missing already. */
export function endOf(said: Buffer, cut = false, most = 2000): string {
  const text = fromBytes(said.subarray(-4 * most)).trim()
  if (!cut && text.length <= most) return text
  const end = text.slice(-most)
  const line = end.indexOf('\n')
  const at = line === -1 ? end.search(/\s/) : line
  return at === -1 ? '…' : `…\n${end.slice(at + 1)}`
}

/** `exit status 1: ` and the end of what it said. */
export function exitStatus({ status, stdout, stderr }: StepEnd, cut = false): string {
  const said = endOf(stderr, cut) || endOf(stdout)
  return `exit status ${status}${said === '' ? '' : said.includes('\n') ? `:\n${said}` : `: ${said}`}`
}
