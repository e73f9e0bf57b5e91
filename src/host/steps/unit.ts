import { answerEffect, type Effect, unknownEffect } from '../effect.ts'
import type { Read } from '../read.ts'
import { outputKind } from '../reads/command.ts'
import { type Entry, entryKind } from '../reads/entry.ts'
import { comesAndGoes, isBound, type Unit, unit, unitKind } from '../reads/unit.ts'
import type { Step } from '../step.ts'
import { tool } from './tool.ts'

/** A unit whose file systemd has read. */
const seen = (unit: Unit): Unit => (unit.guessed ? { ...unit, guessed: 'read' } : unit)

/** A unit whose files have changed is another one once systemd has read them. */
const isReread = (other: Unit) => other.needsReload !== false

/** Has systemd read its unit files again.
 * @param after a unit as it will be then. */
export function daemonReload(after?: Unit): Step {
  const summary = 'systemctl daemon-reload'
  const effects: Effect[] = [unknownEffect(summary, (read, other) => read.kind === unitKind && isReread(other as Unit))]
  if (after) effects.push(answerEffect(unit(after.name), seen(after)))
  return tool(summary, ['systemctl', 'daemon-reload'], effects, { inline: true })
}

/** Looks at a unit file before it takes the place of a good one; what systemd says of this file is its output. What it
 * says of others, which the unit needs, is nobody's fault here.
 * @param file its path below the directory of units, as `x.service` or `x.service.d/y.conf`. */
export function verifyUnit(name: string, file: string, content: Buffer): Step {
  return {
    summary: `verify ${file}`,
    effects: [],
    harmless: true,
    captured: true,
    inline: true,
    script: (sh) => `command -v systemd-analyze >/dev/null || exit 0
u="$d/units"; rm -rf "$u"; n=${sh.word(name)} f=${sh.word(file)}; mkdir -p "$u" && { case $f in */*) mkdir -p "$u/\${f%/*}";; esac; } && cp ${sh.blob(content)} "$u/$f" || exit 1
cd "$d"; SYSTEMD_UNIT_PATH="$u:" systemd-analyze --man=no verify "$n" >"$d/verify" 2>&1; e=$?; rm -rf "$u"
sed "s#$u/##g" "$d/verify" | while IFS= read -r l; do case $l in "$f:"*|"$n: "*|"Unit $n "*) printf '%s\\n' "$l";; esac; done >"$d/own"
cat "$d/own"; test $e = 0 || ! grep -qv ${ignorable} "$d/own"`,
  }
}

const ignorable = "-e '[Ii]gnor' -e 'will be removed soon'"

/** Runs `systemctl VERB NAME`. A service that was started has to be still there after a while; otherwise the step fails
 * with the end of its log.
 * @param after the unit as it will be.
 * @param options.watch how many seconds it is watched after its start; by itself no longer than it is busy.
 * @param options.isNew it was not there before this run: it has neither failed nor been restarted. */
export function changeUnit(
  verb: string,
  name: string,
  after: Unit,
  options: { acts?: true; watch?: number | undefined; isNew?: boolean } = {},
): Step {
  const { watch, isNew = false, ...more } = options
  const summary = `systemctl ${verb} ${name}`
  const links = ['enable', 'disable', 'mask', 'unmask'].includes(verb)
  const effects: Effect[] = [
    unknownEffect(summary, (read, other) =>
      read.kind === unitKind
        ? read.question !== name && (links ? isReread(other as Unit) : comesAndGoes(after, other as Unit))
        : links && touchesLinks(verb, after, read, other),
    ),
    unknownEffect(summary, ({ kind }) => (kind === outputKind || kind.call !== undefined) && !links),
    answerEffect(unit(name), seen(after)),
  ]
  const plain = tool(summary, ['systemctl', '--no-ask-password', verb, '--', name], effects, {
    ...more,
    inline: true,
    ...(!links && isBound(after) ? { disturbs: true } : {}),
  })
  // what is stopped need not last
  if (verb === 'stop') return { ...plain, script: (sh) => `: >"$d/up-"${sh.word(name)}; ${plain.script(sh)}` }
  if (!['start', 'restart'].includes(verb)) return plain
  return {
    ...plain,
    script: (sh) => `u=${sh.word(name)}
${clock}
${isNew ? 'C; b=$c r=0' : startClean}
echo "$b $r" >"$d/up-$u"
${plain.script(sh)} || { ${lastWords}; exit 1; }`,
    lasts: {
      summary: `${name} stays up`,
      effects: [],
      harmless: true,
      inline: true,
      looks: true,
      script: (sh) => `u=${sh.word(name)}; read -r b r 2>/dev/null <"$d/up-$u" || exit 0
${clock}
${staysUp(watch)}`,
    },
  }
}

