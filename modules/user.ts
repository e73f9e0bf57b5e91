import {
  type Account,
  account,
  changeAccount,
  defineModule,
  type Entry,
  entry,
  fail,
  followed,
  type Group,
  group,
  type Known,
  makeHome,
  missingParents,
  type Params,
  type Step,
  type StepEnd,
  tool,
  UnknownValue,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    name: { type: 'string', aliases: ['user'], description: 'The name.' },
    state: {
      type: 'string',
      enum: ['present', 'absent'],
      default: 'present',
      description: 'Whether it is to be there.',
    },
    uid: { type: 'integer', description: 'Its number.' },
    non_unique: { type: 'boolean', default: false, description: 'The number may be another user’s too.' },
    group: { type: 'string', description: 'Its primary group, by name or number.' },
    groups: {
      type: 'array',
      items: { type: 'string' },
      description: 'Its other groups; an empty list takes it out of all.',
    },
    append: { type: 'boolean', default: false, description: 'Keeps it in groups that `groups` does not name.' },
    comment: { type: 'string', description: 'Its full name.' },
    home: { type: 'string', description: 'Its home directory.' },
    create_home: { type: 'boolean', default: true, aliases: ['createhome'], description: 'Makes the home directory.' },
    move_home: { type: 'boolean', default: false, description: 'Moves what is in the old home to a new one.' },
    skeleton: { type: 'string', description: 'The directory that a new home is a copy of; /etc/skel otherwise.' },
    umask: { type: 'string', pattern: '^0?[0-7]{1,3}$|<%', description: 'What a new home does not permit.' },
    shell: { type: 'string', description: 'Its login shell.' },
    system: { type: 'boolean', default: false, description: 'A new one gets a number for systems.' },
    uid_min: { type: 'integer', description: 'A new one gets no number below.' },
    uid_max: { type: 'integer', description: 'A new one gets no number above.' },
    password: { type: 'string', secret: true, description: 'The hash of its password, as crypt makes it.' },
    update_password: {
      type: 'string',
      enum: ['always', 'on_create'],
      default: 'always',
      description: 'Whether the password of one that is there is changed.',
    },
    password_lock: { type: 'boolean', description: 'Whether nobody can log in with its password.' },
    expires: { type: 'number', description: 'When it ends, in seconds since 1970; negative for never.' },
    remove: { type: 'boolean', default: false, description: 'With absent: removes its home directory too.' },
    force: { type: 'boolean', default: false, description: 'With absent: removes it although it is logged in.' },
  },
  required: ['name'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'user',
  summary: 'Makes, changes and removes users.',
  params,
  examples: '- user: { name: vault, system: true, home: /etc/vault.d, create_home: false, shell: /bin/false }',
  differences: [
    'A password goes to the host by standard input, never as an argument.',
    'No SSH keys are generated (`generate_ssh_key`), and `local`, `seuser` and the ageing of passwords are not managed: they are unknown parameters.',
  ],
})({
  reads: (p, _, known) => {
    const home = p.create_home && p.state === 'present' ? homeOf(p, known) : ''
    return {
      now: accountOf(p),
      own: group(p.name),
      primary: p.group === undefined ? undefined : group(p.group),
      others: (p.groups ?? []).map(group),
      home: home.startsWith('/') ? entry(home) : undefined,
      before: p.move_home ? homeEntry(known(accountOf(p))) : undefined,
    }
  },
  plan: (p, a, { facts }) => {
    const result = { name: p.name, state: p.state }
    if (p.state === 'absent') return { steps: a.now ? [removal(p, a.now)] : [], result }
    if (p.password !== undefined && /[\n:]/.test(p.password))
      return fail('`password` takes the hash of a password: it holds no colon and is one line')
    const warnings = doubts(p)
    if (p.group !== undefined && !a.primary) return fail(`there is no group ${p.group}`)
    const missing = (p.groups ?? []).filter((_, i) => !a.others[i])
    if (missing.length > 0) return fail(`there is no group ${missing.join(', ')}`)
    const groups = p.groups && [...new Set(a.others.map((g) => g!.name))].sort()
    if (!a.now) {
      const steps = [
        addition(p, a.own, a.primary, groups, a.home),
        ...passwordSteps(p, undefined, undefined, facts.uid === 0),
      ]
      const { uid, home, shell } = p
      const gid = a.primary?.gid
      // what is not said only the host knows
      if (![uid, gid, home, shell].includes(undefined))
        return { steps, result: { ...result, uid, group: gid, comment: p.comment ?? '', home, shell }, warnings }
      return { steps: [...steps, lookUp(p.name)], result, warnings, settle: (ends) => settled(steps, ends) }
    }
    const change = changes(p, a.now, a.primary, groups)
    const moves = p.move_home && p.home !== undefined && p.home !== a.now.home && a.before?.stat !== undefined
    const home = p.create_home && !moves && a.home && !followed(a.home).stat ? missingHome(p, a.home, change.after) : []
    const steps = [...change.steps, ...home, ...passwordSteps(p, a.now, change.after, facts.uid === 0)]
    return { steps, result: { ...result, ...numbers(change.after) }, warnings }
  },
})

