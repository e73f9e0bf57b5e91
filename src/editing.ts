import { type Failure, fail } from './contract.ts'
import type { Content } from './host/reads/content.ts'
import { type Entry, followed } from './host/reads/entry.ts'

/** What is in a file that is to be edited; `content` is undefined where it is not there yet. */
export function edited(
  path: string,
  at: Entry,
  now: Content,
  user: string,
): { readonly content: Buffer | undefined } | Failure {
  const { stat } = followed(at)
  if (stat && stat.type !== 'file') return fail(`${path} is a ${stat.type}, not a file`)
  if (now.denied) return fail(`${path} may not be read by ${user}`, { hint: '`become: true`' })
  return { content: stat && now.bytes }
}
