import {
  bootTime,
  canBeEnabled,
  changeUnit,
  content,
  daemonReload,
  defineModule,
  type Entry,
  entry,
  exitStatus,
  fail,
  followed,
  isTemplate,
  ownershipParams,
  type Params,
  placeFile,
  printUnit,
  rendered,
  type Step,
  type StepEnd,
  serverEnd,
  serviceEnd,
  type Unit,
  type UnitSections,
  UnknownValue,
  unit,
  unitAfter,
  unitName,
  unitWarnings,
  verifyUnit,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    name: {
      type: 'string',
      pattern: '^[\\w:.@\\\\-]+$',
      description: 'The unit; without a suffix it is a service.',
    },
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
    directory: {
      type: 'string',
      hostPath: true,
      default: '/etc/systemd/system',
      description: 'Where unit files are written.',
    },
    enabled: { type: 'boolean', description: 'Whether it starts with the host.' },
    masked: { type: 'boolean', description: 'Whether nothing can start it.' },
    state: {
      type: 'string',
      enum: ['started', 'stopped', 'restarted', 'reloaded'],
      description: 'Whether it runs; restarted and reloaded act every time.',
    },
    restart_after: {
      type: 'array',
      items: { type: 'string', pattern: '^/|<%' },
      description:
        'Absolute paths: when one of them is newer than the start of the service, it is restarted. The unit’s own file may be one.',
    },
    restart: {
      type: 'string',
      enum: ['now', 'later'],
      default: 'now',
      description:
        'When `restart_after` restarts it. `later`: not by this task; what runs is left running, and `restart_required` of the result is true.',
    },
    watch: {
      type: 'number',
      minimum: 0,
      maximum: 600,
      description:
        'How many seconds a service is watched after its start, while other tasks go on; when it ends meanwhile, that is a failure. Without it as long as it is busy starting: 0.2 to 1.',
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
  notes: [
    '`restart_required` of the result is true where a service runs that is older than one of the paths in `restart_after`, and is not restarted. It goes by what is on the host, so that what an earlier run left to be done is seen too. The paths are in the result, for the task that restarts it.',
  ],
})({
  reads: (p) => ({
    now: unit(unitName(p.name)),
    at: hasFile(p) ? entry(pathOf(p)) : undefined,
    text: hasFile(p) ? content(pathOf(p)) : undefined,
    template: p.template === undefined ? undefined : rendered(p.template),
    watched: (p.restart_after ?? []).map(entry),
    boot: p.restart_after === undefined ? undefined : bootTime(),
  }),
  plan: (p, a, { facts }) => {
    if (facts.service_manager !== 'systemd')
      return fail(`the host is run by ${facts.service_manager || 'nothing known'}, not by systemd`)
    const bytes = a.template ?? bytesOf(p)
    if (bytes && 'failed' in bytes) return bytes
    if (!bytes && p.drop_in !== undefined) return fail('`drop_in` needs `unit`, `content` or `template`')
    const files = bytes ? filesOf(p, bytes, a.at!, a.text!, facts.umask) : []
    if ('failed' in files) return files
    const written = bytes !== undefined && !a.text!.bytes?.equals(bytes)
    const own = written && p.restart_after?.includes(pathOf(p)) ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
    const newest = Math.max(own, ...a.watched.map((w) => writtenAt(w) - (a.boot ?? 0)))
    const wants = wishes(p, a.now, written ? bytes : undefined, newest)
    if ('failed' in wants) return wants
    const steps = [...files, ...wants]
    const warnings = bytes ? unitWarnings(bytes.toString('utf8')) : []
    return {
      steps,
      settle: (ends: readonly StepEnd[]) => settled(steps, ends, warnings),
      result: {
        name: unitName(p.name),
        ...(bytes ? { path: pathOf(p) } : {}),
        restart_required: p.restart_after !== undefined && isLeftOutdated(p, a.now, newest),
        ...(p.restart_after === undefined ? {} : { restart_after: p.restart_after }),
      },
      warnings,
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

/** What is to be done to the unit, once its file is written.
 * @param newest when the newest of the watched files was written, in seconds since the host was started. */
function wishes(p: P, now: Unit, written: Buffer | undefined, newest: number) {
  const name = unitName(p.name)
  const steps: Step[] = []
  const masked = (now.load === 'masked' || now.enabled === 'masked') && p.masked !== false
  const runs = p.state === 'started' || p.state === 'restarted' || p.state === 'reloaded'
  const isNew = written !== undefined && p.drop_in === undefined
  if (!isNew && now.load === 'not-found' && (runs || p.enabled))
    return fail(`there is no unit ${name}`, { hint: 'give its file with `unit`, `content` or `template`' })
  if (masked && runs)
    return fail(`${name} is masked: nothing can start it`, {
      hint: `\`masked: false\`, or \`systemctl unmask ${name}\` on the host`,
    })
  if (runs && isTemplate(name)) return fail(`${name} is a template: only an instance of it can run`)
  if (isNew && p.enabled === true && !canBeEnabled(written))
    return fail(`${name} has no [Install] section: there is nothing to enable`, {
      hint: 'add `Install: { WantedBy: multi-user.target }`, or drop `enabled`',
    })
  let unitNow = written === undefined ? now : unitAfter(now, written, isNew)
  if (written !== undefined || now.needsReload) {
    unitNow = { ...unitNow, needsReload: false }
    steps.push(daemonReload(unitNow))
  }
  const unheardOf = now.guessed === 'unread' || (now.load === 'not-found' && now.active === 'inactive')
  const run = (verb: string, after: Partial<Unit>, acts?: true) => {
    unitNow = { ...unitNow, ...after }
    steps.push(changeUnit(verb, name, unitNow, { watch: p.watch, isNew: unheardOf, ...(acts ? { acts } : {}) }))
  }
  const wasMasked = now.load === 'masked' || now.enabled === 'masked'
  if (p.masked === false && wasMasked) run('unmask', { load: 'loaded', enabled: undefined })
  const is = (...states: string[]) => unitNow.enabled !== undefined && states.includes(unitNow.enabled)
  const enabled = is('enabled', 'enabled-runtime', 'static', 'alias', 'indirect', 'generated', 'transient')
  if (p.enabled === true && !enabled) run('enable', { enabled: unitNow.enabled === undefined ? undefined : 'enabled' })
  if (p.enabled === false && is('enabled', 'enabled-runtime')) run('disable', { enabled: 'disabled' })
  runState(p, unitNow, newest, run)
  if (p.masked === true && !wasMasked) run('mask', { load: 'masked', enabled: 'masked' })
  return steps
}

function runState(
  p: P,
  now: Unit,
  newest: number,
  run: (verb: string, after: Partial<Unit>, acts?: true) => void,
): void {
  if (p.state === undefined && p.restart_after === undefined) return
  const isUp = isRunning(now)
  // a oneshot is over when it has started, and every start is a run of it
  const over = now.type === 'oneshot' && !now.remainsAfterExit
  const up = { active: over ? 'inactive' : 'active', sub: undefined, startedAt: undefined }
  if (p.state === 'restarted') run('restart', up, true)
  else if (p.state === 'stopped') (isUp || isRestarting(now)) && run('stop', { active: 'inactive', sub: undefined })
  else if (p.state === 'started' && !isUp) run('start', up, over || undefined)
  else if (p.state === 'reloaded') run(isUp ? 'reload' : 'start', isUp ? {} : up, true)
  else if (p.restart === 'now' && isOutdated(now, newest)) run('restart', up)
}

/** It was started before the newest of the watched files was written. */
const isOutdated = (now: Unit, newest: number) =>
  isRunning(now) && now.startedAt !== undefined && newest > now.startedAt

/** … and this task leaves it so. */
function isLeftOutdated(p: P, now: Unit, newest: number): boolean {
  const leaves = p.state === 'reloaded' || (p.restart === 'later' && (p.state ?? 'started') === 'started')
  return leaves && isOutdated(now, newest)
}

/** One that ends again and again waits for its next start: it does not run. */
const isRestarting = (now: Unit) => now.sub === 'auto-restart'

function isRunning(now: Unit): boolean {
  if (now.active === undefined) throw new UnknownValue(`whether ${now.name} runs`)
  return ['active', 'activating', 'reloading', 'refreshing'].includes(now.active) && !isRestarting(now)
}

/** In seconds since 1970. What this run writes is newer than whatever runs; what is not there is older. */
function writtenAt(watched: Entry): number {
  const { stat } = followed(watched)
  return stat ? (stat.mtime ?? Infinity) : -Infinity
}

function settled(steps: readonly Step[], ends: readonly StepEnd[], told: readonly string[]) {
  const verified = steps[0]?.harmless ? ends[0]! : undefined
  const said = verified?.stdout.toString('utf8').trim() ?? ''
  const bad = ends.findIndex((e) => e.outcome !== 'done')
  if (verified && bad === 0)
    return {
      result: {},
      failed: `systemd does not take the unit: ${said || verified.stderr.toString('utf8').trim()}`,
      hint: 'what was there before is still in place',
    }
  // what was told from the file alone is not told again
  const ignored = said.split('\n').filter((l) => l !== '' && !told.some((t) => l.includes(t.split(' ')[0]!)))
  return {
    result: verified ? { ignored } : {},
    warnings: ignored,
    ...(bad === -1 ? {} : failedBy(steps[bad]!.summary, ends[bad]!)),
  }
}

/** Its log may say why. */
function failedBy(summary: string, end: StepEnd) {
  const log = end.stderr.toString('utf8')
  const reason = serverEnd(log) ?? serviceEnd(log)
  if (!reason) return { failed: `${summary}: ${exitStatus(end)}` }
  return { failed: `${summary}: ${reason.message}\n${exitStatus(end)}`, hint: reason.hint }
}
