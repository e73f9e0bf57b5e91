import { stringify } from 'yaml'
import type { Module } from '../contract.ts'
import { coerce } from '../language/coerce.ts'
import type { Diagnostic } from '../language/diagnostic.ts'
import { moduleName } from '../language/module-set.ts'
import type { ParamSchema } from '../language/schema.ts'
import { limitPattern } from './limit.ts'
import { loadRun, modulesFor } from './load.ts'
import { noModule } from './modules.ts'
import type { RunningOptions } from './options.ts'
import { runPlays } from './run-plays.ts'
import { reportDiagnostics, UsageError } from './usage-error.ts'

/** `runbook run MODULE key=value…`: a play of one task on the hosts of --limit. */
export async function runModuleCommand(
  written: string,
  parameters: readonly string[],
  options: RunningOptions & { check?: true },
): Promise<number> {
  const diagnostics: Diagnostic[] = []
  const limit = limitPattern(options.limit, (d) => void diagnostics.push(d))
  reportDiagnostics(diagnostics)
  if (limit === undefined || limit.trim() === '')
    throw new UsageError('the hosts are not named', '-l PATTERN, `-l all` for every host')
  const name = moduleName(written)
  const modules = await modulesFor(['.'])
  const module = modules.get(name)
  if (!module) throw noModule(name, modules.keys())
  const task = { name: `run ${name}`, ...taskOf(module, parameters) }
  const text = stringify([{ name: 'ad hoc', hosts: limit, tasks: [task] }], { lineWidth: 0 })
  const { plays, extra } = await loadRun([{ path: 'command-line', text }], { ...options, limit: undefined } as never)
  const mode = options.check ? 'check' : 'apply'
  const verbose = Math.max(1, options.verbose)
  return runPlays(mode, plays, [], extra, { ...options, verbose, whole: true })
}

/** `key=value` of a known parameter is one; with a module that takes a line of text, all else is that line. */
function taskOf({ name, params }: Module, parameters: readonly string[]): Record<string, unknown> {
  const { freeForm, properties, additionalProperties } = params
  const schemaOf = (key: string) =>
    properties[key] ?? Object.values(properties).find((s) => s.aliases?.includes(key)) ?? (additionalProperties && {})
  const whole = parameters.length === 1 ? jsonOf(parameters[0]!) : undefined
  if (whole !== undefined && !Array.isArray(whole)) return { [name]: whole }
  const args: [string, unknown][] = []
  const line: string[] = []
  for (const parameter of parameters) {
    const [, key, value] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(parameter) ?? []
    const schema = key === undefined ? undefined : schemaOf(key)
    if (schema || (key !== undefined && freeForm === undefined))
      args.push([key!, coerce(dataOf(value!, schema || {}), schema || {}, true)])
    else line.push(parameter)
  }
  if (line.length === 0) return { [name]: Object.fromEntries(args) }
  if (freeForm === undefined)
    throw new UsageError(`\`${line[0]}\` is no parameter`, `key=value: \`runbook modules ${name}\` shows the keys`)
  return { [name]: line.join(' '), ...(args.length === 0 ? {} : { args: Object.fromEntries(args) }) }
}

/** A list or mapping may be given as JSON, where no text is wanted. */
function dataOf(text: string, schema: ParamSchema): unknown {
  return (schema.type === 'string' ? undefined : jsonOf(text)) ?? text
}

function jsonOf(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
