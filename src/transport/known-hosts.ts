import { createHash, createHmac } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** One line of a known_hosts file. */
export interface KnownKey {
  readonly patterns: readonly string[]
  readonly revoked: boolean
  /** `ssh-ed25519`, … */
  readonly type: string
  /** Base64. */
  readonly key: string
  /** `file:line` */
  readonly at: string
}

/** Reads a known_hosts file as OpenSSH does; lines that are none, and certificate authorities, are passed over. */
export function parseKnownHosts(text: string, path: string): KnownKey[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    const words = line.trim().split(/[ \t]+/)
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined
    const [names, type, key] = words
    if (!names || names.startsWith('#') || !type || !key || marker === '@cert-authority') return []
    return [{ patterns: names.split(','), revoked: marker === '@revoked', type, key, at: `${path}:${i + 1}` }]
  })
}

export function loadKnownHosts(paths: readonly string[]): KnownKey[] {
  return paths.flatMap((path) => (existsSync(path) ? parseKnownHosts(readFileSync(path, 'utf8'), path) : []))
}

/** The name a host has in known_hosts: with its port where that is not 22. */
export function knownName(address: string, port: number): string {
  return port === 22 ? address : `[${address}]:${port}`
}

/** The lines that are about a host. */
export function keysOf(keys: readonly KnownKey[], name: string): KnownKey[] {
  return keys.filter(({ patterns }) => {
    const matches = (p: string) => (p.startsWith('|1|') ? hashMatches(p, name) : globMatches(p, name))
    if (patterns.some((p) => p.startsWith('!') && globMatches(p.slice(1), name))) return false
    return patterns.some((p) => !p.startsWith('!') && matches(p))
  })
}

function hashMatches(pattern: string, name: string): boolean {
  const [, , salt, hash] = pattern.split('|')
  return (
    createHmac('sha1', Buffer.from(salt ?? '', 'base64'))
      .update(name.toLowerCase())
      .digest('base64') === hash
  )
}

function globMatches(pattern: string, name: string): boolean {
  if (!/[*?]/.test(pattern)) return pattern.toLowerCase() === name.toLowerCase()
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 'i').test(name)
}

export type Judgement =
  | { readonly kind: 'known' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'changed' | 'revoked'; readonly at: string }

/** What the known keys say of the key a host showed. As for OpenSSH a key that is known under the address alone will do
 * for any port.
 * @param key the key as it goes over the wire. */
export function judgeHost(known: readonly KnownKey[], address: string, port: number, key: Buffer): Judgement {
  const exact = judgeKey(known, knownName(address, port), key)
  if (exact.kind !== 'unknown') return exact
  const plain = judgeKey(known, address, key)
  return plain.kind === 'changed' ? exact : plain
}

export function judgeKey(known: readonly KnownKey[], name: string, key: Buffer): Judgement {
  const own = keysOf(known, name)
  const text = key.toString('base64')
  const revoked = own.find((k) => k.revoked && k.key === text)
  if (revoked) return { kind: 'revoked', at: revoked.at }
  if (own.some((k) => !k.revoked && k.key === text)) return { kind: 'known' }
  const other = own.find((k) => !k.revoked)
  return other ? { kind: 'changed', at: other.at } : { kind: 'unknown' }
}

/** The type's name at the start of a key as it goes over the wire. */
function keyType(key: Buffer): string {
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1')
}

/** `SHA256:…`, as ssh-keygen prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** Adds a host's key to a file that only its owner may read, unless another process just did. */
export function appendKnownHost(path: string, name: string, key: Buffer): KnownKey {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const added = { patterns: [name], revoked: false, type: keyType(key), key: key.toString('base64') }
  const there = keysOf(parseKnownHosts(before, path), name).find((k) => !k.revoked && k.key === added.key)
  if (there) return there
  const start = before === '' || before.endsWith('\n') ? '' : '\n'
  appendFileSync(path, `${start}${name} ${added.type} ${added.key}\n`, { mode: 0o600 })
  return { ...added, at: path }
}
