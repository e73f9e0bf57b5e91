import { type Failure, fail } from './contract.ts'
import { type Member, type PackedMember, parentsOf, readArchive, renamed } from './formats/archive.ts'
import { isWithin } from './host/effect.ts'
import type { Read } from './host/read.ts'
import { type Account, account, type Group, group } from './host/reads/account.ts'
import { type Sum, sum } from './host/reads/content.ts'
import { type Entry, entry, followed, modeText } from './host/reads/entry.ts'
import type { Step } from './host/step.ts'
import { makeDirectory, makeLink, placeOf, setAttributes, writeFile } from './host/steps/files.ts'
import { type Placement, unpackRemote } from './host/steps/remote-archive.ts'
import { type Ownership, ownershipOfNew, ownershipSteps } from './ownership.ts'

/** What is to be unpacked where, as the reads and the plan of an archive share it. */
export interface Unpacking {
  readonly members: readonly Member[]
  readonly dest: string
  /** Owners are those that the archive names, as tar does for root. */
  readonly keepOwners?: boolean
}

/** Which of its members, and under which names. */
export interface Selection {
  readonly keep?: ((name: string) => boolean) | undefined
  /** So many leading parts of each name go. */
  readonly strip?: number | undefined
}

/** The members of an archive's bytes.
 * @throws RangeError for what is no archive, or one that would write outside. */
export function membersOf(bytes: Buffer, selection: Selection = {}): Member[] {
  return arranged(readArchive(bytes), selection)
}

