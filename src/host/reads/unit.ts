import { unitDirectives } from '../../formats/unit.ts'
import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'
import { fieldDifference } from './account.ts'

/** A systemd unit as `systemctl show` tells it. In a prediction undefined means not to be known before. */
export interface Unit {
  readonly name: string
  /** `loaded`, `not-found`, `masked`, `bad-setting`, … */
  readonly load: string
  /** `active`, `inactive`, `failed`, `activating`, … */
  readonly active: string | undefined
  readonly sub: string | undefined
  /** `enabled`, `disabled`, `static`, `masked`, …; empty where there is no unit file. */
  readonly enabled: string | undefined
  readonly fragment: string | undefined
  readonly dropIns: readonly string[] | undefined
  readonly needsReload: boolean | undefined
  /** `simple`, `oneshot`, …; empty for what is no service. */
  readonly type: string | undefined
  readonly remainsAfterExit: boolean | undefined
  /** When what runs now was started, in seconds since the host itself was (`bootTime`); 0 when it never was. */
  readonly startedAt: number | undefined
  /** Units that start, end or fail with it, and those that make it start; undefined where that is not known. */
  readonly pulls: readonly string[] | undefined
  readonly pulledBy: readonly string[] | undefined
  /** Other names that enabling gives it; undefined where its file was not seen. */
  readonly aliases: readonly string[] | undefined
  /** What its file says: systemd may find fault with it, or know more (drop-ins of a unit that there is not it does not
   * tell). `unread` as long as it has not read the file. */
  readonly guessed?: 'unread' | 'read' | undefined
}

const names = (text: string) => text.split(' ').filter((n) => n !== '')
const pulling = names('Requires Requisite Wants BindsTo Upholds Conflicts Triggers OnFailure OnSuccess')
const following = names('RequiredBy BoundBy ConsistsOf PropagatesStopTo TriggeredBy')
const wanting = names('WantedBy RequiredBy UpheldBy')
const properties = [
  ...names('Names LoadState ActiveState SubState UnitFileState FragmentPath DropInPaths NeedDaemonReload Type'),
  ...names('RemainAfterExit ActiveEnterTimestampMonotonic ExecMainStartTimestampMonotonic'),
  ...new Set([...pulling, ...following, ...wanting]),
]

/** What is up on every host that runs, or groups what is. */
const isGround = (name: string) =>
  /^(sysinit|basic|shutdown|umount|local-fs|remote-fs|network|network-pre|network-online|time-sync|time-set|nss-lookup|multi-user)\.target$|\.(slice|mount|device)$/.test(
    name,
  )

/** Whether others may start or end with a unit. */
export function isBound({ pulls }: Unit): boolean {
  return pulls === undefined || pulls.some((n) => !isGround(n))
}

/** Whether a unit may be another one once `changed` was started or stopped. */
export function comesAndGoes(changed: Unit, other: Unit): boolean {
  if (isBound(changed) || !other.pulledBy) return true
  return changed.pulls!.some((n) => other.pulledBy!.includes(n))
}

/** @param name with its suffix, as `vault.service`. */
export function unit(name: string): Read<Unit> {
  return read(unitKind, name)
}

/** A name as systemctl takes it: without a suffix it is a service. */
export function unitName(name: string): string {
  return /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/.test(name)
    ? name
    : `${name}.service`
}

/** Of a template only its instances run. */
export const isTemplate = (name: string) => /@\.[a-z]+$/.test(name)

function script(asked: readonly string[], sh: Shell): string {
  const [templates, units] = [asked.filter(isTemplate), asked.filter((n) => !isTemplate(n))]
  const show = `systemctl show --no-pager --property=${properties.join()} -- ${sh.words(units)} >&3 2>/dev/null`
  // systemctl show refuses them, and all others with them
  const ask = `for n in ${sh.words(templates)}; do printf '\\nNames=%s\\nUnitFileState=%s\\n' "$n" "$(systemctl is-enabled -- "$n" 2>/dev/null)" >&3; done`
  return `${units.length === 0 ? ':' : show}
${templates.length === 0 ? ':' : ask}`
}

function parse(output: Buffer, asked: readonly string[]): Unit[] {
  const blocks = fromBytes(output).trim().split(/\n\n+/)
  const found = new Map<string, Map<string, string>>()
  for (const block of blocks) {
    const fields = new Map(
      block.split('\n').map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)] as const),
    )
    // a unit answers under each of its names
    for (const name of names(fields.get('Names') ?? '')) found.set(name, fields)
  }
  return asked.map((name) => unitOf(name, found.get(name) ?? new Map()))
}

