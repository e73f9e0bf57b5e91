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
  return tool(summary, ['systemctl', 'daemon-reload'], effects)
}

/** Looks at a unit file before it takes the place of a good one; what systemd would ignore stands in its output.
 * @param file its path below the directory of units, as `x.service` or `x.service.d/y.conf`. */
export function verifyUnit(name: string, file: string, content: Buffer): Step {
  return {
    summary: `verify ${file}`,
    effects: [],
    harmless: true,
    captured: true,
    script: (sh) => `command -v systemd-analyze >/dev/null || exit 0
u="$d/units"; rm -rf "$u"; f=$u/${sh.word(file)}; mkdir -p "\${f%/*}" && cp ${sh.blob(content)} "$f" || exit 1
SYSTEMD_UNIT_PATH="$u:" systemd-analyze --man=no verify ${sh.word(name)} >"$d/verify" 2>&1; e=$?
sed "s#$u/##g" "$d/verify"
rm -rf "$u"; exit $e`,
  }
}

/** Runs `systemctl VERB NAME`. A service that was started has to be still there a second later; otherwise the step fails
 * with the end of its log.
 * @param after the unit as it will be. */
export function changeUnit(verb: string, name: string, after: Unit, options: { acts?: true } = {}): Step {
  const summary = `systemctl ${verb} ${name}`
  const links = ['enable', 'disable', 'mask', 'unmask'].includes(verb)
  const effects: Effect[] = [
    // other units come and go with it
    unknownEffect(summary, (read) =>
      read.kind === unitKind ? read.question !== name : links && touchesUnitFiles(read.kind.paths?.(read.question)),
    ),
    unknownEffect(summary, (read) => read.kind === outputKind && !links),
    answerEffect(unit(name), after),
  ]
  const plain = tool(summary, ['systemctl', '--no-ask-password', verb, '--', name], effects, options)
  if (!['start', 'restart'].includes(verb)) return plain
  return {
    ...plain,
    script: (sh) => `u=${sh.word(name)}\n${plain.script(sh)} || { ${lastWords}; exit 1; }\n${staysUp}`,
  }
}

const lastWords =
  'journalctl --no-pager -q -o cat -n 15 -u "$u" >&2 2>/dev/null || systemctl status --no-pager -n 15 -- "$u" >&2'

const staysUp = `for i in 1 2 3 4 5; do
s=$(systemctl show --property=Type,ActiveState,SubState,NRestarts -- "$u")
case $s in *Type=oneshot*) exit 0;; esac
case $s in *ActiveState=failed*|*ActiveState=inactive*|*SubState=auto-restart*) echo "$u ended right after its start:" >&2; ${lastWords}; exit 1;; esac
sleep 0.2
done`

function touchesUnitFiles(paths: readonly string[] = []): boolean {
  return paths.some((p) => p.startsWith('/etc/systemd/') || p.startsWith('/run/systemd/'))
}
