import { type Failure, fail } from '../contract.ts'
import { mappingsAt, readHcl, textAt } from '../formats/hcl-read.ts'
import { mechanismName } from '../formats/pkcs11/seen.ts'
import type { HsmLogin, HsmLook } from '../host/reads/hsm.ts'
import { type Preflight, preflightProblem } from './preflight.ts'
import type { VaultState } from './ready.ts'

/** What a configuration says of its pkcs11 seal; undefined where it has none. One that is left behind is `disabled`. */
export function sealIn(hcl: string): ReadonlyMap<string, string> | undefined {
  const seals = mappingsAt(readHcl(hcl), 'seal', 'pkcs11')
  const seal = seals.find((s) => !/^(true|1)$/i.test(textAt(s, 'disabled') ?? ''))
  return (
    seal &&
    new Map(
      [...seal.keys()].flatMap((name) => {
        const text = textAt(seal, name)
        return text === undefined ? [] : [[name, text] as const]
      }),
    )
  )
}

/** What was asked of the HSM before, by `preflightReads`. */
interface Looks {
  readonly hsmVariable: string | undefined
  readonly hsmSeen: HsmLook | undefined
  readonly hsmBehind: HsmLogin | undefined
}

/** Why a server would be, or might be, initialised and lost. */
export function sealProblem(
  p: { readonly hsm?: Preflight | undefined; readonly unchecked_seal: boolean; readonly config: string },
  { sealType, product }: VaultState,
  hcl: string,
  looks: Looks,
): Failure | undefined {
  if (p.hsm) return keyLost(p.hsm, looks) ?? otherKey(p.hsm, hcl, p.config, product)
  if (sealType !== 'pkcs11' || p.unchecked_seal) return undefined
  return fail(
    'the seal is an HSM’s, and its key was not looked at: a server that can’t use it is initialised all the same, and lost',
    { hint: 'give `hsm` with library, token, PIN and key, or `unchecked_seal: true`' },
  )
}

function keyLost(hsm: Preflight, { hsmVariable, hsmSeen, hsmBehind }: Looks): Failure | undefined {
  const problem = preflightProblem(hsm, hsmSeen!, hsmBehind, hsmVariable)
  if (!problem) return undefined
  const { message, hint, untried } = problem
  return untried
    ? fail(`whether the seal’s key works is not known, and where it does not the server would be lost: ${message}`, {
        hint: `${hint}; or \`unchecked_seal: true\` in the place of \`hsm\``,
      })
    : fail(`the seal’s key can’t be used, the server would be lost: ${message}`, { hint })
}

/** Where the key that is looked at is not the one that the server will take: a look at another tells nothing of it.
 * @param config where the configuration is.
 * @param product OpenBao knows neither a second key nor `generate_key`. */
export function otherKey(p: Preflight, hcl: string, config: string, product: string): Failure | undefined {
  const seal = sealIn(hcl)
  if (!seal) return undefined
  const number = (text: string) => (/^\d+$/.test(text) ? String(Number(text)) : text)
  const pairs: [setting: string, own: string | undefined, as?: (text: string) => string][] = [
    ['lib', p.library],
    ['token_label', p.token_label],
    ['slot', p.slot === undefined ? undefined : String(p.slot), number],
    ['key_label', p.key_label],
    ...(product === 'Vault' ? [['hmac_key_label', p.hmac_key_label ?? ''] as [string, string]] : []),
    ['mechanism', p.mechanism ?? 'AES-GCM', mechanismName],
    ['rsa_oaep_hash', p.rsa_oaep_hash ?? 'sha256'],
    ['hmac_mechanism', p.hmac_mechanism ?? 'SHA256-HMAC', mechanismName],
  ]
  for (const [setting, own, as = (text: string) => text] of pairs) {
    const theirs = seal.get(setting)
    if (theirs === undefined || own === undefined || as(theirs) === as(own)) continue
    const here = setting === 'lib' ? 'library' : setting
    return fail(
      `the seal in ${config} has \`${setting}\` ${theirs}, \`hsm\` looks at ${own === '' ? 'none' : own}: a server whose key does not work would be lost`,
      { hint: `the same in both: \`${here}: ${theirs}\` in \`hsm\`, or another seal` },
    )
  }
  if (p.generate_key && !/^(true|1)$/i.test(seal.get('generate_key') ?? ''))
    return fail(`the seal in ${config} has no \`generate_key\`, \`hsm\` has: the server makes no key`, {
      hint: '`generate_key: false` in `hsm`, and a key made before',
    })
  return undefined
}

/** What hsm_probe is to look at for a seal. */
export function probeOf(seal: ReadonlyMap<string, string>) {
  const at = (name: string) => seal.get(name)
  const [label, slot] = [at('token_label'), at('slot')]
  const hash = (at('rsa_oaep_hash') ?? 'sha256') as 'sha256'
  const key = (name: string, use: 'encrypt' | 'sign', mechanism: string | undefined) => {
    const named = at(name)
    const by = mechanism === undefined ? {} : { mechanism }
    return named === undefined ? [] : [{ label: named, use, rsa_oaep_hash: hash, ...by }]
  }
  return {
    library: at('lib'),
    token_label: label,
    slot: label === undefined && slot !== undefined ? Number(slot) : undefined,
    keys: [...key('key_label', 'encrypt', at('mechanism')), ...key('hmac_key_label', 'sign', at('hmac_mechanism'))],
  }
}