/** What is allowed, and hardly meant. */
function doubts(p: P): string[] {
  const hashed = p.password === undefined || /^!?(\$[^$]+\$.+|[*!]*)$/.test(p.password)
  return [
    ...(p.append && p.groups === undefined ? ['`append` does nothing without `groups`'] : []),
    ...(hashed ? [] : ['`password` looks like no hash of a password: nobody could log in with it']),
  ]
}

const asksShadow = (p: P) => [p.password, p.password_lock, p.expires].some((v) => v !== undefined)
const accountOf = (p: P) => account(p.name, asksShadow(p))
const homeOf = (p: P, known: Known) => p.home ?? known(accountOf(p))?.home ?? `/home/${p.name}`
const homeEntry = (now: Account | undefined) => (now?.home?.startsWith('/') ? entry(now.home) : undefined)

function numbers({ uid, gid, comment, home, shell }: Account) {
  return { uid, group: gid, comment, home, shell }
}

/** What only the host knows of a new user. */
function lookUp(name: string): Step {
  return tool(`look up ${name}`, ['getent', 'passwd', name], [], { harmless: true, captured: true, inline: true })
}

function settled(steps: readonly Step[], ends: readonly StepEnd[]) {
  const bad = ends.findIndex((e) => e.outcome !== 'done')
  if (bad !== -1 && bad < steps.length)
    return {
      result: {},
      failed: `${steps[bad]!.summary}: exit status ${ends[bad]!.status}: ${ends[bad]!.stderr.toString('utf8').trim()}`,
    }
  const [, , uid, gid, comment, home, shell] = ends.at(-1)!.stdout.toString('utf8').trim().split(':')
  return { result: shell === undefined ? {} : { uid: Number(uid), group: Number(gid), comment, home, shell } }
}

function removal(p: P, now: Account): Step {
  const argv = ['userdel', ...(p.force ? ['-f'] : []), ...(p.remove ? ['-r'] : []), p.name]
  const paths = p.remove ? [...(now.home ? [now.home] : []), `/var/mail/${p.name}`, `/var/spool/mail/${p.name}`] : []
  return changeAccount(`remove user ${p.name}`, argv, p.name, undefined, { paths })
}

function addition(
  p: P,
  own: Group | undefined,
  primary: Group | undefined,
  groups: readonly string[] | undefined,
  at: Entry | undefined,
): Step {
  const argv = ['useradd']
  const add = (...words: string[]) => void argv.push(...words)
  if (p.uid !== undefined) add('-u', String(p.uid), ...(p.non_unique ? ['-o'] : []))
  if (p.group !== undefined) add('-g', p.group)
  else if (own) add('-N')
  if (groups?.length) add('-G', groups.join(','))
  if (p.comment !== undefined) add('-c', p.comment)
  if (p.home !== undefined) add('-d', p.home)
  if (p.shell !== undefined) add('-s', p.shell)
  if (p.expires !== undefined && p.expires >= 0) add('-e', dayOf(p.expires))
  add(p.create_home ? '-m' : '-M')
  if (p.create_home && p.skeleton !== undefined) add('-k', p.skeleton)
  if (p.create_home && p.umask !== undefined) add('-K', `UMASK=${p.umask}`)
  if (p.system) add('-r')
  if (p.uid_min !== undefined) add('-K', `UID_MIN=${p.uid_min}`)
  if (p.uid_max !== undefined) add('-K', `UID_MAX=${p.uid_max}`)
  add(p.name)
  const after: Account = {
    name: p.name,
    uid: p.uid,
    gid: primary?.gid,
    comment: p.comment ?? '',
    home: p.home,
    shell: p.shell,
    groups: groups ?? [],
    group: primary?.name,
    password: p.password === undefined ? undefined : hashOf(p),
    expires: p.expires === undefined || p.expires < 0 ? undefined : Math.floor(p.expires / 86_400),
  }
  const paths = p.create_home && at ? [topOf(at), `/var/mail/${p.name}`] : []
  return changeAccount(`add user ${p.name}${p.uid === undefined ? '' : ` (${p.uid})`}`, argv, p.name, after, { paths })
}

