import { answerEffect, type Effect, unknownEffect } from '../effect.ts'
import { outputKind } from '../reads/command.ts'
import { type Unit, unit, unitKind } from '../reads/unit.ts'
import type { Step } from '../step.ts'
import { tool } from './tool.ts'

/** Has systemd read its unit files again.
 * @param after a unit as it will be then; of the others nothing is known. */
export function daemonReload(after?: Unit): Step {
  const summary = 'systemctl daemon-reload'
  const effects: Effect[] = [unknownEffect(summary, (read) => read.kind === unitKind)]
  if (after) effects.push(answerEffect(unit(after.name), after))
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
 * @param options.watch how many seconds it is watched after its start. */
export function changeUnit(
  verb: string,
  name: string,
  after: Unit,
  options: { acts?: true; watch?: number } = {},
): Step {
  const { watch = 1, ...more } = options
  const summary = `systemctl ${verb} ${name}`
  const links = ['enable', 'disable', 'mask', 'unmask'].includes(verb)
  const effects: Effect[] = [
    // other units come and go with it
    unknownEffect(summary, (read) =>
      read.kind === unitKind
        ? read.question !== name
        : links && touchesLinks(verb, name, read.kind.paths?.(read.question)),
    ),
    unknownEffect(summary, (read) => read.kind === outputKind && !links),
    answerEffect(unit(name), after),
  ]
  const plain = tool(summary, ['systemctl', '--no-ask-password', verb, '--', name], effects, { ...more, inline: true })
  if (!['start', 'restart'].includes(verb)) return plain
  return {
    ...plain,
    script: (sh) => `u=${sh.word(name)} t=$(date +%s)
${lastWords}
case $(systemctl show --property=SubState,NRestarts -- "$u") in *auto-restart*|*NRestarts=[1-9]*) systemctl stop -- "$u";; esac
systemctl reset-failed -- "$u" 2>/dev/null
r=$(systemctl show --property=NRestarts -- "$u")
${plain.script(sh)} || { W; exit 1; }
${staysUp(watch)}`,
  }
}

/** What the unit and systemd said of it since it was to be started. The journal may still be about to write it, and loses
 * whose words they were when a process ends with them: its number it keeps. */
const lastWords = `W() { journalctl --sync >/dev/null 2>&1; p=$(systemctl show --property=ExecMainPID -- "$u"); p=\${p#*=}
l=$(journalctl --no-pager -q -o cat -n 15 --since "@$t" _SYSTEMD_UNIT="$u" + UNIT="$u" + _PID="\${p:-0}" 2>/dev/null)
test -n "$l" || l=$(systemctl status --no-pager -n 15 -- "$u"); printf '%s\\n' "$l" >&2; }`

// systemd may still count the restarts of the time before: only another number is news
const staysUp = (seconds: number) => `i=0; while :; do
s=$(systemctl show --property=Type,RemainAfterExit,ActiveState,SubState,NRestarts,ConditionResult -- "$u")
case $s in *Type=oneshot*) case $s in *RemainAfterExit=no*) exit 0;; esac;; esac
n=\${s#*NRestarts=}; n=\${n%%[!0-9]*}; test "\${n:-0}" = 0 || test "$n" = "\${r#*=}" || s="$s again"
case $s in *ConditionResult=no*) echo "a condition of $u is not met:" >&2; W; exit 1;; *Type=oneshot*) exit 0;;
*ActiveState=failed*|*ActiveState=inactive*|*SubState=auto-restart*|*again) echo "$u ended right after its start:" >&2; W; exit 1;; esac
case $s in *Type=*) ;; *) exit 0;; esac
test $i -ge ${Math.round(seconds * 5)} && exit 0
i=$((i + 1)); sleep 0.2
done`

/** Links to units come and go; a unit's own files stay as they are, unless a link masks it. */
function touchesLinks(verb: string, name: string, paths: readonly string[] = []): boolean {
  const own = (p: string) => p.endsWith(`/${name}`) || p.includes(`/${name}.d`)
  const among = paths.filter((p) => p.startsWith('/etc/systemd/') || p.startsWith('/run/systemd/'))
  return among.some((p) => verb.endsWith('mask') || !own(p))
}
