import type { Effect } from '../host/effect.ts'
import { type Read, read } from '../host/read.ts'
import { vaultEffect, vaultKind } from './kind.ts'
import { isGood } from './said.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

interface Question {
  readonly server: VaultServer
  readonly mount: string
  /** An auth method. */
  readonly auth?: true
}

/** Names at the top of an engine, or of those that an auth method lets in; a directory has its slash. None where there is no
 * engine, or none that can be listed. */
type Contents = readonly string[]

/** Where the names of an engine are, by its type. */
const lists: Readonly<Record<string, string>> = { transit: 'keys', pki: 'roles', database: 'config', ssh: 'roles' }
const authLists: Readonly<Record<string, string>> = {
  ...{ approle: 'role', kubernetes: 'role', jwt: 'role', oidc: 'role', userpass: 'users', cert: 'certs' },
  ...{ ldap: 'groups', radius: 'users' },
}

export const contentsKind = vaultKind<Question, Contents>({
  name: 'vault-contents',
  about: ({ server, mount }) => `what is in ${mount}/ of ${server.address}`,
  answer: async ({ mount, auth }, ask) => {
    const mounts = await ask('GET', auth ? 'sys/auth' : 'sys/mounts')
    if (isRefused(mounts)) return mounts
    const at = mounts.data[`${mount}/`] as { type?: string; options?: { version?: string } | null } | undefined
    const plain = (auth ? authLists : lists)[at?.type ?? '']
    const list = at?.type === 'kv' ? (at.options?.version === '2' ? 'metadata' : '') : plain
    if (list === undefined) return []
    const said = await ask(
      'GET',
      `${auth ? 'auth/' : ''}${mount}/${list}${list === '' ? '' : '/'}`,
      undefined,
      '?list=true',
    )
    if (isRefused(said)) return said.denied ? [] : said
    return isGood(said) ? ((said.data.keys as Contents | undefined) ?? []) : []
  },
  // it is only told what would be lost
  difference: () => undefined,
})

export function vaultContents(server: VaultServer, mount: string, auth = false): Read<Contents | Refused> {
  return read(contentsKind, { server, mount, ...(auth ? { auth } : {}) })
}

/** Something comes or goes in an engine. What goes out of a directory may leave others there. */
export function contentsEffect(because: string, question: Question, path: string, comes: boolean): Effect {
  const [head, ...below] = path.split('/')
  const name = below.length > 0 ? `${head}/` : head!
  return vaultEffect(
    because,
    contentsKind,
    question,
    (q) => q.mount === question.mount && !q.auth,
    (before) => {
      if (comes) return before.includes(name) ? before : [...before, name].sort()
      return below.length > 0 ? before : before.filter((n) => n !== name)
    },
  )
}
