import { answerEffect } from '../effect.ts'
import { capabilities } from '../reads/command.ts'
import type { Entry } from '../reads/entry.ts'
import { followed } from '../reads/entry.ts'
import type { Step } from '../step.ts'
import { tool } from './tool.ts'

/** Gives a file exactly these capabilities; none takes them all.
 * @param text as getcap prints them. */
export function setCapabilities(at: Entry, text: string, before: string): Step {
  const path = followed(at).real
  const argv = text === '' ? ['setcap', '-r', path] : ['setcap', text, path]
  const summary = `set capabilities ${text || 'none'} (was ${before || 'none'}) of ${at.path}`
  return tool(summary, argv, [answerEffect(capabilities(at.path), text)], { inline: true })
}
