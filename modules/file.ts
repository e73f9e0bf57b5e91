import {
  attributesShown,
  defineModule,
  type Entry,
  entry,
  type Failure,
  fail,
  inTheWay,
  type ModuleContext,
  makeDirectory,
  makeEmptyFile,
  makeHardLink,
  makeLink,
  missingParents,
  nameOf,
  output,
  ownershipOf,
  ownershipOfNew,
  ownershipParams,
  ownershipSteps,
  type Params,
  type Place,
  parentOf,
  parseTimestamp,
  placeOf,
  remove,
  removeEmptyDirectory,
  type Said,
  type Step,
  setTimes,
  type Time,
  type Tree,
  tree,
  wayBarred,
} from '../src/module.ts'

const timeNote = '`preserve`, `now`, or a time in its format; without it a touch sets it to now, the rest leaves it.'
const standardFormat = '%Y%m%d%H%M.%S'

const params = {
  type: 'object',
  properties: {
    path: { type: 'string', hostPath: true, aliases: ['dest', 'name'], description: 'The path.' },
    state: {
      type: 'string',
      enum: ['absent', 'directory', 'file', 'hard', 'link', 'touch'],
      description:
        'What is to be there; `file` only sets attributes of what is. Without it: `directory` with recurse, else what is there.',
    },
    src: {
      type: 'string',
      description: 'For `link` what it points to, as it is to be written; for `hard` an existing file.',
    },
    ...ownershipParams,
    recurse: {
      type: 'boolean',
      default: false,
      description: 'Sets owner, group and mode of all below a directory too.',
    },
    follow: {
      type: 'boolean',
      default: true,
      description: 'Works on what a link at the path leads to (not for absent, link).',
    },
    force: {
      type: 'boolean',
      default: false,
      description: 'Makes a link although its target is not there, or in the place of a file or an empty directory.',
    },
    modification_time: { type: 'string', description: timeNote },
    modification_time_format: { type: 'string', default: standardFormat, description: 'As of strptime.' },
    access_time: { type: 'string', description: timeNote },
    access_time_format: { type: 'string', default: standardFormat, description: 'As of strptime.' },
  },
  required: ['path'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'file',
  summary: 'Makes and removes directories, links and empty files, and sets owner, group and mode.',
  touches: 'paths',
  params,
  examples:
    "- file: { path: /etc/vault.d, state: directory, owner: vault, mode: '0750' }\n- file: { path: /opt/current, src: /opt/v2, state: link }",
  differences: [
    '`recurse` never follows a link out of the directory; Ansible changes what links in it lead to.',
    '`state: hard` replaces a symbolic link of the same target; Ansible takes it for the hard link.',
    'Time formats know %Y %y %m %d %H %M %S; attributes of chattr and SELinux contexts are not set.',
  ],
})({
  reads: (p, context, known) => {
    const at = known(entry(p.path))
    const source = sourceOf(p, context, at)
    const inside = source !== undefined && p.state === 'hard' && at?.stat?.type === 'directory'
    const place = at?.leads && p.follow ? at.leads : at
    const dated = (text: string | undefined, format: string) => {
      const date = dateOf(text, format)
      return date === undefined || typeof date === 'object' ? undefined : output(['date', '-d', date, '+%s'])
    }
    return {
      at: entry(inside ? `${p.path}/${nameOf(source)}` : p.path),
      source: source === undefined ? undefined : entry(source),
      below: p.recurse ? tree(p.path) : undefined,
      // asked ahead: it matters only where a directory is in the way
      inside: p.state === 'link' && p.force ? output(['sh', '-c', listOwn, 'sh', p.path], {}, [p.path]) : undefined,
      modification: dated(p.modification_time, p.modification_time_format),
      access: dated(p.access_time, p.access_time_format),
      accessed:
        place?.stat && dated(p.access_time, p.access_time_format)
          ? output(['stat', ...(p.follow ? ['-L'] : []), '-c', '%X', p.path], {}, [p.path])
          : undefined,
    }
  },
  plan: (p, answers, context) => {
    const state = p.state ?? standardState(p, answers.at)
    if (p.recurse && state !== 'directory') return fail('`recurse` goes with `state: directory`')
    if (p.src !== undefined && state !== 'link' && state !== 'hard')
      return fail('`src` goes with `state: link` or `state: hard`')
    const times = timesOf(p, state, answers)
    if ('failed' in times) return times
    const planned = planners[state]!(wishOf(answers, { p, context, times, want: ownershipOf(p, context.facts) }))
    if ('failed' in planned) return planned
    const { steps, at = answers.at, mode = at.stat?.mode } = planned
    const shown = mode === undefined || state === 'absent' ? {} : attributesShown(at.stat, mode, p)
    const src = state === 'link' || state === 'hard' ? { src: p.src ?? answers.at.stat?.target } : {}
    return { steps, result: { path: at.path, dest: at.path, state, ...src, ...shown } }
  },
})

