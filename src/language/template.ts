import { parse } from 'acorn'
import ejs from 'ejs'
import { Unknown, UnknownValue } from '../unknown.ts'
import type { Diagnostic, Source, Span } from './diagnostic.ts'
import type { Scope } from './expression.ts'
import { freeNames } from './free-names.ts'
import { ValueError } from './playbook.ts'
import { readSource } from './source.ts'
import { globals } from './values.ts'

/** An EJS template file: statements, `<%= %>` and `<%- %>`, neither of which escapes anything. */
export interface Template {
  readonly source: Source
  /** Names that it takes from outside, each with the place of its first use. */
  readonly names: ReadonlyMap<string, Span>
  /** @throws ValueError with the line, UnknownValue */
  readonly render: (scope: Scope) => string
}

const known = new Map<string, Template>()

/** @throws ValueError where it is no template. */
export function loadTemplate(path: string): Template {
  const found = known.get(path)
  if (found) return found
  const source = readSource(path, (d) => {
    throw new ValueError(d)
  })
  const made = compileTemplate(source!)
  known.set(path, made)
  return made
}

/** @throws ValueError where it is no template. */
export function compileTemplate(source: Source): Template {
  const names = namesIn(source)
  let run: (scope: object) => string
  try {
    run = ejs.compile(source.text, {
      escape: (v: unknown) => textOf(v),
      async: false,
      compileDebug: true,
      filename: source.path,
      // a scope's names stand on its prototypes, and the last of those is null
      unsafePrototypeLocals: true,
      includer: () => {
        throw new Error('a template has no includes')
      },
    } as ejs.Options) as (scope: object) => string
  } catch (e) {
    throw broken(source, e as Error)
  }
  const render = (scope: Scope) => {
    for (const [name, span] of names)
      if (!name.startsWith('facts.') && !(name in scope) && !Object.hasOwn(globals, name))
        throw new ValueError(error('undefined-variable', `the variable \`${name}\` is not defined`, span))
    try {
      return run(namesOf(scope))
    } catch (e) {
      if (e instanceof UnknownValue || e instanceof ValueError) throw e
      throw broken(source, e as Error)
    }
  }
  return { source, names, render }
}

/** Of JavaScript's own names, those that give the same everywhere and always. */
const pure = new Set(
  'undefined NaN Infinity Array BigInt Boolean Error JSON Map Math Number Object RegExp Set String decodeURIComponent encodeURI encodeURIComponent isFinite isNaN locals parseFloat parseInt'.split(
    ' ',
  ),
)

/** @throws ValueError with the place of what is no JavaScript. */
function namesIn(source: Source): Map<string, Span> {
  const jinja = /\{\{-?\s*[A-Za-z_][^}<]*\}\}|\{%-?\s*(if|for|set|else|endif|endfor|include|block)\b[^%]*%\}/.exec(
    source.text,
  )
  if (jinja && !source.text.includes('<%'))
    throw new ValueError({
      ...error('jinja', 'this is a Jinja template; templates are EJS here', at(source, jinja.index, jinja[0].length)),
      hint: 'write `<%= x %>` for `{{ x }}`, `<% if (x) { %>` … `<% } %>` for `{% if x %}` … `{% endif %}`',
    })
  const names = new Map<string, Span>()
  try {
    for (const { name, start, end } of freeNames(parse(scriptOf(source), { ecmaVersion: 2022 })))
      if (!pure.has(name) && !names.has(name)) names.set(name, { source, start, end })
  } catch (e) {
    if (!(e instanceof SyntaxError)) throw e
    const start = Math.min((e as { pos?: number }).pos ?? 0, Math.max(0, source.text.length - 1))
    throw new ValueError(error('template', e.message.replace(/ \(\d+:\d+\)$/, ''), at(source, start, 1)))
  }
  return names
}

/** The template's JavaScript, every character of it where it is in the template.
 * @throws ValueError for a tag that is not closed. */
function scriptOf(source: Source): string {
  const { text } = source
  const script = text.replace(/[^\n]/g, ' ').split('')
  const put = (from: number, code: string) => {
    for (let i = 0; i < code.length; i++) script[from + i] = code[i]!
  }
  const tag = /<%%|%%>|<%([=#_-]?)/g
  for (let m = tag.exec(text); m; m = tag.exec(text)) {
    if (m[1] === undefined) continue
    const close = text.indexOf('%>', tag.lastIndex)
    if (close === -1) throw new ValueError(error('template', '`<%` has no `%>`', at(source, m.index, m[0].length)))
    const shows = m[1] === '=' || m[1] === '-'
    const inner = text.slice(tag.lastIndex, close).replace(/[_-]$/, ' ')
    tag.lastIndex = close + 2
    if (m[1] === '#') continue
    if (shows) put(m.index, ' ;(')
    put(m.index + m[0].length, shows ? inner.replace(/;(\s*)$/, ' $1') : inner)
    put(close, shows ? ');' : '; ')
  }
  return script.join('')
}

/** EJS looks names up by `with`: a proxy answers for all of them, so that one that is missing is an error of ours. */
function namesOf(scope: Scope): object {
  return new Proxy(scope, {
    has: (_, name) => typeof name === 'string' && (name in scope || Object.hasOwn(globals, name)),
    get: (_, name) => {
      if (typeof name !== 'string') return undefined
      if (!(name in scope)) return globals[name]
      const value = scope[name]
      if (value instanceof Unknown) throw new UnknownValue(value.because)
      return value
    },
  })
}

function textOf(value: unknown): string {
  if (value instanceof Unknown) throw new UnknownValue(value.because)
  if (value === undefined || value === null) throw new TypeError(`${value} cannot stand inside text: write \`… ?? ''\``)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** EJS says `path:line` and quotes the lines around it, the message stands last. */
function broken(source: Source, e: Error): ValueError {
  const line = Number(/:(\d+)\n/.exec(e.message)?.[1] ?? 1)
  const message = e.message.trim().split('\n').pop() ?? e.message
  return new ValueError(error('template', message.replace(/^.*Error: /, ''), lineSpan(source, line)))
}

function error(code: string, message: string, span: Span): Diagnostic {
  return { code, severity: 'error', message, span }
}

function at(source: Source, start: number, length: number): Span {
  return { source, start, end: start + length }
}

function lineSpan(source: Source, line: number): Span {
  const lines = source.text.split('\n')
  const start = lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0)
  return at(source, start, Math.max(1, lines[line - 1]?.length ?? 1))
}
