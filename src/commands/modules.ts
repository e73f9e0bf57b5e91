import type { Module } from '../contract.ts'
import { didYouMean } from '../language/diagnostic.ts'
import { otherModule } from '../language/keys.ts'
import { moduleName } from '../language/module-set.ts'
import { typeText } from '../language/reference.ts'
import { modulesFor } from './load.ts'
import { UsageError } from './usage-error.ts'

/** `runbook modules [NAME]` */
export async function modulesCommand(name: string | undefined): Promise<number> {
  const modules = await modulesFor(['.'])
  if (name === undefined) {
    const width = Math.max(...[...modules.keys()].map((n) => n.length))
    for (const m of modules.values()) console.log(`${m.name.padEnd(width)}  ${m.summary}`)
    return 0
  }
  const module = modules.get(moduleName(name))
  if (!module) throw noModule(moduleName(name), modules.keys())
  console.log(document(module).join('\n'))
  return 0
}

export function noModule(name: string, known: Iterable<string>): UsageError {
  const near = didYouMean(name, known)
  const hint = otherModule(name) ?? (near ? `did you mean ${near}?` : '`runbook modules` lists what there is')
  return new UsageError(`there is no module ${name}`, hint)
}

function document(module: Module): string[] {
  const required = new Set(module.params.required)
  const lines = [`${module.name}: ${module.summary}`, '', 'Parameters:']
  for (const [name, schema] of Object.entries(module.params.properties)) {
    const free = module.params.freeForm === name ? ', or as text behind the module' : ''
    lines.push(`  ${name} (${typeText(schema)}${required.has(name) ? ', required' : ''}${free})`)
    if (schema.description) lines.push(`      ${schema.description}`)
    if (schema.default !== undefined) lines.push(`      Default: ${JSON.stringify(schema.default)}`)
    if (schema.aliases) lines.push(`      Also: ${schema.aliases.join(', ')}`)
  }
  if (module.examples) lines.push('', 'Examples:', ...module.examples.split('\n').map((l) => `  ${l}`))
  if (module.differences) lines.push('', 'Where it differs from Ansible:', ...module.differences.map((d) => `  ${d}`))
  if (module.notes) lines.push('', 'To know:', ...module.notes.map((n) => `  ${n}`))
  return lines
}
