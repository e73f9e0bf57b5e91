/** A mode as an author writes it: octal text (`0644`) or symbolic (`u=rwX,g-w,o=`), as Ansible reads it.
 * @param current what symbols start from.
 * @param umask bits that a clause without u, g, o or a leaves alone.
 * @throws RangeError for what is no mode. */
export function parseMode(text: string, current: number, isDirectory: boolean, umask = 0): number {
  if (/^(0o)?[0-7]{1,5}$/.test(text)) return Number.parseInt(text.replace('o', ''), 8) & 0o7777
  return text.split(',').reduce((mode, clause) => applyClause(clause, text, mode, isDirectory, umask), current)
}

/** What `=` sets anew: as chmod does, a directory keeps what has no letter here. */
const owned = { u: 0o4700, g: 0o2070, o: 0o1007 } as const
const shifts = { u: 6, g: 3, o: 0 } as const
type Who = keyof typeof owned

function applyClause(clause: string, text: string, before: number, isDirectory: boolean, umask: number): number {
  const found = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause)
  if (!found) throw new RangeError(`write '0644' or 'u=rw,g=r,o=', not '${text}'`)
  const all = found[1] === '' || found[1]!.includes('a')
  const who = (all ? ['u', 'g', 'o'] : [...found[1]!]) as Who[]
  const masked = found[1] === '' ? umask : 0
  let mode = before
  for (const [, sign, perms] of found[2]!.matchAll(/([-+=])([rwxXstugo]*)/g))
    for (const w of who) {
      const bits = [...perms!].reduce((sum, p) => sum | bitsOf(p, w, mode, isDirectory, masked), 0)
      if (sign === '+') mode |= bits
      else if (sign === '-') mode &= ~bits
      else mode = (mode & ~owned[w]) | bits
    }
  return mode
}

function bitsOf(perm: string, who: Who, mode: number, isDirectory: boolean, masked: number): number {
  const shift = shifts[who]
  switch (perm) {
    case 'r':
      return (4 << shift) & ~masked
    case 'w':
      return (2 << shift) & ~masked
    case 'x':
      return (1 << shift) & ~masked
    case 'X':
      return isDirectory || mode & 0o111 ? 1 << shift : 0
    case 's':
      return who === 'u' ? 0o4000 : who === 'g' ? 0o2000 : 0
    case 't':
      return who === 'o' ? 0o1000 : 0
    default:
      return ((mode >> shifts[perm as Who]) & 7) << shift
  }
}
