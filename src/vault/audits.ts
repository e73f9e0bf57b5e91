import type { Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import { pathsDifference, vaultEffect, vaultKind } from './kind.ts'
import { isGood, noAnswer } from './said.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

export interface AuditDevice {
  readonly type: string
  readonly description: string
  readonly options: Readonly<Record<string, string>>
  readonly local: boolean
}

/** By path without the slash at its end. */
type AuditDevices = ReadonlyMap<string, AuditDevice>

const auditKind = vaultKind<{ readonly server: VaultServer }, AuditDevices>({
  name: 'vault-audits',
  about: ({ server }) => `the audit devices of ${server.address}`,
  answer: async (_, ask) => {
    const said = await ask('GET', 'sys/audit')
    if (isRefused(said)) return said
    if (!isGood(said)) return noAnswer(said)
    const devices = Object.entries(said.data).filter(([path, data]) => path.endsWith('/') && typeof data === 'object')
    return new Map(
      devices.map(([path, data]) => {
        const { type, description, options, local } = data as Partial<AuditDevice>
        const device = {
          type: type ?? '',
          description: description ?? '',
          options: options ?? {},
          local: local === true,
        }
        return [path.slice(0, -1), device]
      }),
    )
  },
  difference: pathsDifference,
})

export function vaultAudits(server: VaultServer): Read<AuditDevices | Refused> {
  return read(auditKind, { server })
}

export function auditEffects(
  because: string,
  server: VaultServer,
  path: string,
  after: AuditDevice | undefined,
): Effect[] {
  const change = (before: AuditDevices) => {
    const now = new Map(before)
    if (after) now.set(path, after)
    else now.delete(path)
    return now
  }
  return [vaultEffect(because, auditKind, { server }, () => true, change)]
}
