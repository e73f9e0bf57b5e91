import {
  type Account,
  account,
  changeAccount,
  defineModule,
  type Entry,
  entry,
  fail,
  type Group,
  group,
  makeHome,
  type Params,
  type Step,
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
    shell: { type: 'string', description: 'Its login shell.' },
    system: { type: 'boolean', default: false, description: 'A new one gets a number for systems.' },
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
  differences: ['A password goes to the host by standard input, never as an argument.'],
})({
  reads: (p, _, known) => ({
    now: account(p.name),
    own: group(p.name),
    primary: p.group === undefined ? undefined : group(p.group),
    others: (p.groups ?? []).map(group),
    home: known(account(p.name))?.home ? entry(known(account(p.name))!.home!) : undefined,
  }),
  plan: (p, a) => {
    const result = { name: p.name, state: p.state }
    if (p.state === 'absent') return { steps: a.now ? [removal(p, a.now)] : [], result }
    if (p.group !== undefined && !a.primary) return fail(`there is no group ${p.group}`)
    const missing = (p.groups ?? []).filter((_, i) => !a.others[i])
    if (missing.length > 0) return fail(`there is no group ${missing.join(', ')}`)
    const groups = p.groups && [...new Set(a.others.map((g) => g!.name))].sort()
    const steps = a.now
      ? [...changes(p, a.now, a.primary, groups), ...missingHome(p, a.now, a.home)]
      : [addition(p, a.own, a.primary, groups)]
    return { steps: [...steps, ...passwordSteps(p, a.now)], result }
  },
})

function removal(p: P, now: Account): Step {
  const argv = ['userdel', ...(p.force ? ['-f'] : []), ...(p.remove ? ['-r'] : []), p.name]
  return changeAccount(`remove user ${p.name}`, argv, p.name, undefined, { home: p.remove ? now.home : undefined })
}

function addition(
  p: P,
  own: Group | undefined,
  primary: Group | undefined,
  groups: readonly string[] | undefined,
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
  if (p.system) add('-r')
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
    password: undefined,
    expires: p.expires === undefined || p.expires < 0 ? undefined : Math.floor(p.expires / 86_400),
  }
  const home = p.create_home ? (p.home ?? `/home/${p.name}`) : undefined
  return changeAccount(`add user ${p.name}${p.uid === undefined ? '' : ` (${p.uid})`}`, argv, p.name, after, { home })
}

const dayOf = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10)

function changes(p: P, now: Account, primary: Group | undefined, groups: readonly string[] | undefined): Step[] {
  const argv: string[] = []
  const said: string[] = []
  let after = now
  const set = (what: string, words: string[], fields: Partial<Account>) => {
    argv.push(...words)
    said.push(what)
    after = { ...after, ...fields }
  }
  if (p.uid !== undefined && p.uid !== now.uid)
    set(`number ${p.uid}`, ['-u', String(p.uid), ...(p.non_unique ? ['-o'] : [])], { uid: p.uid })
  if (primary && primary.gid !== now.gid)
    set(`group ${primary.name}`, ['-g', primary.name], { gid: primary.gid, group: primary.name })
  const wanted = groups && (p.append ? [...new Set([...(now.groups ?? []), ...groups])].sort() : groups)
  if (wanted && now.groups && wanted.join() !== now.groups.join())
    set(`groups ${wanted.join(', ') || 'none'}`, ['-G', wanted.join(',')], { groups: wanted })
  if (p.comment !== undefined && p.comment !== now.comment)
    set(`comment ${p.comment}`, ['-c', p.comment], { comment: p.comment })
  if (p.home !== undefined && p.home !== now.home)
    set(`home ${p.home}`, ['-d', p.home, ...(p.move_home ? ['-m'] : [])], { home: p.home })
  if (p.shell !== undefined && p.shell !== now.shell) set(`shell ${p.shell}`, ['-s', p.shell], { shell: p.shell })
  if (p.expires !== undefined) {
    const day = p.expires < 0 ? undefined : Math.floor(p.expires / 86_400)
    if (day !== now.expires)
      set(day === undefined ? 'no end' : `end ${dayOf(p.expires)}`, ['-e', day === undefined ? '' : dayOf(p.expires)], {
        expires: day,
      })
  }
  const locked = now.password?.startsWith('!')
  if (locked !== undefined && p.password_lock !== undefined && p.password_lock !== locked)
    set(p.password_lock ? 'password locked' : 'password unlocked', [p.password_lock ? '-L' : '-U'], {
      password: undefined,
    })
  if (said.length === 0) return []
  const home = p.move_home ? p.home : undefined
  return [
    changeAccount(`change user ${p.name}: ${said.join('; ')}`, ['usermod', ...argv, p.name], p.name, after, { home }),
  ]
}

function missingHome(p: P, now: Account, home: Entry | undefined): Step[] {
  if (!p.create_home || !home || home.stat || (p.home !== undefined && p.home !== now.home)) return []
  return [makeHome(now)]
}

function passwordSteps(p: P, now: Account | undefined): Step[] {
  if (p.password === undefined) return []
  if (now && (p.update_password === 'on_create' || now.password?.replace(/^!+/, '') === p.password.replace(/^!+/, '')))
    return []
  const hash = p.password_lock ? `!${p.password}` : p.password
  const after: Account | undefined = now && { ...now, password: hash }
  const input = Buffer.from(`${p.name}:${hash}\n`)
  const step = changeAccount(`set the password of ${p.name}`, ['chpasswd', '-e'], p.name, after, { input })
  // of a new user only the host knows the rest
  return [now ? step : { ...step, effects: [] }]
}
