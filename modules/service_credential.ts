import {
  type Content,
  content,
  daemonReload,
  defineModule,
  type Entry,
  entry,
  type Failure,
  fail,
  followed,
  makeDirectory,
  missingParents,
  ownershipOfNew,
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
      description: 'The file that keeps it, of root alone; `/etc/credstore/SERVICE.NAME` without it.',
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
    'In the environment other processes of the same user and root can read it. Older Vault takes a PIN only there (VAULT_HSM_PIN): `method: environment`.',
  ],
})({
  reads: (p) => ({
    now: unit(unitName(p.service)),
    at: entry(pathOf(p)),
    there: content(pathOf(p)),
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
    const kept = keptSteps(a, file, facts.umask)
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
      steps: [...kept, ...written, ...reload],
      result: resultOf(p, credential),
      warnings: doubts(p, value, a.dir),
    }
  },
})

const plainName = (p: P) => unitName(p.service).replace(/\.service$/, '')
const pathOf = (p: P) => p.path ?? `/etc/credstore/${plainName(p)}.${p.name}`
const dropInOf = (p: P) => `/etc/systemd/system/${unitName(p.service)}.d/credential-${p.name}.conf`

function refusal(p: P, value: string, credential: boolean, version: number): Failure | undefined {
  if (credential && version < 247)
    return fail(`systemd ${version} has no credentials: they came with 247`, { hint: '`method: environment`' })
  if (value.includes('\0')) return fail('`value` holds a NUL')
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
    credential ? `LoadCredential=${p.name}:${path}` : `EnvironmentFile=${path}`,
    ...(p.once ? ['RestartPreventExitStatus=1'] : []),
  ]
  return `${lines.join('\n')}\n`
}

interface Kept {
  readonly at: Entry
  readonly there: Content
  readonly dir: Entry
}

/** The file with the secret, in a directory that nobody else may enter if it has to be made. */
function keptSteps({ at, there, dir }: Kept, bytes: Buffer, umask: string): Step[] | Failure {
  const { stat } = placeOf(dir, true)
  const made = stat
    ? []
    : [
        ...missingParents(dir).map((m) => makeDirectory(m, ownershipOfNew({}, 0o755, true))),
        makeDirectory(dir, { mode: 0o700 }),
      ]
  const want = { owner: 'root', group: 'root', mode: '0600' }
  const steps = placeFile({
    at,
    now: there,
    bytes,
    want,
    umask,
    parents: made.length > 0 ? 'made' : undefined,
    secret: true,
  })
  return 'failed' in steps ? steps : [...made, ...steps]
}

/** The unit once systemd has read the drop-in; of one that is not there yet a drop-in changes nothing. */
function reloaded(now: Parameters<typeof unitAfter>[0], bytes: Buffer) {
  const after = now.load === 'not-found' ? now : unitAfter(now, bytes, false)
  return { ...after, needsReload: false }
}

function absentSteps({ now, at, dropIn }: { now: Parameters<typeof unitAfter>[0]; at: Entry; dropIn: Entry }): Step[] {
  const gone = [dropIn, at].filter((e) => e.stat).map((e) => remove(e))
  const reload = dropIn.stat || now.needsReload ? [daemonReload(reloaded(now, Buffer.alloc(0)))] : []
  return [...gone, ...reload]
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