/** Members by name, each directory above them once, parents first. */
export function arranged(members: readonly Member[], { keep = () => true, strip = 0 }: Selection = {}): Member[] {
  const found = new Map<string, Member>()
  for (const m of members) {
    if (!keep(m.name)) continue
    const name = strip === 0 ? m.name : m.name.split('/').slice(strip).join('/')
    if (name !== '') found.set(name, 'bytes' in m ? renamed(m as PackedMember, name) : { ...m, name })
  }
  for (const name of [...found.keys()])
    for (const parent of parentsOf(name))
      if (!found.has(parent))
        found.set(parent, {
          name: parent,
          type: 'directory',
          mode: 0o755,
          size: 0,
          target: '',
          sha256: '',
          implied: true,
        })
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

const at = (dest: string, name: string) => `${dest === '/' ? '' : dest.replace(/\/+$/, '')}/${name}`

export interface UnpackReads {
  readonly entries: Read<Entry>[]
  readonly sums: Read<Sum>[]
  readonly owners: Read<Account | undefined>[]
  readonly groups: Read<Group | undefined>[]
}

export function unpackReads({ members, dest, keepOwners }: Unpacking): UnpackReads {
  const named = (of: 'owner' | 'group') => new Set(keepOwners ? members.map((m) => m[of]?.name ?? '') : [])
  // root is there on every host
  const names = (of: 'owner' | 'group') => [...named(of)].filter((n) => n !== '' && n !== 'root')
  return {
    entries: members.map((m) => entry(at(dest, m.name))),
    sums: members.filter((m) => m.type === 'file').map((m) => sum(at(dest, m.name), m.size)),
    owners: names('owner').map((n) => account(n)),
    groups: names('group').map(group),
  }
}

/** What the host answered to `unpackReads`, and where its destination is. */
export interface UnpackAnswers {
  readonly at: Entry
  readonly entries: readonly Entry[]
  readonly sums: readonly Sum[]
  readonly owners: readonly (Account | undefined)[]
  readonly groups: readonly (Group | undefined)[]
}

/** The steps that bring what is below the destination to what the archive holds; members that are so already are left.
 * @param remote the archive where it lies on the host. */
export function unpackSteps(
  unpacking: Unpacking,
  answers: UnpackAnswers,
  want: Ownership,
  remote?: Remote,
): Step[] | Failure {
  try {
    return stepsOf(unpacking, answers, want, remote)
  } catch (e) {
    // a member is unpacked when it is wanted
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}

interface Remote {
  readonly source: string
  readonly options?: readonly string[]
}

function stepsOf(
  { members, keepOwners }: Unpacking,
  answers: UnpackAnswers,
  want: Ownership,
  remote: Remote | undefined,
): Step[] | Failure {
  const dest = placeOf(answers.at, true)
  const wrong = members.map((m, i) => obstacle(m, answers.entries[i]!, dest.real)).find((w) => w !== undefined)
  if (wrong !== undefined) return fail(wrong)
  const own = keepOwners ? ownersOf(answers) : () => ({})
  let file = 0
  const placements: Placement[] = []
  const changes: Step[] = []
  for (const [i, member] of members.entries()) {
    const here = answers.entries[i]!
    const now = member.type === 'file' ? answers.sums[file++] : undefined
    const wish = wishOf(member, want, own(member))
    if (isThere(member, here, now)) changes.push(...ownershipSteps(placeOf(here, member.type === 'directory'), wish))
    else
      placements.push({
        member,
        at: here,
        attributes: ownershipOfNew(wish, member.mode, member.type === 'directory'),
      })
  }
  const closed = placements.filter(({ member, attributes }) => member.type === 'directory' && isClosed(attributes.mode))
  const placing =
    remote && placements.length > 0
      ? [unpackRemote(remote.source, dest, placements.map(opened), remote.options)]
      : placements.map(opened).map(placingStep)
  const closing = closed.map(({ at, attributes: { mode } }) => setAttributes({ ...at, stat: undefined }, { mode }))
  return [...placing, ...changes, ...closing]
}

/** What is in the way of a member, or would lead it outside. */
function obstacle(m: Member, here: Entry, dest: string): string | undefined {
  const final = m.type === 'directory' ? followed(here) : here
  if (!isWithin(here.real, dest) || !isWithin(final.real, dest))
    return `${here.path} is really ${isWithin(here.real, dest) ? final.real : here.real}: the archive would write outside its destination`
  if (!here.stat) return undefined
  if (m.type !== 'directory' && here.stat.type === 'directory')
    return `${here.path} is a directory, in the archive it is a ${m.type}`
  if (m.type === 'directory' && final.stat?.type !== 'directory')
    return `${here.path} is a ${here.stat.type}, in the archive it is a directory`
  return undefined
}

function isThere(m: Member, { stat }: Entry, now: Sum | undefined): boolean {
  if (m.type === 'directory') return stat !== undefined
  if (m.type === 'link') return stat?.type === 'link' && stat.target === m.target
  return stat?.type === 'file' && now!.sha256 === m.sha256
}

/** A directory that has no entry of its own is made as tar makes it; the outermost gets what the author wants. */
function wishOf(m: Member, want: Ownership, own: Ownership): Ownership {
  if (m.implied) return m.name.includes('/') ? {} : want
  const mode = m.type === 'link' ? undefined : (want.mode ?? modeText(m.mode))
  return { owner: want.owner ?? own.owner, group: want.group ?? own.group, mode }
}

/** By name where the host knows it, otherwise by number. */
function ownersOf({ owners, groups }: UnpackAnswers): (m: Member) => Ownership {
  const namesOf = (all: readonly ({ name: string } | undefined)[]) => new Set(['root', ...all.map((o) => o?.name)])
  const [users, teams] = [namesOf(owners), namesOf(groups)]
  return ({ owner, group }) => ({
    owner: owner && (users.has(owner.name) ? owner.name : String(owner.id)),
    group: group && (teams.has(group.name) ? group.name : String(group.id)),
  })
}

const isClosed = (mode: number) => (mode & 0o700) !== 0o700

/** A directory is open for its owner as long as things are put into it. */
function opened(p: Placement): Placement {
  if (p.member.type !== 'directory' || !isClosed(p.attributes.mode)) return p
  return { ...p, attributes: { ...p.attributes, mode: p.attributes.mode | 0o700 } }
}

function placingStep({ member, at, attributes }: Placement): Step {
  if (member.type === 'directory') return makeDirectory(at, attributes)
  if (member.type === 'link') return makeLink(at, member.target, attributes)
  return writeFile(at, (member as PackedMember).bytes, attributes)
}