/** What is in a directory itself, not in one that a link leads to. */
const listOwn = 'test -L "$1" || ls -A -- "$1" 2>/dev/null | head -n 1'

/** The facts are asked for only where they are needed: they may not be known yet. */
const expanded = (path: string, context: ModuleContext) =>
  /^~(\/|$)/.test(path) ? `${context.facts.home}${path.slice(1)}` : path

/** Where the source of a link is; a symbolic link starts where it stands. Up from there is the directory above it, whether
 * it is there yet or not. */
function sourceOf(p: P, context: ModuleContext, at: Entry | undefined): string | undefined {
  if (p.src === undefined || p.state === 'absent' || p.state === 'touch' || p.state === 'directory') return undefined
  const src = expanded(p.src, context)
  if (src.startsWith('/')) return src
  if (p.state === 'hard') return `${context.facts.home}/${src}`
  const [, ups, rest] = /^((?:\.\.?(?:\/+|$))*)(.*)$/s.exec(src)!
  let from = parentOf(at?.real ?? p.path)
  for (const part of ups!.split(/\/+/)) if (part === '..') from = parentOf(from)
  return `${from}/${rest}`
}

function standardState(p: P, at: Entry): string {
  if (at.stat?.type === 'link') return 'link'
  if (at.stat?.type === 'directory' || (p.recurse && !at.stat)) return 'directory'
  return 'file'
}

interface Times {
  readonly access: Time | undefined
  readonly modification: Time | undefined
}

interface Asked {
  readonly at: Entry
  readonly source: Entry | undefined
  readonly below: Tree | undefined
  readonly inside: Said | undefined
  readonly modification: Said | undefined
  readonly access: Said | undefined
  readonly accessed: Said | undefined
}

