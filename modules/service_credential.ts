import {
  type Content,
  content,
  credentialMark,
  daemonReload,
  defineModule,
  type Entry,
  encryptCredential,
  encryptedCredential,
  entry,
  type Failure,
  fail,
  followed,
  inTheWay,
  makeDirectory,
  missingParents,
  ownershipOfNew,
  ownershipSteps,
  type Params,
  parentOf,
  placeFile,
  placeOf,
  remove,
  type Step,
  unit,
  unitAfter,
  unitName,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    service: { type: 'string', pattern: '^[\\w:.@\\\\-]+$', description: 'The service that gets it.' },
    name: {
      type: 'string',
      pattern: '^[\\w.-]*\\w[\\w.-]*$',
      description: 'What it is called: `hsm-pin`.',
    },
    value: {
      type: 'string',
      secret: true,
      description: 'The secret. A newline at its end is left out: no PIN has one, and files often do.',
    },
    path: {
      type: 'string',
      hostPath: true,
      description:
        'The file that keeps it, of root alone; without it `/etc/credstore/SERVICE.NAME`, and of one that is encrypted `/etc/credstore.encrypted/SERVICE.NAME`.',
    },
    encrypted: {
      type: 'boolean',
      default: false,
      description:
        'It is kept encrypted with a key of the host (systemd 250 and later): a backup or a disk alone does not give it away.',
    },
    method: {
      type: 'string',
      enum: ['auto', 'credential', 'environment'],
      default: 'auto',
      description:
        'How the service gets it: as a credential, a file that only it can read; or in its environment, for programs that take it nowhere else. `auto`: a credential where systemd has them (247 and later).',
    },
    environment: {
      type: 'string',
      pattern: '^[A-Za-z_]\\w*$|<%',
      description: 'The variable that has it in the environment: `VAULT_HSM_PIN`, `BAO_HSM_PIN`.',
    },
    once: {
      type: 'boolean',
      default: true,
      description:
        'A service that exits with 1, as Vault does on a wrong PIN, is not started again by itself (RestartPreventExitStatus): each start is one more wrong PIN, and an HSM locks after a few.',
    },
    state: {
      type: 'string',
      enum: ['present', 'absent'],
      default: 'present',
      description: 'Whether the service has it.',
    },
  },
  required: ['service', 'name'],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'service_credential',
  summary: 'Gives a service a secret: neither its unit, its configuration nor another user sees it.',
  params,
  examples: `- service_credential: { service: vault, name: hsm-pin, value: "<%= hsm_pin %>", environment: VAULT_HSM_PIN }
  register: pin
- vault_hcl:
    seal: { pkcs11: { lib: "<%= fx.library %>", slot: '0', key_label: hsm_demo, pin: "<%= pin.url %>" } }
- systemd_unit: { name: vault, state: started, restart_after: ["<%= pin.path %>", "<%= pin.drop_in %>"] }`,
  notes: [
    'It does not restart the service: `restart_after` of systemd_unit does, exactly once.',
    'Measured on systemd 252 with OpenBao: a wrong PIN is tried once a start with `once`, and without it as often as StartLimitBurst allows. The price: a server that starts while its HSM is away stays down until it is started again.',
    'One that is `encrypted` is text that only this host decrypts: its `path` is no `pin_file`. On its way it is for a moment in the session’s private directory on the host, as all that is secret is.',
    'In the environment other processes of the same user and root can read it. Older Vault takes a PIN only there (VAULT_HSM_PIN): `method: environment`.',
  ],
})({
  reads: (p) => ({
    now: unit(unitName(p.service)),
    at: entry(pathOf(p)),
    there: p.encrypted ? undefined : content(pathOf(p)),
    sealed: p.encrypted && p.state === 'present' ? encryptedCredential(pathOf(p), p.name) : undefined,
    // as it was kept before `encrypted` was set, or taken away
    before: p.path === undefined ? entry(defaultPath(p, !p.encrypted)) : undefined,
    dir: entry(parentOf(pathOf(p))),
    dropIn: entry(dropInOf(p)),
    text: content(dropInOf(p)),
  }),
  plan: (p, a, { facts, secret }) => {
    if (facts.service_manager !== 'systemd')
      return fail(`the host is run by ${facts.service_manager || 'nothing known'}, not by systemd`)
    if (facts.uid !== 0) return fail('only root gives services their secrets', { hint: '`become: true`' })
    if (!/^(\/[\w.@+-]+)+$/.test(pathOf(p))) return fail(`${pathOf(p)} is no path that a unit can name as it stands`)
    if (p.state === 'absent') return { steps: absentSteps(a), result: { state: 'absent', path: pathOf(p) } }
    if (p.value === undefined) return fail('`value` is missing')
    const value = p.value.replace(/\r?\n$/, '')
    secret(value)
    if (value === '') return fail('`value` is empty')
    const credential = p.method === 'credential' || (p.method === 'auto' && facts.systemd_version >= 247)
    const wrong = refusal(p, value, credential, facts.systemd_version)
    if (wrong) return wrong
    const file = credential
      ? Buffer.from(value)
      : Buffer.from(`${p.environment}="${value.replace(/["\\$`]/g, '\\$&')}"\n`)
    const kept = p.encrypted
      ? sealedSteps(p, a, Buffer.from(value))
      : keptSteps({ ...a, there: a.there! }, file, facts.umask)
    const bytes = Buffer.from(dropInText(p, credential))
    const written = placeFile({
      ...{ at: a.dropIn, now: a.text, bytes, umask: facts.umask, parents: 'make' },
      want: { owner: 'root', group: 'root', mode: '0644' },
    })
    if ('failed' in kept) return kept
    if ('failed' in written) return written
    const isOther = !a.text.bytes?.equals(bytes)
    const reload = isOther || a.now.needsReload ? [daemonReload(reloaded(a.now, bytes))] : []
    return {
      steps: [...kept, ...written, ...reload, ...gone([a.before])],
      result: resultOf(p, credential),
      warnings: doubts(p, value, a.dir),
    }
  },
})

