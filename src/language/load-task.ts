import { checkParams } from './check-params.ts'
import { compileConditions, compileExpression, compileValue, constantValue, spanWithin } from './compile.ts'
import { type Diagnostic, didYouMean } from './diagnostic.ts'
import { Fields } from './fields.ts'
import { hideSecrets, hideValues } from './hidden.ts'
import { isTemplated } from './interpolation.ts'
import type { Item, MapItem, ScalarItem } from './item.ts'
import { otherKey, otherModule, taskKeys, unsupported } from './keys.ts'
import { type ModuleSet, type ModuleSpec, moduleName } from './module-set.ts'
import { longestTimeout, type Task, type Value } from './playbook.ts'

type Report = (d: Diagnostic) => void
type Entry = MapItem['entries'][number]

/** Reads one task or handler; undefined when it names no module that there is. */
export function loadTask(item: Item, handler: boolean, modules: ModuleSet, report: Report): Task | undefined {
  if (item.kind !== 'map') {
    report({
      code: 'task',
      severity: 'error',
      message: 'a task is a mapping with a module as one of its keys',
      span: item.span,
    })
    return undefined
  }
  const f = new Fields(item, report)
  const entry = moduleEntry(f, handler, modules)
  const spec = entry && modules.get(moduleName(entry.key))
  const params = entry && spec ? loadParams(f, entry, spec) : new Map<string, Value>()
  const rest = loadRest(f, handler)
  if (!entry || !spec) return undefined
  if (params) checkParams(spec, params, entry.keySpan, report)
  if (rest.noLog) hideValues(entry.value)
  return {
    name: f.text('name') ?? spec.name,
    span: item.span,
    module: spec.name,
    params: params ?? new Map(),
    moduleSpan: entry.keySpan,
    ...rest,
  }
}

function loadRest(f: Fields, handler: boolean): Omit<Task, 'name' | 'span' | 'module' | 'params' | 'moduleSpan'> {
  return {
    when: f.conditions('when') ?? [],
    loop: loadLoop(f),
    register: loadRegister(f),
    notify: loadNotify(f),
    listen: handler ? f.texts('listen') : [],
    tags: f.texts('tags'),
    become: f.boolean('become'),
    becomeUser: f.value('become_user'),
    vars: f.variables('vars'),
    noLog: f.flag('no_log', false),
    ignoreErrors: f.boolean('ignore_errors'),
    changedWhen: f.conditions('changed_when'),
    failedWhen: f.conditions('failed_when'),
    until: f.conditions('until'),
    retries: loadNumber(f, 'retries'),
    delay: loadNumber(f, 'delay'),
    timeout: loadTimeout(f),
    affects: loadAffects(f),
    includes: [],
  }
}

function moduleEntry(f: Fields, handler: boolean, modules: ModuleSet): Entry | undefined {
  const found: Entry[] = []
  let wrong = false
  for (const entry of f.item.entries) {
    const { key, keySpan } = entry
    if (taskKeys.has(key) || (handler && key === 'listen')) continue
    if (modules.get(moduleName(key))) {
      found.push(entry)
      continue
    }
    wrong = true
    const other = otherKey(key, 'task')
    if (other !== undefined)
      f.error('unsupported', `\`${key}\` of a task ${unsupported(other)}`, keySpan, other || undefined)
    else reportUnknown(f, entry, [...taskKeys, ...modules.names()])
  }
  const second = found[1]
  if (second)
    f.error(
      'task',
      `a task runs one module: \`${found[0]!.key}\` and \`${second.key}\` are two`,
      second.keySpan,
      'make two tasks of it',
    )
  if (found.length === 0 && !wrong)
    f.error('task', 'the task names no module', f.item.entries[0]?.keySpan ?? f.item.span)
  return found[0]
}

function reportUnknown(f: Fields, { key, keySpan }: Entry, known: readonly string[]): void {
  const near = didYouMean(moduleName(key), known)
  const hint =
    otherModule(moduleName(key)) ??
    (near === undefined ? '`runbook modules` lists what there is' : `did you mean \`${near}\`?`)
  f.error('unknown-module', `there is no module or task keyword \`${key}\``, keySpan, hint)
}

/** Undefined where they have no shape to look into. */
function loadParams(f: Fields, entry: Entry, spec: ModuleSpec): Map<string, Value> | undefined {
  const params = new Map<string, Value>()
  const item = entry.value
  const args = f.get('args')
  if (item.kind === 'map') addParams(params, item, spec, f)
  else if (item.kind === 'list' || item.value !== null) {
    const { freeForm } = spec.params
    if (freeForm !== undefined && item.kind === 'scalar') {
      reportInlineParam(item, spec, f)
      params.set(freeForm, compileParam(item, freeForm, spec, f))
    } else {
      const secret = Object.values(spec.params.properties).some((schema) => schema.secret)
      if (secret) hideValues(item)
      const hint = secret ? 'write each on a line of its own: `name: value`' : oneLineHint(item)
      f.error('params', `\`${entry.key}\` takes a mapping of its parameters`, item.span, hint)
      return undefined
    }
  }
  if (args?.kind === 'map') addParams(params, args, spec, f)
  else if (args) f.error('type', '`args` is a mapping of parameters', args.span)
  return params
}