function dateOf(text: string | undefined, format: string): string | Failure | undefined {
  if (text === undefined || text === 'preserve' || text === 'now') return undefined
  try {
    return parseTimestamp(text, format)
  } catch (e) {
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}

function timesOf(p: P, state: string, a: Asked): Times | Failure {
  for (const [text, format] of [
    [p.modification_time, p.modification_time_format],
    [p.access_time, p.access_time_format],
  ] as const) {
    const date = dateOf(text, format)
    if (typeof date === 'object') return date
  }
  const seconds = (said: Said) => Number(said.stdout.toString())
  const time = (text: string | undefined, said: Said | undefined): Time | undefined => {
    if (said) return seconds(said)
    return text === 'now' || (text === undefined && state === 'touch') ? 'now' : undefined
  }
  return { access: time(p.access_time, a.access), modification: time(p.modification_time, a.modification) }
}

interface Wish extends Asked {
  readonly p: P
  readonly context: ModuleContext
  readonly want: ReturnType<typeof ownershipOf>
  readonly times: Times
}

/** Answers are looked at only where they matter: one that is not known holds up nothing else. */
function wishOf(answers: Asked, more: Omit<Wish, keyof Asked>): Wish {
  return Object.assign(Object.create(answers), more)
}

/** `at` is where it acted, where that is another place; `mode` what it has in the end. */
interface Planned {
  readonly steps: Step[]
  readonly at?: Place
  readonly mode?: number
}

/** What sets owner, mode and times of what is there. */
function attributesOf(place: Place, { want, times, accessed }: Pick<Wish, 'want' | 'times' | 'accessed'>): Step[] {
  return [...ownershipSteps(place, want), ...timesSteps(place, times, accessed)]
}

function timesSteps(place: Place, { access, modification }: Times, accessed: Said | undefined): Step[] {
  const unset = {
    access: accessed && Number(accessed.stdout.toString()) === access ? undefined : access,
    modification: modification === place.stat?.mtime ? undefined : modification,
  }
  return unset.access === undefined && unset.modification === undefined ? [] : [setTimes(place, unset)]
}

/** What was just made has the time of now. */
function timesOfNew(place: Place, { times, accessed }: Wish): Step[] {
  const given = (time: Time | undefined) => (time === 'now' ? undefined : time)
  return timesSteps(place, { access: given(times.access), modification: given(times.modification) }, accessed)
}

const planners: Record<string, (wish: Wish) => Planned | Failure> = {
  absent: ({ at }) => ({ steps: at.stat ? [remove(at)] : [] }),

  file: (wish) => {
    const { p, at } = wish
    const place = placeOf(at, p.follow)
    if (!place.stat)
      return fail(`${p.path} is absent`, { hint: '`state: touch` makes a file, `state: directory` a directory' })
    if (place.stat.type === 'directory' || place.stat.type === 'link')
      return fail(`${p.path} is a ${place.stat.type}, not a file`)
    return { steps: attributesOf(place, wish), at: place }
  },

  directory: (wish) => {
    const { p, at, want } = wish
    const place = placeOf(at, p.follow)
    if (place.stat && place.stat.type !== 'directory') return fail(`${p.path} is there already as a ${place.stat.type}`)
    if (place.stat) {
      const steps = [...attributesOf(place, wish), ...(p.recurse ? stepsBelow(place, wish.below!, wish) : [])]
      return { steps, at: place }
    }
    const blocked = inTheWay(place)
    if (blocked) return blocked
    const made = ownershipOfNew(want, 0o777 & ~want.umask, true)
    const steps = [...missingParents(place), place].flatMap((m) => [makeDirectory(m, made), ...timesOfNew(m, wish)])
    return { steps, at: place, mode: made.mode }
  },

  link: (wish) => {
    const { p, at, source, context } = wish
    if (source?.real === at.real) return fail('the link would point to itself')
    const target = p.src === undefined ? undefined : expanded(p.src, context)
    if (target === undefined && at.stat?.type !== 'link') return fail('`state: link` needs `src`')
    if (source && !source.stat && !p.force)
      return fail(`what the link points to is not there: ${target}`, { hint: '`force: true` makes it all the same' })
    if (at.stat?.type === 'link' && (target === undefined || at.stat.target === target))
      return { steps: linkAttributes(at, wish) }
    if (at.stat && at.stat.type !== 'link' && !p.force)
      return fail(`${p.path} is a ${at.stat.type}, not a link`, { hint: '`force: true` replaces it' })
    if (at.stat?.type === 'directory' && wish.inside!.stdout.length > 0)
      return fail(`${p.path} is a directory that is not empty, and is not replaced by a link`)
    const barred = wayBarred(at)
    if (barred) return barred
    const own = p.follow ? {} : { owner: p.owner, group: p.group }
    const led = source?.stat && p.follow ? attributesOf(placeOf(source, true), wish) : []
    const emptied = at.stat?.type === 'directory' ? [removeEmptyDirectory(at)] : []
    return { steps: [...emptied, makeLink(at, target!, own, source), ...led] }
  },

  hard: (wish) => {
    const { p, at, source } = wish
    if (!source) return at.stat ? { steps: attributesOf(at, wish) } : fail('`state: hard` needs `src`')
    const from = placeOf(source, true)
    if (!from.stat) return fail(`what is to be linked is not there: ${p.src}`)
    if (from.stat.type === 'directory') return fail(`${p.src} is a directory, and has no hard links`)
    if (at.stat && at.stat.id === from.stat.id && at.stat.id !== undefined) return { steps: attributesOf(at, wish) }
    if (at.stat?.type === 'directory') return fail(`${at.path} is a directory`)
    if (at.stat && at.stat.type !== 'link' && !p.force)
      return fail(`${at.path} is another file already`, { hint: '`force: true` replaces it' })
    const barred = wayBarred(at)
    return barred ?? { steps: [makeHardLink(at, from), ...attributesOf(from, wish)] }
  },

  touch: (wish) => {
    const { p, at, want } = wish
    const place = placeOf(at, p.follow)
    if (place.stat) return { steps: attributesOf(place, wish), at: place }
    if (at.stat) return fail(`${p.path} is a link to ${at.stat.target}, which is not there`)
    const barred = wayBarred(at)
    if (barred) return barred
    const made = ownershipOfNew(want, 0o666 & ~want.umask)
    return { steps: [makeEmptyFile(at, made), ...timesOfNew(at, wish)], mode: made.mode }
  },
}

/** The attributes of what the link leads to, or with `follow: false` of the link itself. */
function linkAttributes(at: Entry, { p, want, times, accessed }: Wish): Step[] {
  if (!p.follow) return attributesOf(at, { want: { ...want, mode: undefined }, times, accessed })
  return at.leads?.stat ? attributesOf(placeOf(at, true), { want, times, accessed }) : []
}

function stepsBelow(place: Place, below: Tree, { want, times }: Wish): Step[] {
  return [...below].flatMap(([name, stat]) => {
    const path = `${place.path === '/' ? '' : place.path}/${name}`
    const real = `${place.real === '/' ? '' : place.real}/${name}`
    return attributesOf({ path, real, stat }, { want, times, accessed: undefined })
  })
}
