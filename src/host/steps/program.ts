import { answerEffect, pathEffect } from '../effect.ts'
import { capabilities } from '../reads/command.ts'
import { sum } from '../reads/content.ts'
import type { Shell } from '../shell.ts'
import type { Step } from '../step.ts'
import { type Attributes, chown, exactMode, needsOf } from './attributes.ts'
import { rename, temporary } from './beside.ts'
import { newStat, type Place } from './files.ts'

/** Where a large program comes from: sent along, or from an archive (zip, or tar packed by gzip) that is on the host or is
 * fetched by it. */
export type ProgramSource =
  | { readonly gzip: Buffer; readonly size: number; readonly sha256: string }
  | { readonly bytes: Buffer; readonly sha256: string }
  | { readonly archive: string; readonly member: string; readonly sha256: string | undefined }
  | { readonly url: string; readonly member: string; readonly sha256: string }

/** What a program has to say of itself before it takes its place: the first two words of what these arguments make it say. */
export interface Trial {
  readonly arguments: readonly string[]
  /** Any, where it is undefined. */
  readonly first?: string | undefined
  /** Exactly, or with `+` and more behind it. */
  readonly second: string
}

/** Unpacks a program beside its place, asks it what it is, and renames it: what does not run, or is another one, takes no
 * place. What it said is the step's output. */
export function placeProgram(
  place: Place,
  source: ProgramSource,
  attributes: Attributes & { mode: number },
  trial: Trial,
): Step {
  const size = 'size' in source ? source.size : 'bytes' in source ? source.bytes.length : undefined
  const from = 'url' in source ? ` from ${shown(source.url)}` : 'archive' in source ? ` from ${source.archive}` : ''
  const much = size === undefined ? '' : ` (${size < 10_000_000 ? `${size} bytes` : `${Math.round(size / 1e6)} MB`})`
  const summary = `${place.stat ? 'replace' : 'create'} ${place.path}${from}${much}`
  const stat = newStat('file', attributes, { size })
  const sums = size === undefined || !('sha256' in source) ? [] : [sum(place.path, size), sum(place.path)]
  return {
    summary,
    captured: true,
    needs: needsOf(attributes),
    effects: [
      pathEffect(summary, place.real, { to: 'file', stat, bytes: undefined }, place.stat?.type === 'link'),
      ...sums.map((read) => answerEffect(read, { sha256: source.sha256 })),
      answerEffect(capabilities(place.path), ''),
    ],
    script: (sh) => `${temporary(place.path, sh)}
${unpacking(source, sh)}
set -C; : >"$t" || exit 1; set +C
{ U 2>"$d/unpack"; echo $? >"$d/unpacked"; } | LC_ALL=C dd of="$t" bs=65536 conv=fsync 2>"$d/dd" || { echo "it could not be written: $(head -n 1 "$d/dd")" >&2; exit 1; }
read -r e <"$d/unpacked"; test "$e" = 0 || { echo "it could not be unpacked: $(tail -n 3 "$d/unpack")" >&2; exit 1; }
test -s "$t" || { echo "it could not be unpacked: there is nothing in it" >&2; exit 1; }
${chown(attributes, '', '"$t"', sh)}chmod ${exactMode(attributes.mode)} "$t" || exit 1
o=$("$t" ${sh.words(trial.arguments)} </dev/null 2>&1) || { printf 'it does not run on this host: %s\\n' "$o" >&2; exit 1; }
read -r a b _ <<-.
$o
.
${trial.first === undefined ? '' : `test "$a" = ${sh.word(trial.first)} || { echo "it says that it is $a $b, not ${trial.first}" >&2; exit 1; }\n`}case $b in ${sh.word(trial.second)}|${sh.word(`${trial.second}+`)}*) ;; *) printf 'it says that it is %s %s, not %s\\n' "$a" "$b" ${sh.word(trial.second)} >&2; exit 1;; esac
${rename}
printf '%s\\n' "$o"`,
  }
}

/** Without what may be a password in it. */
const shown = (url: string) => url.replace(/^([a-z]+:\/\/)[^/@]*@/, '$1').replace(/\?.*$/, '')

/** Shell text that defines U, which writes the program to its output. */
function unpacking(source: ProgramSource, sh: Shell): string {
  if ('gzip' in source) return `z=${sh.blob(source.gzip)}; U() { gzip -dc <"$z"; }`
  if ('bytes' in source) return `z=${sh.blob(source.bytes)}; U() { cat <"$z"; }`
  const fetch =
    'archive' in source
      ? `z=${sh.word(source.archive)}`
      : `z=$d/fetched; ${fetched(source.url, sh)} || { echo "it could not be fetched: $(grep '^curl: (' "$d/fetch" | tail -n 1 | grep . || tail -n 3 "$d/fetch")" >&2; exit 1; }`
  const check =
    source.sha256 === undefined
      ? ''
      : `\ns=$(sha256sum <"$z") || exit 1; test "\${s%% *}" = ${sh.word(source.sha256)} || { echo "the SHA-256 of the archive is \${s%% *}, not ${source.sha256}" >&2; exit 1; }`
  const m = sh.word(source.member)
  return `${fetch}${check}
case $(head -c 2 <"$z") in PK) command -v unzip >/dev/null || { echo "the host has no unzip" >&2; exit 1; }
U() { unzip -p "$z" ${m}; };; *) U() { tar -xzOf "$z" ${m}; };; esac`
}

/** An URL may hold a password, so it is no argument: curl and wget read it from a file. */
function fetched(url: string, sh: Shell): string {
  const [line, config] = [Buffer.from(`${url}\n`), Buffer.from(`url = "${url.replace(/["\\]/g, '\\$&')}"\n`)]
  return `if command -v curl >/dev/null; then curl -fsSL --retry 2 --connect-timeout 20 -K ${sh.blob(config)} -o "$z" 2>"$d/fetch"
elif command -v wget >/dev/null; then wget -nv -T 20 -t 3 -i ${sh.blob(line)} -O "$z" 2>"$d/fetch"
else echo "the host has neither curl nor wget" >"$d/fetch"; false; fi`
}
