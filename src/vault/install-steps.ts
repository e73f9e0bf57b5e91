import type { Failure } from '../contract.ts'
import { toBytes } from '../host/bytes.ts'
import type { Account, Group } from '../host/reads/account.ts'
import type { Content } from '../host/reads/content.ts'
import type { Entry } from '../host/reads/entry.ts'
import { nameOf } from '../host/reads/entry.ts'
import { quote } from '../host/shell.ts'
import type { Step } from '../host/step.ts'
import { changeAccount, changeGroup } from '../host/steps/account.ts'
import { placeFile } from '../placing.ts'

// What the installation of a program of Vault or OpenBao needs besides the program.

/** Makes the system user that its server runs as, and the user's group.
 * @param team the group that is there. */
export function vaultAccount(
  user: string,
  { group: g, home, shell }: { readonly group: string; readonly home: string; readonly shell: string },
  now: Account | undefined,
  team: Group | undefined,
): Step[] {
  const grouped = team
    ? []
    : [changeGroup(`add group ${g}`, ['groupadd', '-r', g], g, undefined, { name: g, gid: undefined, members: [] })]
  if (now) return grouped
  const argv = ['useradd', '-r', '-M', '-g', g, '-d', home, '-s', shell, user]
  const after = {
    ...{ name: user, uid: undefined, gid: team?.gid, comment: '', home, shell },
    ...{ groups: [], group: g, password: undefined, expires: undefined },
  }
  return [...grouped, changeAccount(`add user ${user}`, argv, user, after)]
}

/** Has bash complete what the program itself offers: the line that its `-autocomplete-install` gives to one user, for all.
 * @param at undefined: it is not wanted. */
export function vaultCompletion(
  path: string,
  at: Entry | undefined,
  now: Content | undefined,
  umask: string,
): Step[] | Failure {
  if (!at || !now) return []
  const bytes = toBytes(`complete -C ${quote(quote(path))} ${nameOf(path)}\n`)
  const want = { owner: 'root', group: 'root', mode: '0644' }
  return placeFile({ at, now, bytes, want, umask, parents: 'make' })
}
