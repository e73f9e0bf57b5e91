import type { Shell } from '../shell.ts'
import type { Step } from '../step.ts'

/** A program, or text for a shell, that an author wants run. */
export interface Command {
  /** A program with its arguments, or text that `shell` reads. */
  readonly run: { readonly argv: readonly string[] } | { readonly text: string; readonly shell: string }
  /** Absolute. */
  readonly chdir?: string | undefined
  readonly stdin?: Buffer | undefined
  readonly env?: Readonly<Record<string, string>>
  /** `$NAME` and a leading `~/` in the arguments are taken from the host's environment; a name it has not stays. */
  readonly expand?: boolean
  /** Something shows that it was done: planned again it would not be done again. */
  readonly once?: boolean
}

/** Runs it; nobody but its author knows what it does. */
export function runCommand(command: Command, summary: string, timeout?: number): Step {
  return {
    summary,
    effects: [],
    opaque: true,
    ...(command.once ? {} : { acts: true as const }),
    captured: true,
    ...(timeout === undefined ? {} : { timeout }),
    script: (sh) => {
      const { run, chdir, stdin, env = {}, expand } = command
      const variables = Object.entries(env).map(([name, value]) => `export ${name}=${sh.word(value)}\n`)
      const go = chdir === undefined ? 'cd || exit 1\n' : `cd -- ${sh.word(chdir)} || exit 1\n`
      const argument = (text: string) => (expand ? expanded(text, sh) : sh.word(text))
      const words = 'argv' in run ? run.argv.map(argument).join(' ') : `${sh.word(run.shell)} -c ${sh.word(run.text)}`
      const from = stdin === undefined ? '' : ` <${sh.blob(stdin)}`
      return `${variables.join('')}${go}${words}${from}`
    },
  }
}

/** A word whose names of variables the host's shell fills in; one that it has not stays as it is written. */
function expanded(text: string, sh: Shell): string {
  const home = /^~(\/|$)/.test(text)
  const parts = text.slice(home ? 1 : 0).split(/(\$[A-Za-z_]\w*|\$\{[A-Za-z_]\w*\})/)
  const words = parts.map((part, i) => {
    if (i % 2 === 0) return part === '' ? '' : sh.word(part)
    const literal = part.replace('$', '\\$').replace('}', '\\}')
    return `"\${${part.replace(/[${}]/g, '')}-${literal}}"`
  })
  return `${home ? '"$HOME"' : ''}${words.join('')}` || "''"
}
