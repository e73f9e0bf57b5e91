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
  readonly active: string
  readonly sub: string | undefined
  /** `enabled`, `disabled`, `static`, `masked`, …; empty where there is no unit file. */
  readonly enabled: string
  readonly fragment: string | undefined
  readonly dropIns: readonly string[] | undefined
  readonly needsReload: boolean | undefined
  readonly mainPid: number | undefined
  /** When it became active, in seconds since 1970; 0 when it never did. */
  readonly activeSince: number | undefined
  readonly result: string | undefined
}

const properties =
  'LoadState,ActiveState,SubState,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,MainPID,ActiveEnterTimestampMonotonic,Result'

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

function script(names: readonly string[], sh: Shell): string {
  return `read -r u _ </proc/uptime; printf '%s %s\\n\\n' "$(date +%s.%N)" "$u" >&3
systemctl show --no-pager --property=${properties} -- ${sh.words(names)} >&3 2>/dev/null`
}

function parse(output: Buffer, names: readonly string[]): Unit[] {
  const [clock, ...blocks] = fromBytes(output).replace(/\n+$/, '').split(/\n\n+/)
  const [now, up] = clock!.split(' ').map(Number) as [number, number]
  const boot = now - up
  return names.map((name, i) => {
    const fields = new Map(
      (blocks[i] ?? '').split('\n').map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]),
    )
    const since = Number(fields.get('ActiveEnterTimestampMonotonic') || 0)
    return {
      name,
      load: fields.get('LoadState') ?? 'not-found',
      active: fields.get('ActiveState') ?? 'inactive',
      sub: fields.get('SubState') ?? '',
      enabled: fields.get('UnitFileState') ?? '',
      fragment: fields.get('FragmentPath') ?? '',
      dropIns: (fields.get('DropInPaths') ?? '').split(' ').filter((p) => p !== ''),
      needsReload: fields.get('NeedDaemonReload') === 'yes',
      mainPid: Number(fields.get('MainPID') || 0),
      activeSince: since === 0 ? 0 : boot + since / 1e6,
      result: fields.get('Result') ?? '',
    }
  })
}

export const unitKind: ReadKind<string, Unit> = {
  name: 'unit',
  key: (name) => name,
  script,
  parse,
  difference: (p, a) => fieldDifference(['load', 'active', 'enabled', 'needsReload'], p, a),
}
