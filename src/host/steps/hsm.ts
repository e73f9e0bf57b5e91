import type { HsmObject } from '../../formats/pkcs11/seen.ts'
import { answerEffect, unknownEffect } from '../effect.ts'
import { type HsmLogin, type HsmLoginQuestion, hsmLogin, loginKind, pinScript, placeScript } from '../reads/hsm.ts'
import type { Shell } from '../shell.ts'
import type { Step } from '../step.ts'

/** A key, or a pair, to be made on a token. */
export interface NewKey {
  readonly label: string
  /** As pkcs11-tool takes it: `AES:32`, `RSA:2048`, `EC:prime256v1`, `GENERIC:32`. */
  readonly type: string
  readonly usage: readonly ('encrypt' | 'sign' | 'wrap' | 'derive')[]
  /** Hex; without one each attempt takes one of its own, and takes back what it made where another was quicker. */
  readonly id: string | undefined
  readonly extractable: boolean
}

/** Makes it, unless somebody else has by then.
 * @param now what a login sees before. */
export function makeHsmKey(question: HsmLoginQuestion, key: NewKey, now: HsmLogin): Step {
  const summary = `make the ${isPair(key) ? 'pair' : 'key'} ${key.label} (${key.type}) with ${question.library}`
  const own = hsmLogin(question)
  const type = key.type.split(':')[0]!.toUpperCase()
  const made = (kind: HsmObject['kind']): HsmObject => ({ kind, type, label: key.label, id: key.id })
  const objects = isPair(key) ? [made('private'), made('public')] : [made('secret')]
  return {
    summary,
    effects: [
      unknownEffect(summary, (read) => read.kind === loginKind && read.key !== own.key),
      answerEffect(own, { ...now, objects: [...now.objects, ...objects], made: objects }),
    ],
    script: (sh) => keyScript(question, key, sh),
  }
}

export const isPair = ({ type }: { readonly type: string }) => /^(RSA|EC)(:|$)/i.test(type)

const usages = { encrypt: 'decrypt', sign: 'sign', wrap: 'wrap', derive: 'derive' } as const

/** Hosts that share an HSM may all find no key and make one. Who then sees another beside its own takes its own back; the
 * one whose id comes first waits a while before, for the others to do so. So two of a label never stay, and one does. */
function keyScript(question: HsmLoginQuestion, key: NewKey, sh: Shell): string {
  const pair = isPair(key)
  const label = sh.word(key.label)
  const usage = key.usage.map((u) => `--usage-${usages[u]}`).join(' ')
  const kind = `${usage} --sensitive${key.extractable ? ' --extractable' : ''}`
  const classes = pair ? ['privkey', 'pubkey'] : ['secrkey']
  const takeBack = classes
    .map((c) => `t ${sh.word(`--delete-object --type ${c} --label ${label} --id "$i"`)} >/dev/null 2>&1`)
    .join('; ')
  const id = key.id === undefined ? "$(od -An -N8 -tx1 </dev/urandom | tr -d ' \\n')" : sh.word(key.id)
  const afterwards =
    key.id === undefined
      ? `w=0
while C; test "$c" -gt 1; do
w=$((w + 1))
test "$first" = "$i" && test $w -lt 4 || { ${takeBack}; break; }
sleep 1
done
test "$c" != 0 || { ${takeBack}; echo "what was made is not listed by its label, and was removed again"; exit 1; }`
      : `C
test "$c" -le 1 || { echo "somebody else made a key" ${label} "at the same time: now there are $c"; exit 1; }`
  return `export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
${placeScript(question, sh)}
${pinScript(question, question.pin, sh)}
p || { echo "the PIN could not be handed to pkcs11-tool"; exit 1; }
C() { t -O >"$d/hsm-k" 2>"$d/hsm-w" || { cat "$d/hsm-w"; exit 1; }
set -- $(K=${label} awk '/^[^ ].* [Oo]bject/ { k = $1; own = 0 } /^  label:/ { l = $0; sub(/^  label: */, "", l); own = l == ENVIRON["K"] && k == "${pair ? 'Private' : 'Secret'}"; n += own } /^  ID:/ && own { if (f == "" || ($2 "") < f) f = $2 "" } END { print n + 0, f }' "$d/hsm-k")
c=$1 first=\${2-}; }
for n in 1 2 3 4 5 6 7 8; do
C
test "$c" = 1 && exit 0
# others have not taken theirs back yet
test "$c" = 0 || { sleep 1; continue; }
export i=${id}
t ${sh.word(`${pair ? '--keypairgen' : '--keygen'} --key-type ${sh.word(key.type)} --label ${label} --id "$i" ${kind}`)} || exit 1
${afterwards}
done
echo "there are $c keys" ${label}", or others make it again and again at the same time"; exit 1`
}