const plainName = (p: P) => unitName(p.service).replace(/\.service$/, '')
const defaultPath = (p: P, encrypted: boolean) =>
  `/etc/credstore${encrypted ? '.encrypted' : ''}/${plainName(p)}.${p.name}`
const pathOf = (p: P) => p.path ?? defaultPath(p, p.encrypted)
const dropInOf = (p: P) => `/etc/systemd/system/${unitName(p.service)}.d/credential-${p.name}.conf`

function refusal(p: P, value: string, credential: boolean, version: number): Failure | undefined {
  if (credential && version < 247)
    return fail(`systemd ${version} has no credentials: they came with 247`, { hint: '`method: environment`' })
  if (value.includes('\0')) return fail('`value` holds a NUL')
  if (p.encrypted && !credential)
    return fail('a variable of the environment is not encrypted', { hint: 'leave out `encrypted`' })
  if (p.encrypted && version < 250)
    return fail(`systemd ${version} has no encrypted credentials: they came with 250`, {
      hint: 'leave out `encrypted`',
    })
  if (credential) return undefined
  if (p.environment === undefined)
    return fail(`systemd ${version} gives it in the environment: which variable?`, {
      hint: '`environment: VAULT_HSM_PIN`',
    })
  return /[\r\n]/.test(value) ? fail('`value` has several lines: a variable has one') : undefined
}

function dropInText(p: P, credential: boolean): string {
  const path = pathOf(p)
  const lines = [
    '# written by runbook (service_credential)',
    '[Service]',
    credential ? `LoadCredential${p.encrypted ? 'Encrypted' : ''}=${p.name}:${path}` : `EnvironmentFile=${path}`,
    ...(p.once ? ['RestartPreventExitStatus=1'] : []),
  ]
  return `${lines.join('\n')}\n`
}

interface Kept {
  readonly at: Entry
  readonly there: Content
  readonly dir: Entry
}

interface Sealed {
  readonly at: Entry
  readonly sealed: string | undefined
  readonly dir: Entry
}

/** The directory, that nobody else may enter if it has to be made. */
function directorySteps(dir: Entry): Step[] {
  if (placeOf(dir, true).stat) return []
  const parents = missingParents(dir).map((m) => makeDirectory(m, ownershipOfNew({}, 0o755, true)))
  return [...parents, makeDirectory(dir, { mode: 0o700 })]
}

const want = { owner: 'root', group: 'root', mode: '0600' }

/** The file with the secret. */
function keptSteps({ at, there, dir }: Kept, bytes: Buffer, umask: string): Step[] | Failure {
  const made = directorySteps(dir)
  const parents = made.length > 0 ? ('made' as const) : undefined
  const steps = placeFile({ at, now: there, bytes, want, umask, parents, secret: true })
  return 'failed' in steps ? steps : [...made, ...steps]
}

/** The same, encrypted: the text of it is other each time, so that it is made anew only where something else is in it. */
function sealedSteps(p: P, { at, sealed, dir }: Sealed, value: Buffer): Step[] | Failure {
  const place = placeOf(at, false)
  if (place.stat && place.stat.type !== 'file') return fail(`${at.path} is a ${place.stat.type}`)
  if (place.stat && sealed === credentialMark(value)) return ownershipSteps(place, want)
  return inTheWay(place) ?? [...directorySteps(dir), encryptCredential(place, p.name, value)]
}

/** The unit once systemd has read the drop-in; of one that is not there yet a drop-in changes nothing. */
function reloaded(now: Parameters<typeof unitAfter>[0], bytes: Buffer) {
  const after = now.load === 'not-found' ? now : unitAfter(now, bytes, false)
  return { ...after, needsReload: false }
}

const gone = (entries: readonly (Entry | undefined)[]) => entries.flatMap((e) => (e?.stat ? [remove(e)] : []))

interface There {
  readonly now: Parameters<typeof unitAfter>[0]
  readonly at: Entry
  readonly before: Entry | undefined
  readonly dropIn: Entry
}

function absentSteps({ now, at, before, dropIn }: There): Step[] {
  const reload = dropIn.stat || now.needsReload ? [daemonReload(reloaded(now, Buffer.alloc(0)))] : []
  return [...gone([dropIn, at, before]), ...reload]
}

function resultOf(p: P, credential: boolean) {
  const file = `/run/credentials/${unitName(p.service)}/${p.name}`
  return {
    ...{ state: 'present', method: credential ? 'credential' : 'environment', path: pathOf(p), drop_in: dropInOf(p) },
    ...(credential ? { file, url: `file://${file}` } : { environment: p.environment }),
  }
}

function doubts(p: P, value: string, dir: Entry): string[] {
  const stat = followed(dir).stat
  const other = stat?.uid !== undefined && stat.uid !== 0
  return [
    ...(value.trim() === value ? [] : ['`value` begins or ends with white space']),
    ...(other
      ? [
          `${parentOf(pathOf(p))} is ${stat.owner}'s, who can put another file in the place of the secret: systemd reads it as root`,
        ]
      : []),
  ]
}
