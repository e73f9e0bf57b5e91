import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'

/** A user as `getent passwd` knows it. In a prediction undefined means not to be known before. */
export interface Account {
  readonly name: string
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly comment: string
  readonly home: string | undefined
  readonly shell: string | undefined
  /** Names of the groups that list it as a member, sorted; its primary group only where that lists it too. */
  readonly groups: readonly string[] | undefined
  /** The name of its primary group. */
  readonly group: string | undefined
  /** The password's hash, where it was asked for and the shadow file may be read; never to be shown. */
  readonly password: string | undefined
  /** Days since 1970 when the account ends; undefined where it does not, nobody asked, or nobody may know. */
  readonly expires: number | undefined
}

export interface AccountQuestion {
  readonly name: string
  /** With what only the shadow file says: that takes a process more. */
  readonly shadow: boolean
}

export function account(name: string, shadow = false): Read<Account | undefined> {
  return read(accountKind, { name, shadow })
}

export interface Group {
  readonly name: string
  readonly gid: number | undefined
  readonly members: readonly string[] | undefined
}

/** A group by its name, or by its number as text. */
export function group(name: string): Read<Group | undefined> {
  return read(groupKind, name)
}

const getent = `E() { if command -v getent >/dev/null 2>&1; then getent "$@"; else b=$1; shift; cat "/etc/$b"; fi; }`

function accountScript(questions: readonly AccountQuestion[], sh: Shell): string {
  const names = [...new Set(questions.map((q) => q.name))]
  const deep = questions.filter((q) => q.shadow).map((q) => q.name)
  return `${getent}
E passwd -- ${sh.words(names)} >&3; printf '\\0' >&3; E group >&3; printf '\\0' >&3
${deep.length === 0 ? ':' : `E shadow -- ${sh.words(deep)} >&3 2>/dev/null`}`
}

function parseAccounts(output: Buffer, questions: readonly AccountQuestion[]): (Account | undefined)[] {
  const [users = '', groups = '', shadows = ''] = fromBytes(output).split('\0')
  const all = parseGroups(groups)
  const rows = new Map(lines(users).map((l) => [l[0]!, l]))
  const shadow = new Map(lines(shadows).map((l) => [l[0]!, l]))
  return questions.map(({ name, shadow: deep }): Account | undefined => {
    const row = rows.get(name)
    if (!row) return undefined
    const gid = Number(row[3])
    const secrets = deep ? shadow.get(name) : undefined
    const expires = secrets?.[7]
    return {
      name,
      uid: Number(row[2]),
      gid,
      comment: row[4] ?? '',
      home: row[5] ?? '',
      shell: row[6] ?? '',
      groups: all
        .filter((g) => g.members?.includes(name))
        .map((g) => g.name)
        .sort(),
      group: all.find((g) => g.gid === gid)?.name,
      password: secrets?.[1],
      expires: expires === undefined || expires === '' ? undefined : Number(expires),
    }
  })
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => l.split(':'))
}

function parseGroups(text: string): Group[] {
  return lines(text).map(([name, , gid, members]) => ({
    name: name!,
    gid: Number(gid),
    members: (members ?? '').split(',').filter((m) => m !== ''),
  }))
}

/** The first of the named fields that was predicted and is another one now. */
export function fieldDifference<T extends object>(
  fields: readonly (keyof T & string)[],
  predicted: T,
  actual: T,
): string | undefined {
  const text = (v: unknown) => (v === undefined ? 'none' : Array.isArray(v) ? v.join(', ') || 'none' : String(v))
  for (const f of fields) {
    const [want, is] = [predicted[f], actual[f]]
    if (want !== undefined && text(want) !== text(is)) return `its ${f} was to be ${text(want)}, it is ${text(is)}`
  }
  return undefined
}

function existence<T>(what: string, fields: (p: T, a: T) => string | undefined) {
  return (p: T | undefined, a: T | undefined): string | undefined => {
    if (p !== undefined && a !== undefined) return fields(p, a)
    if ((p === undefined) === (a === undefined)) return undefined
    return p === undefined ? `the ${what} was to be gone, it is there` : `the ${what} was to be there, it is not`
  }
}

export const accountKind: ReadKind<AccountQuestion, Account | undefined> = {
  name: 'account',
  inline: true,
  key: ({ name, shadow }) => (shadow ? `${name} with shadow` : name),
  script: accountScript,
  parse: parseAccounts,
  difference: existence('user', (p: Account, a: Account) =>
    fieldDifference(['uid', 'comment', 'home', 'shell', 'group', 'groups'], p, a),
  ),
}

export const groupKind: ReadKind<string, Group | undefined> = {
  name: 'group',
  inline: true,
  key: (name) => name,
  script: (names, sh) => `${getent}\nE group -- ${sh.words(names)} >&3`,
  parse: (output, names) => {
    const all = parseGroups(fromBytes(output))
    return names.map((name) => all.find((g) => g.name === name || String(g.gid) === name))
  },
  difference: existence('group', (p: Group, a: Group) => fieldDifference(['gid'], p, a)),
}