function unitOf(name: string, fields: ReadonlyMap<string, string>): Unit {
  const get = (key: string) => fields.get(key) ?? ''
  const enabled = get('UnitFileState')
  const since = Number(get('ExecMainStartTimestampMonotonic')) || Number(get('ActiveEnterTimestampMonotonic'))
  const load = isTemplate(name) ? (/^$|not-found/.test(enabled) ? 'not-found' : 'loaded') : get('LoadState')
  return {
    name,
    load: load || 'not-found',
    active: get('ActiveState') || 'inactive',
    sub: get('SubState'),
    enabled: enabled === 'not-found' ? '' : enabled,
    fragment: get('FragmentPath'),
    dropIns: names(get('DropInPaths')),
    needsReload: get('NeedDaemonReload') === 'yes',
    type: get('Type'),
    remainsAfterExit: get('RemainAfterExit') === 'yes',
    startedAt: since / 1e6,
    pulls: [...pulling, ...following].flatMap((key) => names(get(key))),
    pulledBy: wanting.flatMap((key) => names(get(key))),
    aliases: undefined,
  }
}

/** A service that was stopped and did not end well is `failed`, and as stopped as any. */
function resting(u: Unit): Unit {
  return u.active === 'failed' ? { ...u, active: 'inactive' } : u
}

export const unitKind: ReadKind<string, Unit> = {
  name: 'unit',
  inline: true,
  key: (name) => name,
  script,
  parse,
  difference: (p, a) =>
    p.guessed && !(p.active === 'active' && a.active === 'failed')
      ? undefined
      : fieldDifference(['load', 'active', 'enabled', 'needsReload'], resting(p), resting(a)),
}

/** When the host was started, in seconds since 1970. */
export const bootTime = (): Read<number> => read(bootKind, '')

const bootKind: ReadKind<string, number> = {
  name: 'boot',
  inline: true,
  key: () => '',
  script: () => `read -r u _ </proc/uptime; printf '%s %s' "$(date +%s.%N)" "$u" >&3`,
  parse: (output) => {
    const [now, up] = fromBytes(output).split(' ').map(Number) as [number, number]
    return [now - up]
  },
  // it is not predicted
  difference: () => undefined,
}

/** Whether its file says how it is enabled. */
export function canBeEnabled(bytes: Buffer): boolean {
  return unitDirectives(fromBytes(bytes)).some(
    (d) => d.section === 'Install' && /^(WantedBy|RequiredBy|UpheldBy|Alias|Also)$/.test(d.name),
  )
}

function enabledWhenNew(name: string, bytes: Buffer): string | undefined {
  if (!canBeEnabled(bytes)) return 'static'
  const wanted = unitDirectives(fromBytes(bytes)).some((d) => /^(Wanted|Required|Upheld)By$/.test(d.name))
  return wanted && !isTemplate(name) ? 'disabled' : undefined
}

/** A unit as systemd sees it once this file is written and read.
 * @param whole the file is the unit's own, not a drop-in. */
export function unitAfter(now: Unit, bytes: Buffer, whole: boolean): Unit {
  const last = (name: string) =>
    unitDirectives(fromBytes(bytes)).findLast((d) => d.section === 'Service' && d.name === name)?.value
  const [type, remains] = [last('Type'), last('RemainAfterExit')]
  const service = {
    type: type ?? (whole ? undefined : now.type),
    remainsAfterExit: remains === undefined ? !whole && now.remainsAfterExit : /^(yes|true|1|on)$/.test(remains),
  }
  if (!whole) return { ...now, ...service, pulls: undefined, pulledBy: undefined }
  const listed = (keys: readonly string[]) =>
    unitDirectives(fromBytes(bytes)).flatMap((d) => (keys.includes(d.name) ? names(d.value) : []))
  const kept = ['enabled', 'enabled-runtime', 'masked'].includes(now.enabled ?? '')
  return {
    ...now,
    ...service,
    load: now.load === 'masked' ? 'masked' : 'loaded',
    enabled: kept ? now.enabled : enabledWhenNew(now.name, bytes),
    pulls: now.load === 'not-found' ? listed([...pulling, 'Sockets', 'Also']) : undefined,
    pulledBy: now.load === 'not-found' ? listed(wanting) : undefined,
    aliases: listed(['Alias', 'Also', 'DefaultInstance']),
  }
}

/** A unit that there was not, once its file is in `/etc/systemd/system`: what can be said of it before systemd has read it.
 * Undefined where nothing can be said. */
export function newUnit(now: Unit, path: string, bytes: Buffer): Unit | undefined {
  const { name, load, active, guessed } = now
  const isNew = (load === 'not-found' && active === 'inactive') || guessed === 'unread'
  if (!isNew || name.includes('@') || path !== `/etc/systemd/system/${name}`) return undefined
  return { ...unitAfter(now, bytes, true), needsReload: false, guessed: 'unread' }
}
