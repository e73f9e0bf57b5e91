import {
  changeUnit,
  content,
  daemonReload,
  defineModule,
  type Entry,
  entry,
  fail,
  followed,
  ownershipParams,
  type Params,
  placeFile,
  printUnit,
  rendered,
  type Step,
  type StepEnd,
  type Unit,
  type UnitSections,
  unit,
  unitName,
  unitWarnings,
  verifyUnit,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    name: { type: 'string', description: 'The unit; without a suffix it is a service.' },
    unit: {
      type: 'object',
      additionalProperties: { type: 'object', additionalProperties: {} },
      description: 'The file as sections with directives; a list makes a line for each value.',
    },
    content: { type: 'string', description: 'The file itself.' },
    template: { type: 'string', controllerPath: 'templates', description: 'A template of the file.' },
    drop_in: {
      type: 'string',
      pattern: '^[\\w.-]+$',
      description: 'Writes the file as this drop-in of the unit, not as the unit.',
    },
    directory: { type: 'string', default: '/etc/systemd/system', description: 'Where unit files are written.' },
    enabled: { type: 'boolean', description: 'Whether it starts with the host.' },
    masked: { type: 'boolean', description: 'Whether nothing can start it.' },
    state: {
      type: 'string',
      enum: ['started', 'stopped', 'restarted', 'reloaded'],
      description: 'Whether it runs; restarted and reloaded act every time.',
    },
    restart_after: {
      type: 'array',
      items: { type: 'string' },
      description: 'Absolute paths: when one of them is newer than the start of the service, it is restarted.',
    },
    verify: {
      type: 'boolean',
      default: true,
      description: 'Looks at the file with systemd-analyze before it is used.',
    },
    owner: ownershipParams.owner,
    group: ownershipParams.group,
    mode: { ...ownershipParams.mode, default: '0644' },
  },
  required: ['name'],
  exclusive: [['unit', 'content', 'template']],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'systemd_unit',
  summary: 'Writes a systemd unit or drop-in, and enables, starts, stops, restarts it.',
  params,
  examples: `- systemd_unit:
    name: vault
    unit:
      Unit: { Description: Vault, After: network-online.target }
      Service: { ExecStart: /usr/local/bin/vault server -config=/etc/vault.d/vault.hcl, User: vault }
      Install: { WantedBy: multi-user.target }
    enabled: true
    state: started
    restart_after: [/etc/vault.d/vault.hcl]`,
})({
  reads: (p) => ({
    now: unit(unitName(p.name)),
    at: hasFile(p) ? entry(pathOf(p)) : undefined,
    text: hasFile(p) ? content(pathOf(p)) : undefined,
    template: p.template === undefined ? undefined : rendered(p.template),
    watched: (p.restart_after ?? []).map(entry),
  }),
  plan: (p, a, { facts }) => {
    if (facts.service_manager !== 'systemd') return fail(`the host is run by ${facts.service_manager}, not by systemd`)
    const bytes = a.template ?? bytesOf(p)
    if (bytes && 'failed' in bytes) return bytes
    const files = bytes ? filesOf(p, bytes, a.at!, a.text!, facts.umask) : []
    if ('failed' in files) return files
    const wants = wishes(
      p,
      a.now,
      files.some((s) => !s.harmless),
      a.watched,
    )
    if ('failed' in wants) return wants
    const steps = [...files, ...wants]
    const verifies = files[0]?.harmless ? { settle: settled } : {}
    return {
      steps,
      ...verifies,
      result: { name: unitName(p.name), ...(bytes ? { path: pathOf(p) } : {}) },
      warnings: bytes ? unitWarnings(bytes.toString('utf8')) : [],
    }
  },
})

const hasFile = (p: P) => p.unit !== undefined || p.content !== undefined || p.template !== undefined

function fileOf(p: P): string {
  const name = unitName(p.name)
  return p.drop_in === undefined ? name : `${name}.d/${p.drop_in.replace(/\.conf$/, '')}.conf`
}

const pathOf = (p: P) => `${p.directory}/${fileOf(p)}`