/** A unit that failed before may start again, and what it was started or restarted before does not count: several changes in
 * a minute are no reason for systemd to leave it stopped. */
const startClean = `C; b=$c; r=$(systemctl show --property=SubState,NRestarts -- "$u")
case $r in *auto-restart*|*NRestarts=[1-9]*) systemctl stop -- "$u"; r=;; esac
systemctl reset-failed -- "$u" 2>/dev/null
test -n "$r" || r=$(systemctl show --property=NRestarts -- "$u")
case $r in *NRestarts=*) r=\${r#*NRestarts=}; r=\${r%%[!0-9]*};; *) r=0;; esac`

/** Sets $c to hundredths of a second since the host was started; it needs no process. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is shell
const clock = 'C() { read -r c _ </proc/uptime; c=${c%.*}${c#*.}; }'

/** What the unit and systemd said of it since it was to be started. The journal may still be about to write it, and loses
 * whose words they were when a process ends with them: its number it keeps. The seconds are rounded, and the clock is asked
 * first, so that none is missed. */
const findWords = `journalctl --sync >/dev/null 2>&1; p=$(systemctl show --property=ExecMainPID -- "$u"); p=\${p#*=}; l=$(date +%s); C
l=$(journalctl --no-pager -q -o cat --since "@$((l - (c - b + 99) / 100))" _SYSTEMD_UNIT="$u" + UNIT="$u" + _PID="\${p:-0}" 2>/dev/null | tail -n 15)
test -n "$l" || l=$(systemctl status --no-pager -n 15 -- "$u")`

const lastWords = `${findWords}; printf '%s\\n' "$l" >&2`

/** One that systemd has forgotten since has no condition that was met either: its log tells. */
const ended = `${findWords}
case $s$l in *ConditionResult=no*"ondition check"*) l="a condition of $u is not met:
$l";; *) l="$u ended right after its start:
$l";; esac; printf '%s\\n' "$l" >&2; exit 1`

/** Hundredths of a second that a service is watched: all of them where somebody said how long, otherwise no longer than it
 * is busy, since one that waits for work has started. One that has just ended is up for systemd until that has heard of it. */
const shortest = 20
const longest = 100

// systemd may still count the restarts of the time before: only another number is news
const staysUp = (seconds: number | undefined) => `S() { l=$(($1 - c + b)); test $l -gt 0 || return 0
test $l -lt 50 || l=50; test $l -ge 10 || l=0$l; sleep 0.$l 2>/dev/null || sleep 1; }
B() { read -r _ n s _ 2>/dev/null <"/proc/$p/stat" || return 0; case "$n $s" in "(("*|*" R"|*" D"|*" Z") return 0;; esac; return 1; }
C; S ${seconds === undefined ? shortest : Math.round(seconds * 100)}; while :; do C
s=$(systemctl show --property=Type,RemainAfterExit,ActiveState,SubState,NRestarts,ConditionResult,MainPID -- "$u")
case $s in *Type=oneshot*) case $s in *RemainAfterExit=no*) exit 0;; esac;; esac
n=\${s#*NRestarts=}; n=\${n%%[!0-9]*}; test "\${n:-0}" = 0 || test "$n" = "$r" || s="$s again"
p=\${s#*MainPID=}; p=\${p%%[!0-9]*}
case $s in *ConditionResult=no*) ${ended};; *Type=oneshot*) exit 0;;
*ActiveState=failed*|*ActiveState=inactive*|*SubState=auto-restart*|*again) ${ended};; esac
case $s in *Type=*) ;; *) exit 0;; esac
${
  seconds === undefined
    ? `test $((c - b)) -lt ${longest} && B || exit 0; sleep 0.1 2>/dev/null || sleep 1`
    : `test $((c - b)) -lt ${Math.round(seconds * 100)} || exit 0; S ${Math.round(seconds * 100)}`
}
done`

/** Links to units come and go; a file stays as it is, and so does a unit's own, unless a link masks it. */
function touchesLinks(verb: string, { name, aliases }: Unit, read: Read, answer: unknown): boolean {
  const among = (read.kind.paths?.(read.question) ?? []).filter((p) => /^\/(etc|run)\/systemd\//.test(p))
  if (verb.endsWith('mask')) return among.length > 0
  if (read.kind === entryKind && (answer as Entry).stat?.type === 'file') return false
  const own = (p: string) => p.endsWith(`/${name}`) || p.includes(`/${name}.d`)
  const isUnit = (p: string) => /^\/(etc|run)\/systemd\/system\/[^/]+\.[a-z]+$/.test(p)
  // a name that enabling does not give comes from elsewhere
  const other = (p: string) => isUnit(p) && aliases !== undefined && !aliases.some((a) => p.endsWith(`/${a}`))
  return among.some((p) => !own(p) && !other(p))
}
