import type { Member } from '../../formats/archive.ts'
import { pathEffect } from '../effect.ts'
import { unpackScript } from '../reads/archive.ts'
import type { Entry } from '../reads/entry.ts'
import type { Shell } from '../shell.ts'
import type { Step } from '../step.ts'
import type { Attributes } from './attributes.ts'
import { temporaryDirectory } from './beside.ts'
import { newStat, type Place } from './files.ts'

/** A member of an archive that is to come to a place, with owner and mode. */
export interface Placement {
  readonly member: Member
  readonly at: Entry
  readonly attributes: Attributes & { readonly mode: number }
}

/** Unpacks an archive that lies on the host: into a directory beside the destination first, then each of these members into
 * its place by renaming, so that none is ever half there. */
export function unpackRemote(
  source: string,
  dest: Place,
  placements: readonly Placement[],
  options: readonly string[] = [],
): Step {
  const summary = `unpack ${source} into ${dest.path} (${placements.length} of its members)`
  return {
    summary,
    effects: placements.map(({ member, at, attributes }) => {
      const stat = newStat(member.type, attributes, {
        size: member.type === 'file' ? member.size : undefined,
        target: member.type === 'link' ? member.target : undefined,
      })
      const was = at.stat?.type === 'link'
      if (member.type === 'directory') return pathEffect(summary, at.real, { to: 'directory', stat }, was)
      if (member.type === 'link') return pathEffect(summary, at.real, { to: 'link', stat }, was)
      return pathEffect(summary, at.real, { to: 'file', stat, bytes: undefined }, was)
    }),
    script: (sh) => `a=${sh.word(source)}; ${temporaryDirectory(dest.real, sh)}
${unpackScript(options, sh)} || exit 1
cd "$t" || exit 1
find . -type d ! -perm -700 -exec chmod u+rwx {} +
N() { echo "the archive does not hold $1 any more" >&2; exit 1; }
O() { test -z "$2" || chown -h -- "$2" "$1" || exit 1; }
D() { test -d "./$1" && test ! -L "./$1" || N "$1"; (umask 077; mkdir -- "$4") && O "$4" "$3" && chmod "$2" "$4" || exit 1; }
L() { test -L "./$1" || N "$1"; O "./$1" "$3" && mv -fT -- "./$1" "$4" || exit 1; }
F() { test -f "./$1" && test ! -L "./$1" || N "$1"; O "./$1" "$3" && chmod "$2" "./$1" && mv -fT -- "./$1" "$4" || exit 1; }
sync -f . 2>/dev/null || sync
${placements.map((p) => placed(p, sh)).join('\n')}`,
  }
}

function placed({ member, at, attributes: { owner, group, mode } }: Placement, sh: Shell): string {
  const own =
    owner === undefined && group === undefined ? '' : `${owner ?? ''}${group === undefined ? '' : `:${group}`}`
  const letter = { directory: 'D', link: 'L', file: 'F' }[member.type]
  return [letter, ...[member.name, mode.toString(8).padStart(5, '0'), own, at.path].map(sh.word)].join(' ')
}
