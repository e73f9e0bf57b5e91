import type { Effect } from '../effect.ts'
import type { ShellStep } from '../step.ts'

/** A step that is one program with arguments, found in PATH or where administration tools are.
 * @param options.env variables for it; never secrets: other processes of the user could read them.
 * @param options.input what it reads on standard input; the place for secrets. */
export function tool(
  summary: string,
  argv: readonly string[],
  effects: readonly Effect[],
  options: Omit<Partial<ShellStep>, 'summary' | 'script' | 'call' | 'effects'> & {
    readonly env?: Readonly<Record<string, string>>
    readonly input?: Buffer
  } = {},
): ShellStep {
  const { env = {}, input, ...more } = options
  return {
    ...more,
    summary,
    effects,
    script: (sh) => {
      const variables = Object.entries(env).map(([name, value]) => `export ${name}=${sh.word(value)}\n`)
      const from = input === undefined ? '' : ` <${sh.blob(input)}`
      return `PATH=$PATH:/usr/sbin:/sbin\n${variables.join('')}${sh.words(argv)}${from}`
    },
  }
}
