import { createHash } from 'node:crypto'

const hashes = new WeakMap<Buffer, Map<string, string>>()

/** The hash of these bytes as hex; of the same buffer worked out once, since large files go to many hosts. */
export function hashOf(bytes: Buffer, algorithm = 'sha256'): string {
  const known = hashes.get(bytes) ?? new Map<string, string>()
  hashes.set(bytes, known)
  const hash = known.get(algorithm) ?? createHash(algorithm).update(bytes).digest('hex')
  known.set(algorithm, hash)
  return hash
}
