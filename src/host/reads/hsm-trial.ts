import type { KeyTrial, Tried, Trouble, Untried } from '../../formats/pkcs11/seen.ts'
import type { Shell } from '../shell.ts'
import { type Records, troubleOf } from './hsm-records.ts'

// How keys are tried through pkcs11-tool: encrypting and decrypting, or signing and verifying. The tool of OpenSC 0.26 and
// later has AES-GCM and encrypts with public keys; for an older one AES-CBC-PAD stands in, and openssl encrypts.

/** What is given to pkcs11-tool; where a seal uses GCM and the tool has none, the same key is tried with what it has. */
const ciphers: Readonly<Record<string, { readonly iv: number; readonly older?: string }>> = {
  'AES-GCM': { iv: 12, older: 'AES-CBC-PAD' },
  'AES-CBC-PAD': { iv: 16 },
  'AES-CBC': { iv: 16 },
  'AES-ECB': { iv: 0 },
}

const isRsa = ({ mechanism }: KeyTrial) => mechanism === 'RSA-PKCS-OAEP' || mechanism === 'RSA-PKCS'

const canTry = (key: KeyTrial) =>
  key.use === 'sign' || (key.use === 'encrypt' && (isRsa(key) || ciphers[key.mechanism] !== undefined))

/** Tries the keys. It finds `pkcs11-tool -O` in $d/hsm-k, and t of `pinScript`. The plain text and the IVs are random: a fixed
 * IV under a seal's own key would be used more than once. pkcs11-tool finds a key by its ID alone, whatever its label. */
export function trialsScript(keys: readonly KeyTrial[], sh: Shell): string {
  const tried = keys.map((key, i) => [key, i] as const).filter(([key]) => canTry(key))
  if (tried.length === 0) return ''
  return `R() { od -An -N"$1" -tx1 </dev/urandom | tr -d ' \\n'; }
R 16 >"$d/hsm-m"
I() { K=$1 awk '/^[^ ].* [Oo]bject/ { c[++n] = $1 } /^  label:/ { l = $0; sub(/^  label: */, "", l); label[n] = l } /^  ID:/ { id[n] = $2 }
END { for (i = 1; i <= n; i++) if ((c[i] == "Secret" || c[i] == "Private") && label[i] == ENVIRON["K"]) { own++; k = id[i] }
for (i = 1; i <= n; i++) if (id[i] == k) { if (c[i] == "Public") open++; else if (c[i] == "Secret" || c[i] == "Private") same++ }
print (own != 1 ? "none" : k == "" ? "no-id" : same > 1 || open > 1 ? "shared-id" : k), open + 0 }' "$d/hsm-k"; }
G=
if pkcs11-tool --help 2>&1 | grep -q -e --tag-bits-len; then G=1; N newer; fi
${tried.map(([key, i]) => trialScript(key, i, sh)).join('\n')}`
}

/** A key that is not there exactly once is not tried. */
function trialScript(key: KeyTrial, i: number, sh: Shell): string {
  const run = (name: string, args: string) => `X ${name}-${i} t ${sh.word(`${args} --id "$k"`)}`
  const back = `${run('back', '--decrypt $a -i "$d/hsm-c" -o "$d/hsm-r"')} && { cmp -s "$d/hsm-m" "$d/hsm-r" || N other-${i}; }`
  const encrypt = run('try', '--encrypt $a -i "$d/hsm-m" -o "$d/hsm-c"')
  const there =
    key.use === 'sign'
      ? `export a=${sh.word(`-m ${key.mechanism}`)}
${run('try', '--sign $a -i "$d/hsm-m" -o "$d/hsm-c"')} && ${run('back', '--verify $a -i "$d/hsm-m" --signature-file "$d/hsm-c"')}`
      : isRsa(key)
        ? `export a=${sh.word(rsaWords(key))}
if test "$2" = 0; then N no-public-${i}; false
elif test -n "$G"; then ${encrypt}
elif ! command -v openssl >/dev/null 2>&1; then N no-openssl-${i}; false
else ${run('read', '--read-object --type pubkey -o "$d/hsm-u"')} && X try-${i} $T openssl pkeyutl -encrypt -pubin -keyform DER -inkey "$d/hsm-u" ${opensslWords(key)} -in "$d/hsm-m" -out "$d/hsm-c"
fi && ${back}`
        : `${cipherWords(key.mechanism)}
${encrypt} && ${back}`
  return `set -- $(I ${sh.word(key.label)})
case $1 in none) ;; no-id|shared-id) N "$1-${i}";; *) export k="$1"; ${there};; esac; : >"$d/hsm-r"`
}

/** Sets $a. */
function cipherWords(mechanism: string): string {
  const words = (name: string, more: string) => {
    const iv = ciphers[name]!.iv
    return `export a="-m ${name}${more}${iv === 0 ? '' : ` --iv $(R ${iv})`}"`
  }
  const { older } = ciphers[mechanism]!
  if (older === undefined) return words(mechanism, '')
  return `if test -n "$G"; then ${words(mechanism, ' --tag-bits-len 128')}; else ${words(older, '')}; fi`
}

function rsaWords({ mechanism, hash = 'sha256' }: KeyTrial): string {
  if (mechanism === 'RSA-PKCS') return '-m RSA-PKCS'
  const name = hash.toUpperCase()
  return `-m RSA-PKCS-OAEP --hash-algorithm ${name === 'SHA1' ? 'SHA-1' : name} --mgf MGF1-${name}`
}

function opensslWords({ mechanism, hash = 'sha256' }: KeyTrial): string {
  if (mechanism === 'RSA-PKCS') return '-pkeyopt rsa_padding_mode:pkcs1'
  return `-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:${hash} -pkeyopt rsa_mgf1_md:${hash}`
}

const untried: readonly Untried[] = ['no-id', 'shared-id', 'no-public', 'no-openssl']

/** What came of the trial of a key, the i-th. */
export function triedOf(records: Records, key: KeyTrial, i: number): Tried {
  const why = untried.find((name) => records.has(`${name}-${i}`))
  if (why) return { label: key.label, mechanism: undefined, untried: why }
  const unread = troubleOf(records.get(`read-${i}`), 'reading the public key')
  if (unread) return { label: key.label, mechanism: key.mechanism, trouble: unread }
  if (!records.has(`try-${i}`)) return { label: key.label, mechanism: undefined }
  const newer = records.has('newer')
  const older = key.use === 'encrypt' && !newer ? ciphers[key.mechanism]?.older : undefined
  const byOpenssl = key.use === 'encrypt' && !newer && isRsa(key)
  const trouble = troubleIn(records, key, i, byOpenssl)
  // the token, or this key, does not take what stands in
  if (older !== undefined && trouble?.rv === 'CKR_MECHANISM_INVALID')
    return { label: key.label, mechanism: undefined, untried: 'no-gcm' }
  return {
    ...{ label: key.label, mechanism: older ?? key.mechanism },
    ...(byOpenssl ? { byOpenssl: true as const } : {}),
    ...(trouble ? { trouble } : {}),
  }
}

function troubleIn(records: Records, { use }: KeyTrial, i: number, byOpenssl: boolean): Trouble | undefined {
  const [there, back] = use === 'sign' ? ['signing', 'verifying'] : ['encrypting', 'decrypting']
  return (
    troubleOf(records.get(`try-${i}`), byOpenssl ? 'encrypting by openssl' : there!) ??
    troubleOf(records.get(`back-${i}`), back!) ??
    (records.has(`other-${i}`) ? { at: back!, said: 'what came back is not what was encrypted' } : undefined)
  )
}
