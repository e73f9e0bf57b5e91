import { type JsonSchema, mapValues, plainParam } from './json-schema.ts'
import { includeKeys, playKeys, taskFileKeys, taskKeys } from './keys.ts'
import { schemaWords } from './load-params.ts'
import { longestTimeout, orders } from './playbook.ts'
import type { ParamSchema, ParamsSchema } from './schema.ts'

interface Described {
  readonly name: string
  readonly summary: string
  readonly params: ParamsSchema
}

/** The newest that all editors know. */
const draft = 'http://json-schema.org/draft-07/schema#'

const templated: JsonSchema = { type: 'string', pattern: '<%' }
const condition: JsonSchema = { type: ['string', 'boolean', 'array'], items: { type: ['string', 'boolean'] } }
const texts: JsonSchema = { type: ['string', 'array'], items: { type: 'string' } }
const labels: JsonSchema = { type: ['string', 'number', 'array'], items: { type: ['string', 'number'] } }
const label: JsonSchema = { type: ['string', 'number'] }
const variables: JsonSchema = { type: 'object', propertyNames: { pattern: '^[A-Za-z_]\\w*$' } }
const flag: JsonSchema = { anyOf: [{ type: 'boolean' }, templated] }

const batch: JsonSchema = {
  anyOf: [
    { type: 'integer', minimum: 1 },
    { type: 'string', pattern: '^\\d+(\\.\\d+)?%?$' },
  ],
}

const described: Readonly<Record<string, readonly [schema: JsonSchema, description: string]>> = {
  name: [label, 'What it is called in the report.'],
  hosts: [texts, 'Which hosts: a pattern such as `web:&prod:!h3`.'],
  become: [flag, 'Run as another user, by sudo.'],
  become_user: [{ type: 'string' }, 'As whom; root without it.'],
  vars: [variables, 'Variables.'],
  gather_facts: [
    { type: 'boolean' },
    'Facts come with the first answer; false leaves out those that take a program, where nothing looks at facts.',
  ],
  serial: [
    { anyOf: [batch, { type: 'array', minItems: 1, items: batch }] },
    'How many hosts go at a time: a number, a share as 20%, or a list of these.',
  ],
  order: [{ enum: orders }, 'The order in which hosts have their turn.'],
  any_errors_fatal: [{ type: 'boolean' }, 'The first host that fails ends the run.'],
  tags: [labels, 'For --tags and --skip-tags.'],
  tasks: [{ type: 'array', items: { $ref: '#/$defs/step' } }, 'What is done, in order.'],
  handlers: [{ type: 'array', items: { $ref: '#/$defs/handler' } }, 'What is done at the end, when it was notified.'],
  when: [condition, 'Expressions, all of which have to hold.'],
  register: [{ type: 'string' }, 'The variable that gets the result.'],
  loop: [{ anyOf: [{ type: 'array' }, templated] }, 'Runs once for each, as `item`.'],
  notify: [texts, 'Handlers to run at the end when this changes something.'],
  listen: [labels, 'Other names it is notified by.'],
  no_log: [{ type: 'boolean' }, 'Shows nothing of what the task says.'],
  ignore_errors: [flag, 'Goes on when it fails.'],
  changed_when: [condition, 'Expressions that say whether it changed something.'],
  failed_when: [condition, 'Expressions that say whether it failed.'],
  until: [condition, 'Expressions over what it registers: it is tried again until all hold.'],
  retries: [{ anyOf: [{ type: 'integer', minimum: 0 }, templated] }, 'How many times more it is tried; 3 without it.'],
  delay: [{ anyOf: [{ type: 'number', minimum: 0 }, templated] }, 'Seconds between two tries; 5 without it.'],
  timeout: [{ type: 'number', exclusiveMinimum: 0, maximum: longestTimeout }, 'Seconds that its steps may take.'],
  affects: [
    { anyOf: [{ const: 'nothing' }, { type: 'array' }, templated] },
    'What a command touches at most: `nothing`, or paths and mappings with path, unit, package or user.',
  ],
  args: [{ type: 'object' }, 'More parameters of the module.'],
  include: [{ type: 'string', minLength: 1 }, 'A task file: beside this file, or in tasks/ beside it or the playbook.'],
  params: [variables, 'What the file declares under its `params`.'],
}

/** What an author declares of the parameters of a task file. */
const parameter: JsonSchema = {
  type: 'object',
  properties: mapValues(schemaWords, (word, key) => {
    if (key === 'properties') return { type: 'object', additionalProperties: { $ref: '#/$defs/parameter' } }
    if (key === 'items' || key === 'additionalProperties')
      return { anyOf: [{ $ref: '#/$defs/parameter' }, ...(key === 'items' ? [] : [{ type: 'boolean' }])] }
    return key === 'anyOf' ? { type: 'array', minItems: 1, items: { $ref: '#/$defs/parameter' } } : plainParam(word)
  }),
  additionalProperties: false,
}

const declared: JsonSchema = {
  type: 'object',
  description: 'What the file is given: JSON Schema.',
  properties: {
    type: { const: 'object' },
    description: { type: 'string' },
    properties: {
      type: 'object',
      propertyNames: variables.propertyNames,
      additionalProperties: { $ref: '#/$defs/parameter' },
    },
    required: { type: 'array', items: { type: 'string' } },
  },
  additionalProperties: false,
}

