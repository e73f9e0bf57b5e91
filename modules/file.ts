import {
  defineModule,
  type Entry,
  entry,
  type Failure,
  fail,
  inTheWay,
  makeDirectory,
  makeHardLink,
  makeLink,
  missingParents,
  ownershipOfNew,
  ownershipParams,
  ownershipSteps,
  type Params,
  type Place,
  type Plan,
  parentOf,
  placeOf,
  remove,
  type Spot,
  type Step,
  type Tree,
  touch,
  tree,
} from '../src/module.ts'

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
      description: 'Makes a link although its target is not there, or in the place of another file.',
    },
    modification_time: {
      type: 'string',
      description: '`preserve`, `now`, or a time that `touch -d` takes; for state touch.',
    },
    access_time: {
      type: 'string',
      description: '`preserve`, `now`, or a time that `touch -d` takes; for state touch.',
    },
  },
  required: ['path'],
} as const

type P = Params<typeof params>
interface Answers {
  at: Entry
  source: Entry | undefined
  below: Tree | undefined
}

export default defineModule({
  name: 'file',
  summary: 'Makes and removes directories, links and empty files, and sets owner, group and mode.',
  params,
  examples:
    "- file: { path: /etc/vault.d, state: directory, owner: vault, mode: '0750' }\n- file: { path: /opt/current, src: /opt/v2, state: link }",
})({
  reads: (p) => ({
    at: entry(p.path),
    source: linkSource(p) === undefined ? undefined : entry(linkSource(p)!),
    below: p.recurse ? tree(p.path) : undefined,
  }),
  plan: (p, answers, { facts }) => {
    const umask = Number.parseInt(facts.umask, 8)
    const state = p.state ?? standardState(p, answers.at)
    if (p.recurse && state !== 'directory') return fail('`recurse` goes with `state: directory`')
    const nowhere = ['link', 'hard', 'touch'].includes(state)
      ? parentMissing(placeOf(answers.at, state === 'touch' && p.follow))
      : undefined
    const plan = nowhere ?? planners[state]!(p, answers, umask)
    return Array.isArray(plan) ? { steps: plan, result: { path: p.path, state } } : (plan as Plan | Failure)
  },
})

/** Nothing can be made where the directory above is missing. */
function parentMissing(at: Place & Spot): Failure | undefined {
  const blocked = inTheWay(at)
  if (blocked) return blocked
  if (at.stat || missingParents(at).length === 0) return undefined
  return fail(`the directory ${parentOf(at.path)} does not exist`, {
    hint: 'make it first: `file: { path: …, state: directory }`',
  })
}

function linkSource(p: P): string | undefined {
  if (p.src === undefined || (p.state !== 'link' && p.state !== 'hard')) return undefined
  return p.src.startsWith('/') ? p.src : `${parentOf(p.path)}/${p.src}`
}

function standardState(p: P, at: Entry): string {
  if (p.recurse) return 'directory'
  const { stat } = placeOf(at, p.follow)
  if (stat?.type === 'directory') return 'directory'
  return stat?.type === 'link' ? 'link' : 'file'
}

type Planner = (p: P, answers: Answers, umask: number) => Step[] | Failure

const planners: Record<string, Planner> = {
  absent: (_, { at }) => (at.stat ? [remove(at)] : []),

  file: (p, { at }) => {
    const place = placeOf(at, p.follow)
    if (!place.stat)
      return fail(`${p.path} is absent`, { hint: '`state: touch` makes a file, `state: directory` a directory' })
    if (place.stat.type === 'directory' || place.stat.type === 'link')
      return fail(`${p.path} is a ${place.stat.type}, not a file`)
    return ownershipSteps(place, p)
  },

  directory: (p, { at, below }, umask) => {
    const place = placeOf(at, p.follow)
    if (place.stat && place.stat.type !== 'directory') return fail(`${p.path} is there already as a ${place.stat.type}`)
    const blocked = inTheWay(place)
    if (blocked) return blocked
    const made = ownershipOfNew(p, 0o777 & ~umask, true)
    if (!place.stat) return [...missingParents(place), place].map((missing) => makeDirectory(missing, made))
    return [...ownershipSteps(place, p), ...(p.recurse ? stepsBelow(place, below!, p) : [])]
  },

  link: (p, { at, source }) => {
    if (source?.real === at.real) return fail('the link would point to itself')
    const target = p.src ?? (at.stat?.type === 'link' ? at.stat.target : undefined)
    if (target === undefined) return fail('`state: link` needs `src`')
    const exists = source === undefined || source.stat !== undefined
    if (!exists && !p.force)
      return fail(`what the link points to is not there: ${target}`, { hint: '`force: true` makes it all the same' })
    if (at.stat?.type === 'link' && at.stat.target === target) return linkOwnership(p, at)
    const inTheWay = at.stat && at.stat.type !== 'link'
    if (inTheWay && !p.force)
      return fail(`${p.path} is a ${at.stat!.type}, not a link`, { hint: '`force: true` replaces it' })
    if (at.stat?.type === 'directory') return fail(`${p.path} is a directory and is not replaced by a link`)
    return [
      makeLink(at, target, {}, source),
      ...(source?.stat && p.follow ? ownershipSteps(placeOf(source, true), p) : []),
    ]
  },

  hard: (p, { at, source }) => {
    if (!source?.stat) return fail(`\`state: hard\` needs \`src\` to be a file that is there`)
    if (placeOf(source, true).stat?.type === 'directory')
      return fail(`${p.src} is a directory: it can have no hard link`)
    if (at.stat && at.stat.id === source.stat.id && at.stat.id !== undefined) return ownershipSteps(at, p)
    if (at.stat?.type === 'directory') return fail(`${p.path} is a directory`)
    if (at.stat && !p.force) return fail(`${p.path} is another file already`, { hint: '`force: true` replaces it' })
    return [makeHardLink(at, placeOf(source, true)), ...ownershipSteps(placeOf(source, true), p)]
  },

  touch: (p, { at }, umask) => {
    const place = placeOf(at, p.follow)
    const made: Step[] = place.stat ? [] : [touch(place, undefined, ownershipOfNew(p, 0o666 & ~umask))]
    const time = (written: string | undefined) => (written === 'preserve' ? undefined : (written ?? 'now'))
    const [access, modification] = [time(p.access_time), time(p.modification_time)]
    if (!place.stat && p.modification_time === undefined && p.access_time === undefined) return made
    const again = [access, modification].every((t) => t === undefined)
    const acts = [access, modification].includes('now') ? { acts: true as const } : {}
    const times = again || !place.stat ? [] : [{ ...touch(place, { access, modification }), ...acts }]
    return [...made, ...times, ...ownershipSteps(place, p)]
  },
}

/** The attributes of what the link leads to, or with `follow: false` of the link itself. */
function linkOwnership(p: P, at: Entry): Step[] {
  return p.follow
    ? at.leads?.stat
      ? ownershipSteps(placeOf(at, true), p)
      : []
    : ownershipSteps(at, { ...p, mode: undefined })
}

function stepsBelow(place: Place, below: Tree, p: P): Step[] {
  return [...below].flatMap(([name, stat]) => {
    const path = `${place.path === '/' ? '' : place.path}/${name}`
    const real = `${place.real === '/' ? '' : place.real}/${name}`
    return ownershipSteps({ path, real, stat }, p)
  })
}
