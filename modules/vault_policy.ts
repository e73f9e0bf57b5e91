import {
  defineModule,
  fail,
  isRefused,
  knownLocals,
  localFile,
  policyEffects,
  refusal,
  rightTo,
  unaskable,
  vaultLocals,
  vaultParams,
  vaultPolicy,
  vaultServer,
  vaultSettled,
  vaultStatus,
  vaultStep,
} from '../src/module.ts'

export default defineModule({
  name: 'vault_policy',
  summary: 'Keeps policies of Vault and OpenBao.',
  params: {
    type: 'object',
    properties: {
      name: { type: 'string', pattern: '[^/]', description: 'Its name; servers keep it in lower case.' },
      policy: { type: 'string', description: 'Its text, HCL or JSON.' },
      src: { type: 'string', controllerPath: 'files', description: 'A file of the controller that holds the text.' },
      state: {
        type: 'string',
        enum: ['present', 'absent'],
        default: 'present',
        description: 'Whether it is to be there.',
      },
      ...vaultParams,
    },
    required: ['name'],
    exclusive: [['policy', 'src']],
  },
  examples: `- vault_policy:
    name: app
    policy: |
      path "kv/data/app/*" { capabilities = ["read"] }
- vault_policy: { name: old, state: absent }`,
})({
  reads: (p, context, known) => {
    const server = vaultServer(p, knownLocals(p, known), context)
    return {
      ...vaultLocals(p, known),
      source: localFile(p.src ?? ''),
      status: vaultStatus(server),
      now: server.token === undefined ? undefined : vaultPolicy(server, p.name.toLowerCase()),
    }
  },
  plan: (p, a, context) => {
    const server = vaultServer(p, a, context)
    const name = p.name.toLowerCase()
    const text = p.policy ?? a.source?.bytes.toString('utf8')
    if (name === 'root') return fail("the policy `root` is the server's own and can't be changed")
    if (p.state === 'present' && !text)
      return fail(text === '' ? 'the text of the policy is empty' : '`policy` or `src` is needed')
    const no = unaskable(p, a, server)
    if (no) return no
    if (isRefused(a.now)) return refusal(a.now)
    const before = a.now?.text
    const after = p.state === 'present' ? text : undefined
    if (before === after) return { steps: [], result: { name } }
    if (after === undefined && name === 'default') return fail("the policy `default` can't be removed")
    const summary = `${before === undefined ? 'make' : after === undefined ? 'remove' : 'change'} policy ${name}`
    const at = `sys/policies/acl/${name}`
    const step = vaultStep(
      summary,
      server,
      policyEffects(summary, { server, name }, after),
      (ask) => (after === undefined ? ask('DELETE', at) : ask('PUT', at, { policy: after })),
      {
        needs: rightTo(server, after === undefined ? 'DELETE' : 'PUT', at),
        diff: { path: `policy ${name}`, before: bytesOf(before), after: bytesOf(after) },
      },
    )
    return { steps: [step], result: { name }, settle: vaultSettled([step]) }
  },
})

const bytesOf = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text))
