import { answerEffect, type Effect, pathEffect, unknownEffect } from '../effect.ts'
import { type Account, account, accountKind, type Group, group, groupKind } from '../reads/account.ts'
import type { Step } from '../step.ts'
import { tool } from './tool.ts'

/** The account files, which any change of an account rewrites. */
function accountFiles(because: string): Effect[] {
  return ['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/gshadow', '/etc/subuid', '/etc/subgid'].flatMap((path) =>
    ['', '-'].map((backup) => pathEffect(because, `${path}${backup}`, { to: 'unknown' })),
  )
}

/** A change of one account may change which groups list whom. */
function others(because: string, but: string, kinds: readonly unknown[]): Effect {
  return unknownEffect(because, (read) => kinds.includes(read.kind) && read.question !== but)
}

/** @param after the account as it will be; what nobody can know before is undefined.
 * @param home a directory that may come into being, or change. */
export function changeAccount(
  summary: string,
  argv: readonly string[],
  name: string,
  after: Account | undefined,
  options: { home?: string | undefined; group?: Group | undefined; input?: Buffer } = {},
): Step {
  const { home, input } = options
  const effects = [
    ...accountFiles(summary),
    ...(home === undefined ? [] : [pathEffect(summary, home, { to: 'unknown' })]),
    unknownEffect(summary, (read) => read.kind === groupKind),
    ...(options.group ? [answerEffect(group(options.group.name), options.group)] : []),
    answerEffect(account(name), after),
  ]
  return tool(summary, argv, effects, input === undefined ? {} : { input })
}

export function changeGroup(summary: string, argv: readonly string[], name: string, after: Group | undefined): Step {
  const effects = [
    ...accountFiles(summary),
    others(summary, name, [groupKind]),
    unknownEffect(summary, (read) => read.kind === accountKind && after === undefined),
    answerEffect(group(name), after),
  ]
  return tool(summary, argv, effects)
}

/** Makes the home directory of a user that has none, with what new users get. */
export function makeHome(user: Account): Step {
  const home = user.home!
  const summary = `create home directory ${home}`
  const script = 'test -d /etc/skel && cp -R /etc/skel "$1" || mkdir "$1" && chown -R "$2:$3" "$1" && chmod 0755 "$1"'
  const argv = ['sh', '-c', script, 'sh', home, String(user.uid), String(user.gid)]
  return tool(summary, argv, [pathEffect(summary, home, { to: 'unknown' })])
}
