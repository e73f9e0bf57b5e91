import { Unknown } from '../../unknown.ts'
import { answerEffect, type Effect, pathEffect, unknownEffect } from '../effect.ts'
import { type Account, account, accountKind, type Group, group, groupKind } from '../reads/account.ts'
import type { Shell } from '../shell.ts'
import type { ShellStep, Step } from '../step.ts'
import { tool } from './tool.ts'

/** The account files, which any change of an account rewrites. */
export function accountFiles(because: string): Effect[] {
  return ['/etc/passwd', '/etc/shadow', '/etc/group', '/etc/gshadow', '/etc/subuid', '/etc/subgid'].flatMap((path) =>
    ['', '-'].map((backup) => pathEffect(because, `${path}${backup}`, { to: 'unknown' })),
  )
}

/** Which groups list whom may be other; a group of the account's own name comes and goes with it. */
function groupsAround(because: string, name: string, goes: boolean): Effect {
  const unknown = new Unknown(because)
  return {
    change: (read, answer) => {
      if (read.kind !== groupKind || answer instanceof Unknown) return answer
      const own = read.question === name
      if (answer === undefined) return own || /^\d+$/.test(read.question as string) ? unknown : answer
      return own && goes ? unknown : { ...(answer as Group), members: undefined }
    },
  }
}

/** The account afterwards. What only the shadow file says stays where nobody asked for it. */
function accountEffect(name: string, after: Account | undefined, shadow: boolean): Effect {
  const [plain, deep] = [account(name).key, account(name, true).key]
  return {
    change: (read, answer) => {
      if (read.key === plain) return after
      if (read.key !== deep) return answer
      if (shadow || !after || !answer) return after
      if (answer instanceof Unknown) return answer
      const { password, expires } = answer as Account
      return { ...after, password, expires }
    },
  }
}

/** Who made it meanwhile made it as well: what is there is compared with what was to be. */
function orMadeMeanwhile(step: ShellStep, database: 'passwd' | 'group', name: string): ShellStep {
  const isThere = (sh: Shell) => `{ e=$?; test $e = 9 && getent ${database} ${sh.word(name)} >/dev/null || exit $e; }`
  return { ...step, script: (sh) => `${step.script(sh)} || ${isThere(sh)}` }
}

/** @param after the account as it will be; what nobody can know before is undefined.
 * @param options.paths what may come into being or change: a home directory, a mailbox.
 * @param options.shadow whether `after` is right in what only the shadow file says, too; otherwise that stays. */
export function changeAccount(
  summary: string,
  argv: readonly string[],
  name: string,
  after: Account | undefined,
  options: { paths?: readonly string[]; input?: Buffer; shadow?: boolean } = {},
): Step {
  const { paths = [], input, shadow = true } = options
  const effects = [
    ...accountFiles(summary),
    ...paths.map((path) => pathEffect(summary, path, { to: 'unknown' })),
    groupsAround(summary, name, after === undefined),
    accountEffect(name, after, shadow),
  ]
  // neither program changes who runs something
  const frees = argv[0] === 'userdel' || (argv[0] === 'usermod' && argv.some((a) => a === '-d' || a === '-u'))
  const step = tool(summary, argv, effects, {
    inline: true,
    ...(frees ? { frees: name } : {}),
    ...(input === undefined ? {} : { input }),
  })
  return argv[0] === 'useradd' ? orMadeMeanwhile(step, 'passwd', name) : step
}

/** @param now the group before; undefined for a new one. */
export function changeGroup(
  summary: string,
  argv: readonly string[],
  name: string,
  now: Group | undefined,
  after: Group | undefined,
): Step {
  const effects = [
    ...accountFiles(summary),
    // another number is that of its users too
    unknownEffect(summary, (read) => read.kind === accountKind && now !== undefined),
    unknownEffect(summary, (read) => read.kind === groupKind && /^\d+$/.test(read.question as string)),
    answerEffect(group(name), after),
  ]
  const step = tool(summary, argv, effects, { inline: true })
  return argv[0] === 'groupadd' ? orMadeMeanwhile(step, 'group', name) : step
}

/** Makes the home directory of a user that has none, with what new users get. */
export function makeHome(path: string, user: Account, skeleton: string, at: string): Step {
  const summary = `create home directory ${path}`
  const script = `mode=0755
test ! -r /etc/login.defs || while read -r k v _; do case $k in HOME_MODE) mode=$v; break;; UMASK) mode=$(printf '%o' $((0777 & ~0$v)));; esac; done </etc/login.defs
mkdir -p -- "\${1%/*}/" && if test -d "$4" && test "$4" != /dev/null; then cp -RP -- "$4" "$1"; else mkdir -- "$1"; fi && chown -hR -- "$2:$3" "$1" && chmod "$mode" "$1"`
  const argv = ['sh', '-c', script, 'sh', path, String(user.uid), String(user.gid), skeleton]
  return tool(summary, argv, [pathEffect(summary, at, { to: 'unknown' })], { inline: true })
}
