import type { Way } from '../host/channel.ts'
import { type Asked, type Lacking, type Refused, type VaultServer, vaultRequest } from './server.ts'

// Why a server denies something. Both products answer 403 for a token that they do not know and for one whose policy does not
// allow it, and tell them apart in their words only.

const byMethod: Readonly<Record<string, string>> = { GET: 'read', LIST: 'list', DELETE: 'delete', PATCH: 'patch' }

/** What it takes to do this. */
function rightFor({ method, path }: Asked): Lacking {
  const [at = '', query = ''] = path.split('?')
  const known = method === 'GET' && /(^|&)list=true/.test(query) ? 'list' : byMethod[method]
  // engines tell what is new from what is there; the system does not
  const writes = /^(sys|auth)\//.test(at) ? ['update'] : ['create', 'update']
  return { path: at, capabilities: known === undefined ? writes : [known] }
}

/** OpenBao says no more than this of a token that it does not know; Vault adds the second. A policy's word stands in a list. */
const isUnknown = (errors: readonly string[]) =>
  errors.some((e) => e.trim() === 'permission denied' || /\b(invalid|bad) token\b/.test(e))

/** What 403 means. */
export function denial(server: VaultServer, errors: readonly string[], asked: Asked | undefined): Refused {
  const { address, origin, token } = server
  if (isUnknown(errors) && token !== undefined)
    return {
      refused: `${address} does not know ${origin?.words ?? 'the token'}${origin ? origin.otherwise : ''}`,
      hint: origin?.hint ?? 'it is over, was revoked, or is of another server',
      denied: true,
    }
  if (!asked) return { refused: `${address} denies it`, hint: 'does the policy of the token allow this?', denied: true }
  const lacks = rightFor(asked)
  return { ...policyDenial(server, lacks), denied: true, lacks }
}

const quoted = (names: readonly string[], word: string) => names.map((n) => `\`${n}\``).join(` ${word} `)

/** @param has what it may do there, where that is known. */
function policyDenial(server: VaultServer, { path, capabilities }: Lacking, has?: readonly string[]) {
  const { address, namespace, token = '' } = server
  const missing = has ? capabilities.filter((c) => !has.includes(c)) : capabilities
  const at = `${path}${namespace === undefined ? '' : ` in the namespace ${namespace}`}`
  if (missing.length === 0)
    return {
      refused: `${address} denies the token what it asks of ${at}, although its policy has ${quoted(capabilities, 'and')} there`,
      hint: `${has!.includes('sudo') ? '' : 'the path may need `sudo` too, or '}the policy limits its parameters or where it may be used from`,
    }
  const may = has?.filter((c) => c !== 'deny') ?? []
  const but = may.length === 0 ? '' : `: it has only ${quoted(may, 'and')} there`
  const wanted = [...may, ...missing].map((c) => `"${c}"`).join(', ')
  // tokens of namespaces end in its id
  const elsewhere = namespace === undefined && /^[a-z]+\.[^.]+\.\w+$/.test(token)
  return {
    refused: `${address} denies the token ${quoted(missing, 'or')} on ${at}${but}`,
    hint: `its policy would need: path "${path}" { capabilities = [${wanted}] }${elsewhere ? '; or is it to act in its own `namespace`?' : ''}`,
  }
}

/** What a token may do at a path; undefined where that can't be asked. */
async function capabilitiesAt(server: VaultServer, path: string, way: Way): Promise<string[] | undefined> {
  const answer = await way.api(vaultRequest(server, 'POST', 'sys/capabilities-self', { paths: [path] }))
  if ('unreachable' in answer || answer.status !== 200) return undefined
  const { data } = answer.body as { data?: Readonly<Record<string, unknown>> }
  const list = data?.[path]
  return Array.isArray(list) ? list.map(String) : undefined
}

/** The same with what the token may do there instead, which is asked only now. */
export async function explained(refused: Refused, server: VaultServer, way: Way): Promise<Refused> {
  if (!refused.lacks || server.token === undefined) return refused
  const has = await capabilitiesAt(server, refused.lacks.path, way)
  return has ? { ...refused, ...policyDenial(server, refused.lacks, has) } : refused
}

/** Whether it may be done, as far as the policy tells beforehand: undefined where it may not. For `Need`. */
export async function mayDo(server: VaultServer, asked: Asked, way: Way): Promise<true | undefined> {
  const { path, capabilities } = rightFor(asked)
  const has = await capabilitiesAt(server, path, way)
  return !has || has.includes('root') || capabilities.some((c) => has.includes(c)) ? true : undefined
}

/** What is said where it may not. */
export const denialOf = (server: VaultServer, asked: Asked) => policyDenial(server, rightFor(asked)).refused
