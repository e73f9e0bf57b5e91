import type { Plan, Settled } from './contract.ts'
import { fromBytes, toBytes } from './host/bytes.ts'
import type { Facts } from './host/facts.ts'
import type { Read } from './host/read.ts'
import { output, type Said } from './host/reads/command.ts'
import { type Entry, entry } from './host/reads/entry.ts'
import { longestOutput, type StepEnd } from './host/step.ts'
import { type Command, runCommand } from './host/steps/command.ts'
import type { Params } from './language/schema.ts'
import { exitStatus } from './said.ts'
import { Unknown } from './unknown.ts'

/** The parameters that `command` and `shell` have in common. */
export const commandParams = {
  chdir: { type: 'string', hostPath: true, description: 'The directory it runs in; otherwise the home of its user.' },
  creates: { type: 'string', description: 'A path or glob: where something is there, the command is not run.' },
  removes: { type: 'string', description: 'A path or glob: where nothing is there, the command is not run.' },
  stdin: { type: 'string', description: 'What it reads on standard input.' },
  stdin_add_newline: { type: 'boolean', default: true, description: 'Ends `stdin` with a newline.' },
  strip_empty_ends: { type: 'boolean', default: true, description: 'Takes empty lines off the end of its output.' },
} as const

type Common = Params<{ type: 'object'; properties: typeof commandParams }>

interface Asked {
  readonly creates: Entry | Said | undefined
  readonly removes: Entry | Said | undefined
}

/** What `creates` and `removes` ask. */
export function commandReads(
  p: Common,
  context: { readonly facts: Facts },
): {
  creates: Read<Entry | Said> | undefined
  removes: Read<Entry | Said> | undefined
} {
  const ask = (path: string | undefined) =>
    path === undefined ? undefined : presence(absolute(path, p.chdir, context))
  return { creates: ask(p.creates), removes: ask(p.removes) }
}

/** The facts are asked for only where they are needed: they may not be known yet. */
function absolute(path: string, chdir: string | undefined, context: { readonly facts: Facts }): string {
  if (path === '~' || path.startsWith('~/')) return `${context.facts.home}${path.slice(1)}`
  return path.startsWith('/') ? path : `${chdir ?? context.facts.home}/${path}`
}

const globTest = 'IFS=; for p in $1; do if test -e "$p" || test -L "$p"; then exit 0; fi; done; exit 1'

function presence(path: string): Read<Entry | Said> {
  if (!/[*?[]/.test(path)) return entry(path) as Read<Entry | Said>
  const about = path.slice(0, path.search(/[*?[]/)).replace(/\/[^/]*$/, '') || '/'
  return output(['sh', '-c', globTest, 'sh', path], undefined, [about]) as Read<Entry | Said>
}

const isThere = (answer: Entry | Said | undefined) =>
  answer !== undefined && ('status' in answer ? answer.status === 0 : answer.stat !== undefined)

/** Runs a command unless `creates` or `removes` say that there is nothing to do.
 * @param cmd as `register` gives it. */
export function commandPlan(
  p: Common,
  asked: Asked,
  run: Command['run'],
  cmd: string | readonly string[],
  expand = false,
): Plan {
  const passed = (why: string): Plan => {
    const said = `skipped, since ${why}`
    const result = { cmd, rc: 0, stdout: said, stdout_lines: [said], stderr: '', stderr_lines: [] }
    return { steps: [], changed: false, result: { ...result, msg: `the command was not run, since ${why}` } }
  }
  if (p.creates !== undefined && isThere(asked.creates)) return passed(`${p.creates} exists`)
  if (p.removes !== undefined && !isThere(asked.removes)) return passed(`${p.removes} does not exist`)
  const stdin = p.stdin === undefined ? undefined : toBytes(`${p.stdin}${p.stdin_add_newline ? '\n' : ''}`)
  const line = [cmd]
    .flat()
    .join(' ')
    .trim()
    .replace(/\s*\n\s*/g, ' ')
  const shown = line.length > 100 ? `${line.slice(0, 99)}…` : line
  const once = p.creates !== undefined || p.removes !== undefined
  const later = new Unknown(`the output of \`${shown}\``)
  return {
    steps: [runCommand({ run, chdir: p.chdir, stdin, expand, once }, `run ${shown}`)],
    result: { cmd, rc: later, stdout: later, stdout_lines: later, stderr: later, stderr_lines: later },
    settle: ([end]) => settled(end!, p.strip_empty_ends, `run ${shown}`),
  }
}

/** Where Python's splitlines ends a line. */
const lineEnd = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/

function linesOf(text: string): string[] {
  const lines = text.split(lineEnd)
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines
}

function settled(end: StepEnd, strip: boolean, summary: string): Settled {
  const text = (bytes: Buffer) => (strip ? fromBytes(bytes).replace(/[\r\n]+$/, '') : fromBytes(bytes))
  const [stdout, stderr] = [text(end.stdout), text(end.stderr)]
  return {
    result: { rc: end.status, stdout, stdout_lines: linesOf(stdout), stderr, stderr_lines: linesOf(stderr) },
    warnings: end.cut ? [`only the first ${longestOutput / 1e6} MB of its output are kept`] : [],
    ...(end.status === 0 ? {} : { failed: `${summary}: ${exitStatus(end)}` }),
  }
}