/** The outermost directory that comes into being with it. */
const topOf = (at: Entry) => missingParents(at)[0]?.real ?? at.real

const hashOf = (p: P) => (p.password_lock ? `!${p.password}` : p.password!)

const dayOf = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10)

/** What only the host knows of a user that this run makes. */
function must<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new UnknownValue(`the account of the new user ${name}`)
  return value
}

function changes(p: P, now: Account, primary: Group | undefined, groups: readonly string[] | undefined) {
  const argv: string[] = []
  const said: string[] = []
  let after = now
  const set = (what: string, words: string[], fields: Partial<Account>) => {
    argv.push(...words)
    said.push(what)
    after = { ...after, ...fields }
  }
  if (p.uid !== undefined && p.uid !== must(now.uid, p.name))
    set(`number ${p.uid}`, ['-u', String(p.uid), ...(p.non_unique ? ['-o'] : [])], { uid: p.uid })
  if (primary && must(primary.gid, p.name) !== must(now.gid, p.name))
    set(`group ${primary.name}`, ['-g', primary.name], { gid: primary.gid, group: primary.name })
  const listed = groups && must(now.groups, p.name)
  const wanted = groups && (p.append ? [...new Set([...listed!, ...groups])].sort() : groups)
  if (wanted && wanted.join() !== listed!.join())
    set(`groups ${wanted.join(', ') || 'none'}`, ['-G', wanted.join(',')], { groups: wanted })
  if (p.comment !== undefined && p.comment !== now.comment)
    set(`comment ${p.comment}`, ['-c', p.comment], { comment: p.comment })
  if (p.home !== undefined && p.home !== must(now.home, p.name))
    set(`home ${p.home}`, ['-d', p.home, ...(p.move_home ? ['-m'] : [])], { home: p.home })
  if (p.shell !== undefined && p.shell !== must(now.shell, p.name))
    set(`shell ${p.shell}`, ['-s', p.shell], { shell: p.shell })
  if (p.expires !== undefined) {
    const day = p.expires < 0 ? undefined : Math.floor(p.expires / 86_400)
    if (day !== now.expires)
      set(day === undefined ? 'no end' : `end ${dayOf(p.expires)}`, ['-e', day === undefined ? '' : dayOf(p.expires)], {
        expires: day,
      })
  }
  const locked = now.password?.startsWith('!')
  // a password that is set is locked or not by itself
  if (locked !== undefined && p.password_lock !== undefined && p.password_lock !== locked && !setsPassword(p, now))
    set(p.password_lock ? 'password locked' : 'password unlocked', [p.password_lock ? '-L' : '-U'], {
      password: undefined,
    })
  if (said.length === 0) return { steps: [], after }
  // files in the home get another owner with the user
  const inside = argv.includes('-u') || argv.includes('-g')
  const paths = [...(p.home !== undefined && p.move_home ? [p.home] : []), now.home ?? '']
  const summary = `change user ${p.name}: ${said.join('; ')}`
  const step = changeAccount(summary, ['usermod', ...argv, p.name], p.name, after, {
    paths: inside || p.move_home ? paths.filter((path) => path.startsWith('/')) : [],
    shadow: asksShadow(p),
  })
  return { steps: [step], after }
}

function missingHome(p: P, at: Entry, after: Account): Step[] {
  return [
    makeHome(
      at.path,
      { ...after, uid: must(after.uid, p.name), gid: must(after.gid, p.name) },
      p.skeleton ?? '/etc/skel',
      topOf(at),
    ),
  ]
}

function setsPassword(p: P, now: Account): boolean {
  if (p.password === undefined || p.update_password === 'on_create') return false
  return now.password?.replace(/^!+/, '') !== p.password.replace(/^!+/, '')
}

/** @param changed the account as the steps before leave it. */
function passwordSteps(p: P, now: Account | undefined, changed: Account | undefined, isRoot: boolean): Step[] {
  if (p.password === undefined) return []
  // whoever is not root may not read it
  if (now && isRoot && p.update_password === 'always') must(now.password, p.name)
  if (now && !setsPassword(p, now)) return []
  const after: Account | undefined = changed && { ...changed, password: hashOf(p) }
  const input = Buffer.from(`${p.name}:${hashOf(p)}\n`)
  const step = changeAccount(`set the password of ${p.name}`, ['chpasswd', '-e'], p.name, after, { input })
  // of a new user the step before has said all
  return [now ? step : { ...step, effects: [] }]
}
