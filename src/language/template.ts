import { readFileSync } from 'node:fs'
import ejs from 'ejs'
import { Unknown, UnknownValue } from '../unknown.ts'
import type { Source, Span } from './diagnostic.ts'
import type { Scope } from './expression.ts'
import { ValueError } from './playbook.ts'
import { globals } from './values.ts'

/** An EJS template file: statements, `<%= %>` and `<%- %>`, neither of which escapes anything. */
export interface Template {
  readonly source: Source
  /** @throws ValueError with the line, UnknownValue */
  readonly render: (scope: Scope) => string
}

const known = new Map<string, Template>()

/** @throws ValueError where it is no template. */
export function loadTemplate(path: string): Template {
  const found = known.get(path)
  if (found) return found
  const source: Source = { path, text: readFileSync(path, 'utf8') }
  const made = compileTemplate(source)
  known.set(path, made)
  return made
}

/** @throws ValueError where it is no template. */
export function compileTemplate(source: Source): Template {
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
    try {
      return run(namesOf(scope))
    } catch (e) {
      if (e instanceof UnknownValue || e instanceof ValueError) throw e
      throw broken(source, e as Error)
    }
  }
  return { source, render }
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
  return new ValueError({
    code: 'template',
    severity: 'error',
    message: message.replace(/^.*Error: /, ''),
    span: lineSpan(source, line),
  })
}

function lineSpan(source: Source, line: number): Span {
  const lines = source.text.split('\n')
  const start = lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0)
  return { source, start, end: start + Math.max(1, lines[line - 1]?.length ?? 1) }
}
