import {
  defineModule,
  isRefused,
  knownTrust,
  unusable,
  vaultServerParams,
  vaultStatus,
  vaultTrust,
} from '../src/module.ts'

export default defineModule({
  name: 'vault_status',
  summary: 'What a server of Vault or OpenBao says of itself, without a token.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      state: {
        type: 'string',
        enum: ['any', 'unsealed'],
        default: 'any',
        description: '`unsealed`: fails where it does not answer, is not initialised, is sealed, or of no use.',
      },
      ...vaultServerParams,
    },
  },
  examples: `- vault_status: { address: https://vault1.example.com:8200, ca_cert: ca.pem }
  register: vault
- vault_status: { state: unsealed }`,
  notes: [
    'A host without a server is no failure, unless `state` says so.',
    'It gives `answers`, and where that is false `why`; otherwise `product`, `version`, `edition`, `initialized`, `sealed`, `health`, `seal_type`, `auto_unseal` and `storage`. It waits for nothing.',
    '`health` is the code of sys/health: 200 active, 429 a standby, 473 one that answers, 501 not initialised, 503 sealed.',
  ],
})({
  reads: (p, _, known) => {
    const { ca } = vaultTrust(p)
    return { ca, status: vaultStatus(knownTrust(p, ca && known(ca))) }
  },
  plan: (p, { ca, status }) => {
    const no = p.state === 'unsealed' ? unusable(status, knownTrust(p, ca)) : undefined
    if (no) return no
    if (isRefused(status)) return { steps: [], result: { answers: false, why: status.refused }, output: status.refused }
    const { product, version, edition, initialized, sealed, health, storage } = status
    const result = { answers: true, product, version, edition, initialized, sealed, health, storage }
    return { steps: [], result: { ...result, seal_type: status.sealType, auto_unseal: status.autoUnseal } }
  },
})
