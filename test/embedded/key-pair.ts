import ssh2 from 'ssh2'

/** A new key. ssh2 takes leading zeros off an ed25519 public key, and can't read what is left: one in 256 is made anew. */
export function newKeyPair(type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519'): { public: string; private: string } {
  const options = { ed25519: {}, rsa: { bits: 2048 }, ecdsa: { bits: 256 } }[type]
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync(type as 'rsa', options as { bits: number })
    if (![pair.public, pair.private].some((k) => ssh2.utils.parseKey(k) instanceof Error)) return pair
  }
}
