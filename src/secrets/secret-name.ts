import { isSecretName } from '../language/hidden.ts'

const mask = '********'

/** Data as it may be shown: what stands under a name such as `ansible_password` is masked, at any depth. A template is not:
 * it names where the secret is. */
export function withoutSecrets(data: unknown, hidden = false): unknown {
  if (Array.isArray(data)) return data.map((v) => withoutSecrets(v, hidden))
  if (data !== null && typeof data === 'object')
    return Object.fromEntries(Object.entries(data).map(([k, v]) => [k, withoutSecrets(v, hidden || isSecretName(k))]))
  if (!hidden || data === '' || (typeof data !== 'string' && typeof data !== 'number')) return data
  return /^<%=[^%]*%>$/.test(String(data)) ? data : mask
}
