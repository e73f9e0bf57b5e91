import { type Meanings, meaningOf, type Reason } from '../formats/service-end.ts'
import { hsmWords } from './hsm-words.ts'

// The last words of a server that does not start. OpenBao's were seen, for all but Vault's own.

const storage = 'its directory has to be there and to belong to the service’s user, and only one server may use it'

const meanings: Meanings = [
  [
    /CKR_[A-Z0-9_]+/,
    ([name]) => {
      const words = hsmWords(name)
      return words
        ? { message: `its seal fails: ${words.sentence} (${name})`, hint: words.cause }
        : { message: `its seal fails: ${name}`, hint: 'look at the log of the PKCS #11 library' }
    },
  ],
  [
    /failed to find token with label: (.*)/,
    ([, label]) => ({
      message: `its seal fails: there is no token labelled ${label}`,
      hint: 'hsm_probe shows which tokens the library sees; where there is none its configuration or the HSM is out of reach',
    }),
  ],
  [
    /pin is required/,
    () => ({
      message: 'its seal has no PIN, or an empty one',
      hint: 'service_credential gives the service one: the `pin` of the seal is its `url`',
    }),
  ],
  [
    /requires the Vault Enterprise HSM binary/,
    () => ({
      message: 'this build of Vault has no seal for an HSM',
      hint: 'install a build of Vault Enterprise with HSM (`+ent.hsm`)',
    }),
  ],
  [
    /build of OpenBao has PKCS#11 disabled|unknown wrapper: (\S+)/,
    ([, type = 'pkcs11']) => ({
      message: `this OpenBao has no seal \`${type}\` in it`,
      hint: `a plugin gives it one: its program in \`plugin_directory\`, and a stanza \`plugin "kms" "${type}"\``,
    }),
  ],
  [
    /checksums did not match/,
    () => ({
      message: 'a plugin is not the program that its stanza names',
      hint: 'put the SHA-256 of its program into `sha256sum` of the stanza `plugin`',
    }),
  ],
  [
    /validating the command path: \w+ (\S+): (.*)|error verifying checksum: open (\S+): (.*)/,
    (m) => ({
      message: `the plugin ${m[1] ?? m[3]} cannot be read: ${m[2] ?? m[4]}`,
      hint: 'see that it is in `plugin_directory` under the name that its stanza gives, and may be read and run by the service’s user',
    }),
  ],
  [
    /configuring seal.*error reading from server: EOF/,
    () => ({
      message: 'the plugin of its seal ended: it could not load the PKCS #11 library, or the library crashed',
      hint: 'see that `lib` of the seal is there and is for this machine: hsm_probe loads it and says what is wrong',
    }),
  ],
  [
    /listen \w+ (\S+): bind: address already in use/,
    ([, at]) => ({
      message: `another program listens at ${at}`,
      hint: '`ss -ltnp` on the host shows which: stop it, or give the listener another address',
    }),
  ],
  [
    /listen \w+ (\S+): bind: cannot assign requested address/,
    ([, at]) => ({ message: `${at} is no address of this host`, hint: 'correct `address` of the listener' }),
  ],
  [
    /listen \w+ (\S+): bind: permission denied/,
    ([, at]) => ({
      message: `its user may not listen at ${at}`,
      hint: 'take a port from 1024 on, or give the unit CAP_NET_BIND_SERVICE',
    }),
  ],
  [
    /error loading TLS cert: (.*)/,
    ([, why]) => ({
      message: `the certificate of its listener, or the key, cannot be used: ${why}`,
      hint: 'see that `tls_cert_file` and `tls_key_file` are PEM, belong together, and may be read by the service’s user',
    }),
  ],
  [
    /[Uu]nknown storage type:? (\S+)/,
    ([, type]) => ({
      message: `this program has no storage \`${type}\``,
      hint:
        type === 'file' ? 'OpenBao has had none since 2.7: `raft`, also for one server' : '`raft`, or `file` of Vault',
    }),
  ],
  [
    /error initializing storage of type \w+: .*\b\w+ (\/\S+): ([^:]+)$/,
    ([, path, why]) => ({ message: `its storage ${path} cannot be opened: ${why}`, hint: storage }),
  ],
  [
    /error initializing storage of type (\w+): (.*)/,
    ([, type, why]) => ({ message: `its storage ${type} cannot be opened: ${why}`, hint: storage }),
  ],
  [
    /cluster address must be set when using raft/,
    () => ({
      message: 'a server on raft needs an address for the others',
      hint: '`cluster_addr`, as `https://HOST:8201`',
    }),
  ],
  [
    /[Ff]ailed to lock memory/,
    () => ({
      message: 'it may not keep its memory from being swapped out',
      hint: 'vault_install gives the program cap_ipc_lock; the unit needs LimitMEMLOCK=infinity and CAP_IPC_LOCK in CapabilityBoundingSet=. Else `disable_mlock: true`',
    }),
  ],
  [
    /error loading configuration from (\S+): open \S+: (.*)/,
    ([, path, why]) => ({
      message: `${path} cannot be read: ${why}`,
      hint: 'see that it belongs to the service’s user, and that he may enter the directories above it',
    }),
  ],
  [
    /error loading configuration from (\S+): (.*)/,
    ([, path, why]) => ({
      message: `${path} is no configuration for it: ${why}`,
      hint: 'correct it: vault_hcl writes it',
    }),
  ],
  [
    /licens.*(expired|invalid|not valid|could not be|not found|no autoloaded)/i,
    () => ({
      message: 'this build of Vault wants a license that is valid',
      hint: 'put it on the host, and its path into `license_path`: `settings: { license_path: … }` of vault_hcl',
    }),
  ],
]

/** What a log of Vault or OpenBao says of why the server ended. */
export const serverEnd = (log: string): Reason | undefined => meaningOf(log, meanings)
