import type { HclBlock } from '../formats/hcl.ts'
import { compareVersions } from './release.ts'

// What a server would not take, or take and ignore without a word. Of OpenBao it was tried; of Vault it is what its
// documentation says, and what a community server said.

/** A program, as vault_install tells of it. */
export interface Program {
  readonly product: 'Vault' | 'OpenBao'
  /** `ent.hsm`; empty for a community build. */
  readonly edition: string
  /** `1.15.0`, where it is known. */
  readonly release: string | undefined
}

const baoSeal = [
  ...['lib', 'slot', 'token_label', 'pin', 'key_label', 'key_id', 'mechanism', 'rsa_oaep_hash'],
  ...['disable_software_encryption', 'disabled', 'name', 'priority', 'health_check_interval'],
]
const vaultSeal = [
  ...['lib', 'slot', 'token_label', 'pin', 'key_label', 'default_key_label', 'key_id', 'hmac_key_label'],
  ...['default_hmac_key_label', 'hmac_key_id', 'mechanism', 'hmac_mechanism', 'generate_key', 'force_rw_session'],
  ...['rsa_encrypt_local', 'rsa_oaep_hash', 'max_parallel', 'disabled', 'name', 'priority'],
]
const both = ['storage', 'ha_storage', 'backend', 'ha_backend', 'listener', 'seal', 'telemetry', 'service_registration']
const baoStanzas = [...both, 'plugin', 'audit', 'initialize', 'user_lockout']
const vaultStanzas = [...both, 'entropy', 'kms_library', 'replication', 'reporting', 'sentinel', 'user_lockout']

const nameOf = ({ product, edition, release = '' }: Program) =>
  `${product}${release === '' ? '' : ` ${release}`}${product === 'OpenBao' ? '' : edition === '' ? ' (community)' : ` (${edition})`}`

/** What a configuration says outside of its stanzas. */
interface Outside {
  readonly disable_mlock?: unknown
  readonly plugin_directory?: unknown
}

/** Each a sentence; none where the server takes all of it. */
export function notTaken(program: Program, stanzas: readonly HclBlock[], outside: Outside): string[] {
  const who = nameOf(program)
  const isBao = program.product === 'OpenBao'
  const known = isBao ? baoStanzas : vaultStanzas
  const settings = isBao ? baoSeal : vaultSeal
  const said: string[] = []
  for (const { type, labels, body } of stanzas) {
    if (type === 'entropy' && !program.edition.startsWith('ent'))
      said.push(`${who} has no entropy augmentation: it would ignore the stanza \`entropy\` and say nothing`)
    else if (!known.includes(type)) said.push(`${who} knows no stanza \`${type}\`: it would ignore it and say nothing`)
    if (type === 'seal' && labels[0] === 'pkcs11') {
      if (!isBao && !program.edition.includes('hsm'))
        said.push(`${who} has no seal for an HSM: that needs a build of Vault Enterprise with HSM (\`+ent.hsm\`)`)
      if (isBao && needsPlugin(program) && !stanzas.some(isPlugin))
        said.push(`${who} has no pkcs11 seal of its own: without a stanza \`plugin "kms" "pkcs11"\` it would not start`)
      for (const name of Object.keys(body.attributes).filter((n) => !settings.includes(n)))
        said.push(`${who} has no \`${name}\` in its pkcs11 seal: it would ignore it and say nothing`)
      if (/^(file|env):\/\//.test(String(body.attributes.pin ?? '')) && !readsPinFile(program))
        said.push(
          `${who} takes \`pin\` as it stands, and would log in with the text of the URL, which is a wrong PIN: 1.19 is the first that reads files, give it in VAULT_HSM_PIN`,
        )
    }
    const lacking = isBao && /^(ha_)?storage$/.test(type) && lacksStorage(labels[0] ?? '', program.release)
    if (lacking) said.push(`${who} has no storage \`${labels[0]}\`: it would not start; raft is what is left`)
  }
  const { disable_mlock: mlock, plugin_directory: plugins } = outside
  if (isBao && plugins === undefined && stanzas.some((s) => s.type === 'plugin'))
    said.push(`${who} takes its plugins from \`plugin_directory\`: without one it would not start`)
  if (isBao && mlock !== undefined)
    said.push(`${who} has no \`disable_mlock\`: ${mlock ? 'it would ignore it' : 'it would not start'}`)
  return said
}

/** Whether the `pin` of its seal may be the URL of a file. Vault does since 1.19, by its list of changes. */
export const readsPinFile = ({ product, release = '0.0.0' }: Program) =>
  product === 'OpenBao' || compareVersions(release.replace(/-.*/, ''), '1.19.0') >= 0

/** Before 2.7 some builds of OpenBao had the seal inside. */
const needsPlugin = ({ edition, release = '0.0.0' }: Program) =>
  compareVersions(release, '2.7.0') >= 0 && !edition.includes('hsm')

const isPlugin = ({ type, labels: [kind, name = 'pkcs11'] }: HclBlock) =>
  type === 'plugin' && kind === 'kms' && name === 'pkcs11'

/** Of OpenBao. `file` went with 2.7. */
const lacksStorage = (type: string, release = '0.0.0') =>
  !['raft', 'inmem', 'inmem_ha', 'postgresql', 'file'].includes(type) ||
  (type === 'file' && compareVersions(release, '2.7.0') >= 0)

/** Why a program is not for a server with this storage, as vault_hcl takes it; undefined where it is. */
export function notForStorage(program: Program, storage: object): string | undefined {
  const blocks = Object.keys(storage).map((label) => ({
    type: 'storage',
    labels: [label],
    body: { attributes: {}, blocks: [] },
  }))
  return notTaken(program, blocks, {})[0]
}