function bytesOf(p: P) {
  if (p.content !== undefined) return Buffer.from(p.content)
  if (p.unit === undefined) return undefined
  try {
    return Buffer.from(printUnit(p.unit as UnitSections))
  } catch (e) {
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}

function filesOf(p: P, bytes: Buffer, at: Entry, now: { bytes: Buffer | undefined; denied: boolean }, umask: string) {
  const steps = placeFile({ at, now, bytes, want: p, umask, parents: 'make', follow: false })
  if ('failed' in steps || steps.length === 0 || !p.verify || now.bytes?.equals(bytes)) return steps
  return [verifyUnit(unitName(p.name), fileOf(p), bytes), ...steps]
}

/** What is to be done to the unit, once its file is written. */
function wishes(p: P, now: Unit, written: boolean, watched: readonly Entry[]) {
  const name = unitName(p.name)
  const steps: Step[] = []
  const masked = now.load === 'masked' || now.enabled === 'masked'
  if (!written && now.load === 'not-found' && (p.state === 'started' || p.state === 'restarted' || p.enabled))
    return fail(`there is no unit ${name}`, { hint: 'give its file with `unit`, `content` or `template`' })
  let unitNow: Unit = written
    ? { ...now, load: masked ? 'masked' : 'loaded', needsReload: false, enabled: now.enabled || 'disabled' }
    : now
  if (written || now.needsReload) {
    unitNow = { ...unitNow, needsReload: false }
    steps.push(daemonReload(unitNow))
  }
  const run = (verb: string, after: Partial<Unit>, acts?: true) => {
    unitNow = { ...unitNow, ...after }
    steps.push(changeUnit(verb, name, unitNow, acts ? { acts } : {}))
  }
  if (p.masked === false && masked) run('unmask', { load: 'loaded', enabled: undefined as never })
  const enabled = ['enabled', 'enabled-runtime', 'static', 'alias', 'indirect', 'generated', 'transient'].includes(
    unitNow.enabled,
  )
  if (p.enabled === true && (!enabled || (written && now.load === 'not-found'))) run('enable', { enabled: 'enabled' })
  if (p.enabled === false && ['enabled', 'enabled-runtime'].includes(unitNow.enabled))
    run('disable', { enabled: 'disabled' })
  runState(p, unitNow, watched, run)
  if (p.masked === true && !masked) run('mask', { load: 'masked', enabled: 'masked' })
  return steps
}

const up = { active: 'active', sub: undefined, mainPid: undefined, activeSince: undefined, result: undefined }

function runState(
  p: P,
  now: Unit,
  watched: readonly Entry[],
  run: (verb: string, after: Partial<Unit>, acts?: true) => void,
): void {
  const isUp = ['active', 'activating', 'reloading'].includes(now.active)
  if (p.state === 'restarted') run('restart', up, true)
  else if (p.state === 'stopped') isUp && run('stop', { active: 'inactive', sub: undefined, mainPid: 0 })
  else if (p.state === 'started' && !isUp) run('start', up)
  else if (p.state === 'reloaded') run(isUp ? 'reload' : 'start', isUp ? {} : up, true)
  else if (isUp && watched.some((w) => isNewer(w, now.activeSince))) run('restart', up)
}

/** What this run writes is newer than whatever runs. */
function isNewer(watched: Entry, since: number | undefined): boolean {
  const { stat } = followed(watched)
  if (!stat || since === undefined) return false
  return stat.mtime === undefined || stat.mtime > since
}

function settled(ends: readonly StepEnd[]) {
  const [verified] = ends
  const said = verified!.stdout.toString('utf8').trim()
  const ignored = said.split('\n').filter((l) => /ignoring|ignored|Unknown/.test(l))
  const bad = ends.findIndex((e) => e.outcome !== 'done')
  if (bad === 0) return { result: {}, failed: `systemd-analyze does not take the unit: ${said}` }
  const tail = ends[bad]?.stderr.toString('utf8').trim().slice(-2000)
  return {
    result: { ignored },
    warnings: ignored,
    ...(bad === -1 ? {} : { failed: `exit status ${ends[bad]!.status}: ${tail}` }),
  }
}
