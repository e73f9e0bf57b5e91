import {
  type AuditDevice,
  auditEffects,
  barePath,
  defineModule,
  type Failure,
  fail,
  isRefused,
  knownLocals,
  type Params,
  productText,
  refusal,
  rightTo,
  type Step,
  unaskable,
  type VaultServer,
  type VaultStatus,
  vaultAudits,
  vaultLocals,
  vaultParams,
  vaultServer,
  vaultSettled,
  vaultStatus,
  vaultStep,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    path: { type: 'string', pattern: '[^/]', description: 'Its name; by itself its type.' },
    type: { type: 'string', enum: ['file', 'syslog', 'socket'], default: 'file', description: 'Its type.' },
    options: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Its options, as `{ file_path: /var/log/vault/audit.log }`; those it has besides are not looked at.',
    },
    description: { type: 'string', default: '', description: 'A description.' },
    local: { type: 'boolean', default: false, description: 'It is not replicated to other clusters.' },
    state: {
      type: 'string',
      enum: ['present', 'absent'],
      default: 'present',
      description: 'Whether it is to be there.',
    },
    recreate: {
      type: 'boolean',
      default: false,
      description:
        'What differs is set by making it anew: meanwhile nothing is recorded, unless there is another device.',
    },
    unsafe_api: {
      type: 'boolean',
      default: false,
      description:
        'The configuration of this OpenBao says `unsafe_allow_api_audit_creation`; without that it takes none by its API.',
    },
    ...vaultParams,
  },
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'vault_audit',
  summary: 'Keeps audit devices of Vault; those of OpenBao are in its configuration, and are looked at.',
  params,
  examples: `- vault_audit: { type: file, options: { file_path: /var/log/vault/audit.log } }`,
  notes: [
    'That Vault takes them by its API was not tried: none was there. It was tried with OpenBao where `unsafe_api` holds.',
  ],
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    return {
      ...vaultLocals(p, known),
      status: vaultStatus(server),
      now: server.token === undefined ? undefined : vaultAudits(server),
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    const no = unaskable(p, a, server)
    if (no) return no
    if (isRefused(a.now)) return refusal(a.now)
    const path = barePath(p.path ?? p.type)
    const planned = planFor(p, server, path, a.now!.get(path), a.status as VaultStatus)
    if (!Array.isArray(planned)) return planned as Failure
    return { steps: planned, result: { path }, settle: vaultSettled(planned) }
  },
})

function planFor(
  p: P,
  server: VaultServer,
  path: string,
  now: AuditDevice | undefined,
  status: VaultStatus,
): Step[] | Failure {
  const wanted = p.state === 'present'
  const wrong = now && wanted ? differences(p, now) : []
  if (wanted ? now && wrong.length === 0 : !now) return []
  if (status.product === 'OpenBao' && !p.unsafe_api)
    return fail(
      `${productText(status)} takes audit devices from its configuration only${wrong.length > 0 ? `: of ${path}/ ${wrong.join('; ')}` : ''}`,
      {
        hint: `${wanted ? 'have this in it' : 'take this out of it'}, then restart the server:\n${snippet(p, path)}`,
      },
    )
  if (wrong.length > 0 && !p.recreate)
    return fail(`the audit device ${path}/ can't be changed so: ${wrong.join('; ')}`, {
      hint: '`recreate: true` makes it anew; meanwhile nothing is recorded, unless there is another device',
    })
  const at = `sys/audit/${path}`
  const { type, description, local, options = {} } = p
  const removing = `disable the audit device ${path}/`
  const making = `enable the audit device ${path}/ (${type})`
  const body = { type, description, local, options }
  const step = (summary: string, after: AuditDevice | undefined, method: 'PUT' | 'DELETE') =>
    vaultStep(summary, server, auditEffects(summary, server, path, after), (ask) => ask(method, at, after), {
      needs: rightTo(server, method, at),
    })
  return [...(now ? [step(removing, undefined, 'DELETE')] : []), ...(wanted ? [step(making, body, 'PUT')] : [])]
}

function differences(p: P, now: AuditDevice): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['type', p.type, now.type],
    ['description', p.description, now.description],
    ['local', p.local, now.local],
    ...Object.entries(p.options ?? {}).map(([name, value]): [string, unknown, unknown] => [
      `options.${name}`,
      value,
      now.options[name] ?? 'not set',
    ]),
  ]
  return pairs.flatMap(([name, want, is]) =>
    want === is ? [] : [`\`${name}\` is ${is || 'empty'}, not ${want || 'empty'}`],
  )
}

function snippet({ type, description, options = {} }: P, path: string): string {
  const lines = Object.entries(options).map(([name, value]) => `    ${name} = ${JSON.stringify(value)}`)
  const said = description === '' ? [] : [`  description = ${JSON.stringify(description)}`]
  return [`audit ${JSON.stringify(type)} ${JSON.stringify(path)} {`, ...said, '  options {', ...lines, '  }', '}'].join(
    '\n',
  )
}
