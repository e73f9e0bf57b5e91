import {
  defineModule,
  isRefused,
  knownLocals,
  vaultLocals,
  vaultServer,
  vaultServerParams,
  vaultStatus,
} from '../src/module.ts'

export default defineModule({
  name: 'vault_status',
  summary: 'What a server of Vault or OpenBao says of itself, without a token; a host without one is no failure.',
  harmless: true,
  params: { type: 'object', properties: vaultServerParams },
  examples: `- vault_status: { address: https://vault1.example.com:8200, ca_cert: ca.pem }
  register: vault
- assert: { that: vault.answers && !vault.sealed }`,
  notes: [
    'It gives `answers`, and where that is false `why`; otherwise `product`, `version`, `edition`, `initialized`, `sealed`, `health`, `seal_type`, `auto_unseal` and `storage`. It waits for nothing.',
    '`health` is the code of sys/health: 200 active, 429 a standby, 473 one that answers, 501 not initialised, 503 sealed.',
  ],
})({
  reads: (p, context, known) => ({
    ...vaultLocals(p, known),
    status: vaultStatus(vaultServer(p, knownLocals(p, known), context)),
  }),
  plan: (_, { status }) => {
    if (isRefused(status)) return { steps: [], result: { answers: false, why: status.refused }, output: status.refused }
    const { product, version, edition, initialized, sealed, health, storage } = status
    const result = { answers: true, product, version, edition, initialized, sealed, health, storage }
    return { steps: [], result: { ...result, seal_type: status.sealType, auto_unseal: status.autoUnseal } }
  },
})
