import type { ParamSchema, ParamsSchema } from './schema.ts'

interface Described {
  readonly name: string
  readonly summary: string
  readonly params: ParamsSchema
  readonly examples?: string
  readonly differences?: readonly string[]
  readonly notes?: readonly string[]
}

/** The type of a parameter, in an author's words. */
export function typeText(schema: ParamSchema): string {
  if (schema.condition) return 'conditions'
  if (schema.expression) return 'expression'
  if (schema.enum) return schema.enum.join(' | ')
  if (schema.type === 'array') return `list of ${schema.items?.type === undefined ? 'any' : typeText(schema.items)}`
  return schema.type === undefined ? 'any' : [schema.type].flat().join(' or ')
}

const madeOf = (what: string) => `<!-- Made of ${what} by \`npm run docs\`. -->`

/** The page that lists all modules, in Markdown. */
export function referenceIndex(modules: readonly Described[]): string {
  const rows = modules.map((m) => `| [${m.name}](${m.name}.md) | ${cell(m.summary)} |`)
  const text = 'The modules of this package; `runbook modules NAME` tells the same on a terminal.'
  return `${madeOf('modules/')}\n\n# Modules\n\n${text}\n\n| module | |\n|---|---|\n${rows.join('\n')}\n`
}

/** A module's page, in Markdown. */
export function referencePage({ name, summary, params, examples, differences, notes }: Described): string {
  const required = new Set(params.required)
  const rows = Object.entries(params.properties).flatMap(([key, schema]) =>
    rowsFor(key, schema, required.has(key), params.freeForm === key),
  )
  const parts = [
    madeOf(`modules/${name}.ts`),
    `# ${name}`,
    summary,
    `| parameter | type | |\n|---|---|---|\n${rows.join('\n')}`,
    rules(params)
      .map((rule) => `- ${rule}`)
      .join('\n'),
    examples === undefined ? '' : `## Examples\n\n\`\`\`yaml\n${examples}\n\`\`\``,
    listed('Where it differs from Ansible', differences),
    listed('To know', notes),
  ]
  return `${parts.filter((p) => p !== '').join('\n\n')}\n`
}

function listed(title: string, lines: readonly string[] | undefined): string {
  return lines === undefined ? '' : `## ${title}\n\n${lines.map((line) => `- ${line}`).join('\n')}`
}

function rowsFor(key: string, schema: ParamSchema, required: boolean, free: boolean): string[] {
  const { description = '', default: standard, aliases = [], secret } = schema
  const more = [
    required && '**Required.**',
    free && 'Also as text behind the module.',
    standard !== undefined && `Default: ${code(JSON.stringify(standard))}.`,
    aliases.length > 0 && `Also: ${aliases.map(code).join(', ')}.`,
    secret && 'Never shown.',
  ].filter((m) => m !== false && m !== undefined)
  const row = `| ${code(key)} | ${cell(typeText(schema))} | ${[cell(description), ...more].filter((t) => t !== '').join(' ')} |`
  const inner = schema.properties ?? schema.items?.properties ?? {}
  const needed = new Set(schema.required ?? schema.items?.required)
  const at = schema.items?.properties ? `${key}[]` : key
  return [row, ...Object.entries(inner).flatMap(([k, s]) => rowsFor(`${at}.${k}`, s, needed.has(k), false))]
}

function rules({ properties, additionalProperties, anyOf = [], exclusive = [] }: ParamsSchema): string[] {
  const having = (note: 'hostPath' | 'controllerPath') =>
    Object.keys(properties)
      .filter((name) => properties[name]![note])
      .map(code)
      .join(', ')
  const [onHost, onController] = [having('hostPath'), having('controllerPath')]
  const found = [
    anyOf.length > 0 && `One of these is needed: ${anyOf.map((a) => a.required.map(code).join(' with ')).join(', ')}.`,
    ...exclusive.map((names) => `These exclude each other: ${names.map(code).join(', ')}.`),
    additionalProperties && 'Any other name is a parameter too.',
    onController !== '' &&
      `${onController}: looked for in \`files/\` (a template in \`templates/\`) beside the playbook, then beside it.`,
    onHost !== '' && `${onHost}: a relative path, or \`~\`, starts at the home of the user that the task runs as.`,
  ]
  return found.filter((rule) => typeof rule === 'string')
}

const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
