import { answerEffect, type Effect, unknownEffect } from '../effect.ts'
import { outputKind } from '../reads/command.ts'
import { type Unit, unit, unitKind } from '../reads/unit.ts'
import type { Step } from '../step.ts'
import { tool } from './tool.ts'

/** Has systemd read its unit files again. */
export function daemonReload(): Step {
  const summary = 'systemctl daemon-reload'
  const effect: Effect = {
    change: (read, answer) =>
      read.kind === unitKind ? unknownEffect(summary, () => true).change(read, answer, () => undefined) : answer,
  }
  return tool(summary, ['systemctl', 'daemon-reload'], [effect])
}

/** Runs `systemctl VERB NAME`.
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
  return tool(summary, ['systemctl', '--no-ask-password', verb, '--', name], effects, options)
}

function touchesUnitFiles(paths: readonly string[] = []): boolean {
  return paths.some((p) => p.startsWith('/etc/systemd/') || p.startsWith('/run/systemd/'))
}
