import { type Member, readArchive } from './formats/archive.ts'
import type { Read } from './host/read.ts'
import { type Sum, sum } from './host/reads/content.ts'
import { type Entry, entry } from './host/reads/entry.ts'
import type { Step } from './host/step.ts'
import { makeDirectory, makeLink, writeFile } from './host/steps/files.ts'
import { type Failure, fail } from './module.ts'
import { type Ownership, ownershipMissing, ownershipOfNew, ownershipSteps } from './ownership.ts'

/** What is to be unpacked where, as the reads and the plan of an archive share it. */
export interface Unpacking {
  readonly members: readonly Member[]
  readonly dest: string
}

/** Members by name, each directory above them once, parents first.
 * @throws RangeError for what is no archive, or one that would write outside. */
export function membersOf(bytes: Buffer, keep: (name: string) => boolean = () => true): Member[] {
  const found = new Map<string, Member>()
  for (const m of readArchive(bytes)) if (keep(m.name)) found.set(m.name, m)
  for (const name of [...found.keys()])
    for (const parent of parents(name))
      if (!found.has(parent))
        found.set(parent, {
          name: parent,
          type: 'directory',
          mode: 0o755,
          bytes: Buffer.alloc(0),
          target: '',
          sha256: '',
        })
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function parents(name: string): string[] {
  const parts = name.split('/')
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

const at = (dest: string, name: string) => `${dest === '/' ? '' : dest.replace(/\/+$/, '')}/${name}`

export function unpackReads({ members, dest }: Unpacking): { entries: Read<Entry>[]; sums: Read<Sum>[] } {
  const files = members.filter((m) => m.type === 'file' || m.type === 'hardlink')
  return {
    entries: members.map((m) => entry(at(dest, m.name))),
    sums: files.map((m) => sum(at(dest, m.name), contentOf(m, members).length)),
  }
}

function contentOf(m: Member, members: readonly Member[]): Buffer {
  if (m.type !== 'hardlink') return m.bytes
  return members.find((o) => o.name === m.target.replace(/^(\.\/)+/, ''))?.bytes ?? m.bytes
}

/** The steps that bring what is below the destination to what the archive holds; members that are so already are left. */
export function unpackSteps(
  { members }: Unpacking,
  answers: { readonly entries: readonly Entry[]; readonly sums: readonly Sum[] },
  want: Ownership,
): Step[] | Failure {
  let file = 0
  const steps: Step[] = []
  for (const [i, m] of members.entries()) {
    const here = answers.entries[i]!
    const isFile = m.type === 'file' || m.type === 'hardlink'
    const now = isFile ? answers.sums[file++] : undefined
    const there = here.stat
    if (m.type !== 'directory' && there?.type === 'directory')
      return fail(`${here.path} is a directory, in the archive it is a file`)
    if (m.type === 'directory' && there && (here.leads ?? here).stat?.type !== 'directory')
      return fail(`${here.path} is a ${there.type}, in the archive it is a directory`)
    steps.push(...memberSteps(m, here, contentOf(m, members), now?.sha256, members, want))
  }
  return steps
}

function memberSteps(
  m: Member,
  here: Entry,
  bytes: Buffer,
  sha256: string | undefined,
  members: readonly Member[],
  want: Ownership,
): Step[] {
  const there = here.stat
  if (m.type === 'directory')
    return there ? [] : [makeDirectory(here, ownershipOfNew({ ...want, mode: undefined }, m.mode, true))]
  if (m.type === 'link')
    return there?.type === 'link' && there.target === m.target
      ? []
      : [makeLink(here, m.target, { owner: want.owner, group: want.group })]
  const mode = want.mode ?? m.mode.toString(8).padStart(4, '0')
  const source = m.type === 'hardlink' ? members.find((o) => o.name === m.target) : m
  const own = { ...want, mode: want.mode ?? (source ?? m).mode.toString(8).padStart(4, '0') }
  if (there?.type === 'file' && sha256 === (source ?? m).sha256) return ownershipSteps(here, own)
  const attributes = there?.type === 'file' ? ownershipMissing(there, { ...want, mode }) : ownershipOfNew(own, m.mode)
  return [writeFile(here, bytes, { ...attributes, mode: ownershipOfNew(own, m.mode).mode })]
}