/** Ansible takes `creates=…` out of a command's text; here it would be an argument of the command. */
function reportInlineParam(item: ScalarItem, spec: ModuleSpec, f: Fields): void {
  if (!Object.hasOwn(spec.params.properties, 'creates')) return
  const found = /(?:^|\s)((chdir|creates|removes|executable|stdin)=\S+)/.exec(String(item.value))
  if (!found) return
  const at = found.index + found[0].length - found[1]!.length
  const [name, value] = [found[2]!, found[1]!.slice(found[2]!.length + 1)]
  f.error(
    'params',
    `\`${name}=\` inside the text is no parameter here`,
    spanWithin(item, at, at + found[1]!.length),
    `write \`args: { ${name}: ${value} }\`; if the command is to get it, put the text under \`cmd:\``,
  )
}

function oneLineHint(item: Item): string | undefined {
  const found = item.kind === 'scalar' && /^(\w+)=((?:\{\{.*?\}\}|\S)+)/.exec(String(item.value))
  if (!found) return undefined
  const value = found[2]!.replace(/\{\{\s*(.*?)\s*\}\}/g, '<%= $1 %>')
  return `write each on a line of its own: \`${found[1]}: ${value}\``
}

function addParams(params: Map<string, Value>, item: MapItem, spec: ModuleSpec, f: Fields): void {
  for (const { key, keySpan, value } of item.entries) {
    if (isTemplated(key)) {
      f.error('params', 'the name of a parameter is plain text', keySpan)
      continue
    }
    const name = spec.params.additionalProperties ? key : canonical(key, spec)
    if (spec.params.additionalProperties && !/^[A-Za-z_]\w*$/.test(key)) {
      f.error('variable-name', `\`${key}\` is no name of a variable: letters, digits and _ only`, keySpan)
      continue
    }
    if (name === undefined) {
      const near = didYouMean(key, Object.keys(spec.params.properties))
      hideSecrets(near ?? key, value, spec.params.properties[near ?? ''])
      f.error(
        'unknown-param',
        `\`${spec.name}\` has no parameter \`${key}\``,
        keySpan,
        near && `did you mean \`${near}\`?`,
      )
    } else if (
      spec.params.additionalProperties &&
      !Object.hasOwn(spec.params.properties, name) &&
      !f.isName(name, keySpan)
    )
      continue
    else if (params.has(name)) f.error('params', `\`${name}\` is given twice`, keySpan)
    else if (value.kind !== 'scalar' || value.value !== null) params.set(name, compileParam(value, name, spec, f))
  }
}

function compileParam(item: Item, name: string, spec: ModuleSpec, f: Fields): Value {
  const schema = Object.hasOwn(spec.params.properties, name) ? spec.params.properties[name]! : {}
  if (schema.condition) return compileConditions(item, f.report)
  return schema.expression ? compileExpression(item, name, f.report) : compileValue(item, f.report)
}

function canonical(key: string, { params: { properties } }: ModuleSpec): string | undefined {
  if (Object.hasOwn(properties, key)) return key
  return Object.keys(properties).find((name) => properties[name]!.aliases?.includes(key))
}

function loadRegister(f: Fields): string | undefined {
  const name = f.text('register')
  if (name === undefined) return undefined
  return f.isName(name, f.get('register')!.span) ? name : undefined
}

function loadLoop(f: Fields): Value | undefined {
  const value = f.value('loop')
  if (!value?.constant || value.item?.kind === 'list') return value
  const name = String(value.evaluate({}))
  const hint = value.item?.kind === 'map' ? 'for a mapping: `<%= dict2items(x) %>`' : `a variable: \`<%= ${name} %>\``
  f.error('type', '`loop` is a list', value.span, hint)
  return undefined
}

function loadNotify(f: Fields): Value[] {
  const item = f.get('notify')
  if (!item) return []
  return (item.kind === 'list' ? item.items : [item]).map((i) => compileValue(i, f.report))
}

function loadTimeout(f: Fields): number | undefined {
  const item = f.get('timeout')
  if (!item) return undefined
  const seconds = item.kind === 'scalar' && typeof item.value === 'number' ? item.value : 0
  if (seconds > 0 && seconds <= longestTimeout) return seconds
  f.error('type', `\`timeout\` is a number of seconds, more than 0 and at most ${longestTimeout}`, item.span)
  return undefined
}

function loadNumber(f: Fields, key: string): Value | undefined {
  const value = f.value(key)
  if (!value?.constant) return value
  const data = value.evaluate({})
  if (typeof data === 'number' && data >= 0 && (key === 'delay' || Number.isInteger(data))) return value
  f.error('type', `\`${key}\` is a number, 0 or more`, value.span)
  return undefined
}

const affectKeys = ['path', 'unit', 'package', 'user']

function loadAffects(f: Fields): Value | undefined {
  const item = f.get('affects')
  if (!item) return undefined
  const value = compileValue(item, f.report)
  if (!value.constant) return value
  const data = value.evaluate({})
  const good = (v: unknown) =>
    typeof v === 'string'
      ? v.startsWith('/')
      : v !== null && typeof v === 'object' && Object.keys(v).length === 1 && affectKeys.includes(Object.keys(v)[0]!)
  if (data === 'nothing' || (Array.isArray(data) && data.every(good))) return value
  f.error(
    'affects',
    '`affects` is `nothing`, or a list of absolute paths and of mappings with one of path, unit, package, user',
    item.span,
  )
  return constantValue(item)
}
