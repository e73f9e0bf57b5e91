// What an Ansible author may write where JavaScript is meant, and its JavaScript.

const methods: Readonly<Record<string, string>> = {
  append: '`[...x, y]`',
  count: '`x.filter(i => i === y).length`',
  endswith: '`x.endsWith(y)`',
  extend: '`[...x, ...y]`',
  format: 'a text in backquotes',
  get: '`x.name ?? y`',
  items: '`entries(x)`',
  keys: '`keys(x)`',
  lower: '`x.toLowerCase()`',
  lstrip: '`x.trimStart()`',
  push: '`[...x, y]`',
  rstrip: '`x.trimEnd()`',
  reverse: '`x.toReversed()`',
  sort: '`x.toSorted()`',
  splitlines: "`x.split('\\n')`",
  startswith: '`x.startsWith(y)`',
  strip: '`x.trim()`',
  update: '`{ ...x, ...y }`',
  upper: '`x.toUpperCase()`',
  values: '`values(x)`',
}

/** The likely fix of an expression that does not parse. */
export function pythonHint(text: string): string | undefined {
  const [, value, given] = /^\s*(.+?)\s*\|\s*default\(\s*([^,()]+)/s.exec(text) ?? []
  if (value !== undefined && !value.includes('|')) return `write \`${value} ?? ${given!.trim()}\``
  if (/\bis\s+(not\s+)?defined\b/.test(text)) return "write `typeof x !== 'undefined'`"
  if (/\bif\b.*\belse\b/s.test(text)) return 'write `condition ? a : b`'
  if (/\bnot\b|\band\b|\bor\b/.test(text)) return 'write `!x`, `a && b`, `a || b`'
  if (/\b(lookup|query)\(/.test(text)) return 'there are no lookups: give it with -e, or put it into group_vars/'
  if (/[^|]\|\s*\w+/.test(text)) return 'filters are functions here: `defaultTo(x, 1)`, `x.trim()`, `toJSON(x)`'
  if (/\bis\s+\w+/.test(text)) return 'tests are expressions here: `r.changed`, `r.rc === 0`'
  if (/\s~\s/.test(text)) return 'texts are joined by `+`'
  const method = [...text.matchAll(/\.(\w+)\(/g)].map((m) => m[1]!).find((name) => Object.hasOwn(methods, name))
  return method === undefined ? undefined : `write ${methods[method]}`
}

/** The same for a text with `<%= … %>`: of the one that holds the place. */
export function pythonHintAt(text: string, at: number): string | undefined {
  const holes = [...text.matchAll(/<%[=-]([\s\S]*?)%>/g)]
  const hole = holes.find((h) => at >= h.index && at <= h.index + h[0].length)
  return hole && pythonHint(hole[1]!)
}

/** The fix for `{{ … }}` and `{% … %}`. */
export function jinjaHint(statement: boolean, inner: string): string {
  if (statement) return 'statements belong into a template file, as EJS'
  const [, value, filter, rest] = /^([^|]+?)\s*\|\s*(\w+)(.*)$/s.exec(inner) ?? []
  if (filter === undefined) return `write \`<%= ${inner} %>\`, or \`<%= '{{' %>\` for literal braces`
  const given = /^\(\s*(.+?)\s*\)$/s.exec(rest ?? '')?.[1]
  if (filter === 'default' && given !== undefined) return `write \`<%= defaultTo(${value}, ${given}) %>\``
  return `filters are functions here: \`<%= toJSON(${value}) %>\`, \`<%= ${value}.trim() %>\``
}