function properties(keys: Iterable<string>): Record<string, JsonSchema> {
  return Object.fromEntries([...keys].map((k) => [k, { ...described[k]![0], description: described[k]![1] }]))
}

/** A module's parameters for an editor. What is required may stand in `args`, so nothing is. */
function paramsForEditor({ properties, additionalProperties = false, freeForm }: ParamsSchema): JsonSchema {
  const open = mapValues(properties, forEditor)
  const aliases = Object.entries(properties).flatMap(([name, schema]) =>
    (schema.aliases ?? []).map((alias) => [alias, open[name]!] as const),
  )
  const type = freeForm === undefined ? ['object', 'null'] : ['object', 'string', 'number', 'null']
  return { type, properties: { ...open, ...Object.fromEntries(aliases) }, additionalProperties }
}

/** All that `validate` takes for a parameter: also a template, null for "not given", and what is made to fit. */
function forEditor(schema: ParamSchema): JsonSchema {
  const { description, default: otherwise, examples } = schema
  const notes = {
    ...(description === undefined ? {} : { description }),
    ...(otherwise === undefined ? {} : { default: otherwise }),
    ...(examples === undefined ? {} : { examples }),
  }
  if (schema.condition) return { ...condition, ...notes }
  if (schema.expression) return { type: ['string', 'number', 'boolean', 'null'], ...notes }
  const { description: _, default: __, examples: ___, ...bare } = schema
  const free = bare.type === 'string' && !bare.enum && !bare.pattern && !bare.minLength && !bare.mode
  if (free) return { type: ['string', 'number', 'null'], ...notes }
  return { anyOf: [...alternatives(bare), templated, { type: 'null' }], ...notes }
}

function alternatives(schema: ParamSchema): JsonSchema[] {
  const { items, properties, additionalProperties, required } = schema
  const own = plainParam(schema)
  switch (schema.type) {
    case 'integer':
    case 'number':
      return [own, { type: 'string', pattern: '^-?\\d+(\\.\\d+)?$' }]
    case 'array': {
      const list = { ...own, ...(items ? { items: forEditor(items) } : {}) }
      return items?.type === 'string' ? [list, { type: ['string', 'number'] }] : [list]
    }
    case 'object':
      return [
        {
          type: 'object',
          ...(properties ? { properties: mapValues(properties, forEditor) } : {}),
          ...(additionalProperties === undefined ? {} : { additionalProperties: rest(additionalProperties) }),
          ...(required ? { required } : {}),
        },
      ]
    default:
      return schema.anyOf ? schema.anyOf.map(forEditor) : [own]
  }
}

function rest(schema: boolean | ParamSchema): JsonSchema | boolean {
  return typeof schema === 'boolean' ? schema : forEditor(schema)
}

/** The files in schemas/ that are made of the language and the modules, by name. */
export function editorSchemas(modules: readonly Described[]): Record<string, string> {
  const params = Object.fromEntries(
    modules.map((m) => [`module ${m.name}`, { ...paramsForEditor(m.params), description: m.summary }]),
  )
  const byName = Object.fromEntries(
    modules.flatMap(({ name }) =>
      [name, `ansible.builtin.${name}`].map((n) => [n, { $ref: `#/$defs/module%20${name}` }]),
    ),
  )
  const task = (keys: readonly string[]): JsonSchema => ({
    type: 'object',
    properties: { ...properties(keys), ...byName },
    additionalProperties: false,
  })
  const playbook: JsonSchema = {
    $schema: draft,
    title: 'A runbook playbook',
    type: 'array',
    items: {
      type: 'object',
      properties: properties(playKeys),
      required: ['hosts'],
      additionalProperties: false,
    },
    $defs: {
      // biome-ignore lint/suspicious/noThenProperty: a word of JSON Schema
      step: { if: { required: ['include'] }, then: { $ref: '#/$defs/include' }, else: { $ref: '#/$defs/task' } },
      include: { type: 'object', properties: properties(includeKeys), additionalProperties: false },
      task: task([...taskKeys]),
      handler: task([...taskKeys, 'listen']),
      ...params,
    },
  }
  return {
    'playbook.schema.json': text(playbook),
    'tasks.schema.json': text(taskFile),
    'inventory.schema.json': text(inventory),
  }
}

/** The tasks themselves are those of a playbook. */
const taskFile: JsonSchema = {
  $schema: draft,
  title: 'A runbook task file',
  type: 'object',
  properties: {
    ...mapValues(properties(taskFileKeys), ({ items, ...rest }) =>
      items ? { ...rest, items: { $ref: `playbook.schema.json${(items as { $ref: string }).$ref}` } } : rest,
    ),
    params: declared,
  },
  required: ['tasks'],
  additionalProperties: false,
  $defs: { parameter },
}

const inventory: JsonSchema = {
  $schema: draft,
  title: 'A runbook inventory',
  type: 'object',
  additionalProperties: { $ref: '#/$defs/group' },
  $defs: {
    group: {
      type: ['object', 'null'],
      properties: {
        hosts: { type: ['object', 'null'], additionalProperties: { type: ['object', 'null'] } },
        children: { type: ['object', 'null'], additionalProperties: { $ref: '#/$defs/group' } },
        vars: { type: ['object', 'null'] },
      },
      additionalProperties: false,
    },
  },
}

const text = (schema: JsonSchema) => `${JSON.stringify(schema, null, 2)}\n`
