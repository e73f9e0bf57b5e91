import type { Settled } from '../contract.ts'
import type { ShellStep, StepEnd } from '../host/step.ts'
import { type Ask, vaultStep } from './kind.ts'
import { isGood, type VaultSaid } from './said.ts'
import { sameData } from './secrets.ts'
import { isRefused, type Refused, type VaultServer } from './server.ts'

/** A secret that is none, written to look where it comes up. */
export const canary = {
  name: 'runbook-canary',
  data: { canary: 'written by runbook to look how it is stored; it may be removed' },
  /** Into kv engines of version 1, and read back; where that goes wrong it is taken out again. */
  write: (server: VaultServer, mounts: readonly string[]) =>
    vaultStep(
      `write a canary to ${mounts.map((m) => `${m}/`).join(' and ')}, and read it back`,
      server,
      [],
      async (ask) => {
        const said = await writeAll(ask, mounts)
        if (isRefused(said) || !isGood(said)) await removeAll(ask, mounts)
        return said
      },
      looks,
    ),
  remove: (server: VaultServer, mounts: readonly string[]) =>
    vaultStep('remove the canary', server, [], (ask) => removeAll(ask, mounts), looks),
}

const looks = { harmless: true, acts: true } as const

async function writeAll(ask: Ask, mounts: readonly string[]): Promise<VaultSaid | Refused> {
  let last: VaultSaid | Refused = { refused: 'there is nothing to write to' }
  for (const mount of mounts) {
    const written = await ask('POST', `${mount}/${canary.name}`, canary.data)
    if (isRefused(written) || !isGood(written)) return written
    last = await ask('GET', `${mount}/${canary.name}`)
    if (isRefused(last) || !isGood(last)) return last
    if (!sameData(last.data, canary.data))
      return { refused: `${mount}/ gives back something else than what was written` }
  }
  return last
}

async function removeAll(ask: Ask, mounts: readonly string[]): Promise<VaultSaid | Refused> {
  let worst: VaultSaid | Refused | undefined
  for (const mount of mounts) {
    const said = await ask('DELETE', `${mount}/${canary.name}`)
    if (!worst || isRefused(said) || !isGood(said)) worst = said
  }
  return worst!
}

/** Shows files of the storage, one after the other, or says why not. It always ends well: something is to be done behind. */
export function atRest(files: readonly string[]): ShellStep {
  return {
    summary: 'look at the canary in the storage',
    effects: [],
    harmless: true,
    acts: true,
    captured: true,
    inline: true,
    script: (sh) => `for f in ${sh.words(files)}; do u=\${f%/*} s=\${f%/*/*/*} w=
if test -r "$f"; then printf 'file '; tr -d '\\n' <"$f"; echo; continue; fi
if test -e "$f"; then w=denied; elif test ! -e "$s"; then w=none; elif test ! -x "$s"; then w=denied
elif test ! -e "$s/logical"; then w=none; elif test ! -x "$s/logical"; then w=denied
elif test -e "$u" && test ! -x "$u"; then w=denied; else w=missing; fi
echo "$w"; done`,
  }
}

/** How long a value is at rest, and what it says. */
export function judgeAtRest(
  stdout: StepEnd['stdout'],
  files: readonly string[],
  about: {
    readonly labels: readonly string[]
    readonly plain: string
    readonly wrapped: string
    readonly server: string
  },
): Settled {
  const values: Buffer[] = []
  for (const [i, line] of stdout.toString('utf8').trimEnd().split('\n').entries()) {
    const file = files[i]!
    if (line === 'denied') return { result: {}, failed: `${file} may not be read`, hint: '`become: true`' }
    if (line === 'none')
      return {
        result: {},
        failed: `there is no storage at ${file.replace(/\/logical\/.*/, '')}`,
        hint: 'is `storage_path` what the configuration of the server says?',
      }
    if (line === 'missing')
      return {
        result: {},
        failed: `the canary was written and is not at ${file}`,
        hint: 'is `storage_path` what the configuration of this server says?',
      }
    const value = valueIn(line.replace(/^file /, ''))
    if (!value) return { result: {}, failed: `${file} is not what file storage writes` }
    values.push(value)
  }
  const [plain, wrapped] = values as [Buffer, Buffer]
  const found = about.labels.filter((label) => wrapped.includes(label))
  const result = { plain_bytes: plain.length, wrapped_bytes: wrapped.length, labels: found }
  if (wrapped.length <= plain.length)
    return {
      result,
      failed: `seal wrap does nothing: the canary takes ${wrapped.length} bytes at rest in ${about.wrapped}/, and ${plain.length} in ${about.plain}/`,
      hint: `the server (${about.server}) says \`seal_wrap: true\` and wraps nothing, as all but Vault Enterprise with an HSM do`,
    }
  const missing = about.labels.filter((label) => !found.includes(label))
  if (missing.length > 0)
    return {
      result,
      failed: `what is stored in ${about.wrapped}/ is longer, and does not name the seal's ${missing.length === 1 ? 'key' : 'keys'} ${missing.join(', ')}`,
      hint: "`key_labels` are the labels in the `seal` of the server's configuration",
    }
  const named = about.labels.find((label) => plain.includes(label))
  if (named !== undefined) return { result, failed: `what is stored in ${about.plain}/ names the key ${named} too` }
  return { result }
}

/** `{"Value": base64}` */
function valueIn(text: string): Buffer | undefined {
  try {
    const { Value } = JSON.parse(text) as { Value?: unknown }
    return typeof Value === 'string' ? Buffer.from(Value, 'base64') : undefined
  } catch {
    return undefined
  }
}
