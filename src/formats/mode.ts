/** A mode as an author writes it: octal text (`0644`) or symbolic (`u=rwX,g-w,o=`), as Ansible reads it.
 * @param current what symbols start from.
 * @throws RangeError for what is no mode. */
export function parseMode(text: string, current: number, isDirectory: boolean): number {
  if (/^0?o?[0-7]{1,5}$/.test(text)) return Number.parseInt(text.replace('o', ''), 8) & 0o7777
  return text.split(',').reduce((mode, clause) => applyClause(clause, text, mode, current, isDirectory), current)
}

const umaskFree = { u: 0o4700, g: 0o2070, o: 0o1007 } as const
type Who = keyof typeof umaskFree

function applyClause(clause: string, text: string, mode: number, before: number, isDirectory: boolean): number {
  const found = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(clause)
  if (!found) throw new RangeError(`write '0644' or 'u=rw,g=r,o=', not '${text}'`)
  const who = (found[1] === '' || found[1]!.includes('a') ? ['u', 'g', 'o'] : [...new Set(found[1])]) as Who[]
  let now = mode
  for (const [, sign, perms] of found[2]!.matchAll(/([-+=])([rwxXstugo]*)/g))
    for (const w of who) now = applyTo(now, w, sign!, perms!, before, isDirectory)
  return now
}

function applyTo(mode: number, who: Who, sign: string, perms: string, before: number, isDirectory: boolean): number {
  const shift = { u: 6, g: 3, o: 0 }[who]
  const bits = bitsOf(perms, who, shift, mode, before, isDirectory)
  if (sign === '+') return mode | bits
  if (sign === '-') return mode & ~bits
  // as chmod does: a directory keeps what has no letter here
  return (mode & ~umaskFree[who]) | bits
}

function bitsOf(perms: string, who: Who, shift: number, mode: number, before: number, isDirectory: boolean): number {
  if (/^[ugo]$/.test(perms)) return ((mode >> { u: 6, g: 3, o: 0 }[perms as Who]) & 7) << shift
  let bits = 0
  for (const p of perms) {
    if (p === 'r') bits |= 4 << shift
    if (p === 'w') bits |= 2 << shift
    if (p === 'x' || (p === 'X' && (isDirectory || before & 0o111))) bits |= 1 << shift
    if (p === 's') bits |= who === 'u' ? 0o4000 : who === 'g' ? 0o2000 : 0
    if (p === 't' && who === 'o') bits |= 0o1000
  }
  return bits
}
