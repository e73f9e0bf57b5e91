import type { Step } from '../step.ts'

/** A program, or text for a shell, that an author wants run. */
export interface Command {
  /** A program with its arguments, or text that `shell` reads. */
  readonly run: { readonly argv: readonly string[] } | { readonly text: string; readonly shell: string }
  /** Absolute. */
  readonly chdir?: string | undefined
  readonly stdin?: Buffer | undefined
  readonly env?: Readonly<Record<string, string>>
}

/** Runs it; nobody but its author knows what it does. */
export function runCommand(command: Command, summary: string, timeout?: number): Step {
  return {
    summary,
    effects: [],
    opaque: true,
    acts: true,
    captured: true,
    ...(timeout === undefined ? {} : { timeout }),
    script: (sh) => {
      const { run, chdir, stdin, env = {} } = command
      const variables = Object.entries(env).map(([name, value]) => `export ${name}=${sh.word(value)}\n`)
      const go = chdir === undefined ? 'cd || exit 1\n' : `cd -- ${sh.word(chdir)} || exit 1\n`
      const words = 'argv' in run ? sh.words(run.argv) : `${sh.word(run.shell)} -c ${sh.word(run.text)}`
      const from = stdin === undefined ? '' : ` <${sh.blob(stdin)}`
      return `${variables.join('')}${go}${words}${from}`
    },
  }
}
