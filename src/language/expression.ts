import { type Expression as AcornExpression, type Node, parseExpressionAt } from 'acorn'
import { Unknown, UnknownValue } from '../unknown.ts'
import { kindOf } from './expression-kind.ts'
import { type Kind, ValueError } from './playbook.ts'
import { callMethod, globals, isMethod, longest, memberOf } from './values.ts'

/** Values by name, as an expression sees them: own properties (getters too), then those of its prototypes. A name that is
 * missing is an error, never `undefined`. */
export type Scope = Readonly<Record<string, unknown>>

/** A parsed expression: its free names with their offsets, and a function from scope to value. */
export interface Expression {
  readonly source: string
  /** Free names, each with the offsets of its first use; a fact by its name is one of them
   * (`facts.kernel`), and so is what may be missing (`typeof x`). */
  readonly names: ReadonlyMap<string, { readonly start: number; readonly end: number }>
  /** What it comes to, as far as its text tells. */
  readonly kind: Kind | undefined
  /** @throws ExpressionError where the value can't be had, UnknownValue where it arises only during apply. */
  readonly evaluate: (scope: Scope) => unknown
}

/** An expression that is wrong, or went wrong; offsets are within its source. */
export class ExpressionError extends Error {
  readonly start: number
  readonly end: number
  constructor(message: string, start: number, end: number) {
    super(message)
    this.start = start
    this.end = end
  }
}

type Evaluator = (scope: Scope) => unknown
// biome-ignore lint/suspicious/noExplicitAny: acorn's node union is too wide for one switch; each case reads what its type has
type Fields = Record<string, any> & { type: string; start: number; end: number }
type Names = Map<string, { start: number; end: number }>

/** Parses one JavaScript expression of the allowed kind; the whole string has to be one.
 * @throws ExpressionError with the place of what is not allowed. */
export function parseExpression(source: string): Expression {
  if (source.length > longestSource) throw new ExpressionError('the expression is too long', 0, source.length)
  let node: AcornExpression
  try {
    node = parseExpressionAt(source, 0, { ecmaVersion: 2022 })
  } catch (e) {
    const at = Math.min((e as { pos?: number }).pos ?? 0, source.length)
    const message = (e as Error).message.replace(/ \(\d+:\d+\)$/, '')
    throw new ExpressionError(message === 'Assigning to rvalue' ? assigns : message, at, at + 1)
  }
  const rest = /\S/.exec(source.slice(node.end))
  if (rest) {
    const at = node.end + rest.index
    throw new ExpressionError(
      `unexpected \`${source.slice(at, at + 10).trim()}\` after the expression`,
      at,
      source.length,
    )
  }
  const names: Names = new Map()
  try {
    return { source, names, kind: kindOf(node), evaluate: bounded(compile(node, new Set(), names)) }
  } catch (e) {
    if (e instanceof RangeError) throw new ExpressionError('the expression is nested too deeply', 0, source.length)
    throw e
  }
}

const longestSource = 20_000
const assigns = '`=` assigns, which an expression does not: compare by `===`'

// biome-ignore-start lint/suspicious/noDoubleEquals: the author wrote it, as in any JavaScript
const binary: Record<string, (a: never, b: never) => unknown> = {
  '==': (a, b) => a == b,
  '!=': (a, b) => a != b,
  // biome-ignore-end lint/suspicious/noDoubleEquals: see above
  '===': (a, b) => a === b,
  '!==': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => a / b,
  '%': (a: number, b: number) => a % b,
  '**': (a: number, b: number) => a ** b,
  in: (a: never, b: unknown) => contains(a, b),
}

const unary: Record<string, (a: never) => unknown> = {
  '!': (a) => !a,
  '-': (a: number) => -a,
  '+': (a) => +a,
  typeof: (a) => typeof a,
}

/** `in` as a playbook's author means it: an element of a list, a part of a string, a key of a mapping. */
function contains(needle: unknown, hay: unknown): boolean {
  if (Array.isArray(hay)) return hay.includes(needle)
  if (typeof hay === 'string') return hay.includes(String(needle))
  if (hay !== null && typeof hay === 'object') return Object.hasOwn(hay, String(needle))
  throw new TypeError('the right side of `in` is no list, string or mapping')
}

function compile(node: Node, bound: ReadonlySet<string>, names: Names): Evaluator {
  const n = node as Fields
  const sub = (child: Node) => compile(child, bound, names)
  const guarded = (run: Evaluator): Evaluator => guard(run, n)
  switch (n.type) {
    case 'Literal':
      if (n.regex) return pattern(n)
      if (typeof n.value === 'bigint') throw notAllowed(n, 'a number with `n` behind it')
      return constant(n.value)
    case 'ParenthesizedExpression':
      return sub(n.expression)
    case 'ChainExpression': {
      const inner = sub(n.expression)
      return (scope) => {
        const value = inner(scope)
        return value === shortCircuit ? undefined : value
      }
    }
    case 'Identifier':
      return identifier(n, bound, names)
    case 'TemplateLiteral': {
      const quasis = (n.quasis as { value: { cooked: string } }[]).map((q) => q.value.cooked)
      const parts = (n.expressions as Node[]).map(sub)
      return (scope) => quasis.map((q, i) => q + (i < parts.length ? String(parts[i]!(scope)) : '')).join('')
    }
    case 'ArrayExpression': {
      const elements = (n.elements as (Node | null)[]).map((e) => element(e, n, sub))
      return guarded((scope) => bounds(elements.flatMap((e) => e(scope))))
    }
    case 'ObjectExpression':
      return objectLiteral(n, sub)
    case 'UnaryExpression': {
      const operate = unary[n.operator as string]
      if (!operate) throw notAllowed(n, `the operator \`${n.operator}\``)
      if (n.operator === 'typeof' && n.argument.type === 'Identifier' && !bound.has(n.argument.name))
        return typeOf(n.argument, names)
      const argument = sub(n.argument)
      return guarded((scope) => operate(argument(scope) as never))
    }
    case 'BinaryExpression': {
      const operate = binary[n.operator as string]
      if (!operate) throw notAllowed(n, `the operator \`${n.operator}\``)
      const [left, right] = [sub(n.left), sub(n.right)]
      return guarded((scope) => operate(left(scope) as never, right(scope) as never))
    }
    case 'LogicalExpression': {
      const [left, right] = [sub(n.left), sub(n.right)]
      if (n.operator === '&&') return (scope) => left(scope) && right(scope)
      if (n.operator === '||') return (scope) => left(scope) || right(scope)
      return (scope) => left(scope) ?? right(scope)
    }
    case 'ConditionalExpression': {
      const [condition, yes, no] = [sub(n.test), sub(n.consequent), sub(n.alternate)]
      return (scope) => (condition(scope) ? yes(scope) : no(scope))
    }
    case 'MemberExpression':
      noteFact(n, bound, names)
      return member(n, sub)
    case 'CallExpression':
      return call(n, sub)
    case 'ArrowFunctionExpression':
      return arrow(n, bound, names)
    case 'AssignmentExpression':
      throw new ExpressionError(assigns, n.start, n.end)
    default:
      throw notAllowed(n, kinds[n.type] ?? n.type)
  }
}

const kinds: Readonly<Record<string, string>> = {
  AwaitExpression: '`await`',
  FunctionExpression: 'a `function`',
  ClassExpression: 'a class',
  ImportExpression: '`import`',
  MetaProperty: '`import.meta`',
  NewExpression: '`new`',
  SequenceExpression: 'a comma between expressions',
  TaggedTemplateExpression: 'a tagged template',
  ThisExpression: '`this`',
  UpdateExpression: '`++` or `--`',
  YieldExpression: '`yield`',
}

const shortCircuit = Symbol('?.')

function constant(value: unknown): Evaluator {
  return () => value
}

/** A new one each time: a pattern with `g` remembers where it was. */
function pattern(n: Fields): Evaluator {
  if (!(n.value instanceof RegExp)) throw notAllowed(n, 'this pattern')
  const { source, flags } = n.value
  return () => new RegExp(source, flags)
}

function notAllowed(n: { start: number; end: number }, what: string): ExpressionError {
  return new ExpressionError(`${what} is not allowed in an expression`, n.start, n.end)
}

/** An error inside gets this node's place, unless it has one already. */
function guard(run: Evaluator, n: { start: number; end: number }): Evaluator {
  return (scope) => {
    try {
      return known(run(scope))
    } catch (e) {
      if (e instanceof ExpressionError || e instanceof UnknownValue || e instanceof ValueError) throw e
      throw new ExpressionError((e as Error).message, n.start, n.end)
    }
  }
}

function known(value: unknown): unknown {
  if (value instanceof Unknown) throw new UnknownValue(value.because)
  return value
}

function identifier(n: Fields, bound: ReadonlySet<string>, names: Names): Evaluator {
  const name = n.name as string
  if (name === 'undefined') return constant(undefined)
  if (!bound.has(name) && !names.has(name)) names.set(name, { start: n.start, end: n.end })
  return (scope) => {
    const owner = ownerOf(scope, name)
    if (!owner) throw new ExpressionError(`\`${name}\` is not defined`, n.start, n.end)
    return known(owner[name])
  }
}

/** A name that `typeof` asks for may be missing: it is noted as `typeof NAME`. */
function typeOf(n: Fields, names: Names): Evaluator {
  const name = n.name as string
  if (!names.has(`typeof ${name}`)) names.set(`typeof ${name}`, { start: n.start, end: n.end })
  return (scope) => typeof known(ownerOf(scope, name)?.[name])
}

/** Scopes nest by prototype, so that values made on demand are not all made when a function's parameters are added. */
function ownerOf(scope: Scope, name: string): Scope | undefined {
  for (let s: Scope | null = scope; s && s !== Object.prototype; s = Object.getPrototypeOf(s)) {
    if (Object.hasOwn(s, name)) return s
  }
  return undefined
}

function bounds(list: unknown[]): unknown[] {
  if (list.length > longest) throw new RangeError('a list of more than 1,000,000 elements')
  return list
}

function element(e: Node | null, list: Fields, sub: (n: Node) => Evaluator): (scope: Scope) => unknown[] {
  if (!e) throw notAllowed(list, 'a hole in a list')
  if (e.type !== 'SpreadElement') {
    const value = sub(e)
    return (scope) => [value(scope)]
  }
  const spread = sub((e as never as { argument: Node }).argument)
  return (scope) => {
    const value = spread(scope)
    if (!Array.isArray(value)) throw new ExpressionError('only a list can be spread into a list', e.start, e.end)
    return value
  }
}

/** Own properties as descriptors: assigning one named `__proto__` would not make a key of it. */
function copies(value: unknown): PropertyDescriptorMap {
  const entries = value !== null && typeof value === 'object' ? Object.entries(value) : []
  return Object.fromEntries(
    entries.map(([k, v]) => [k, { value: v, enumerable: true, configurable: true, writable: true }]),
  )
}

function objectLiteral(n: Fields, sub: (n: Node) => Evaluator): Evaluator {
  const parts = (n.properties as Fields[]).map((p): ((scope: Scope, into: Record<string, unknown>) => void) => {
    if (p.type === 'SpreadElement') {
      const value = sub(p.argument)
      return (scope, into) => void Object.defineProperties(into, copies(value(scope)))
    }
    if (p.kind !== 'init' || p.method) throw notAllowed(p, 'a method')
    const key = p.key as Fields
    const name = p.computed ? sub(key) : constant(key.type === 'Identifier' ? key.name : String(key.value))
    const value = sub(p.value)
    return (scope, into) => {
      Object.defineProperty(into, String(name(scope)), {
        value: value(scope),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
  })
  return (scope) => {
    const into = {}
    for (const part of parts) part(scope, into)
    return into
  }
}

/** `facts.kernel` is a name of its own: which facts there are is known before any host is. */
function noteFact({ object, property, computed }: Fields, bound: ReadonlySet<string>, names: Names): void {
  if (object.type !== 'Identifier' || object.name !== 'facts' || bound.has('facts')) return
  if (computed && typeof property.value !== 'string') return
  const name = `facts.${computed ? property.value : property.name}`
  if (!names.has(name)) names.set(name, { start: property.start, end: property.end })
}

function member(n: Fields, sub: (n: Node) => Evaluator): Evaluator {
  const object = sub(n.object)
  const key = n.computed ? sub(n.property) : constant((n.property as Fields).name)
  return guard((scope) => {
    const target = object(scope)
    if (target === shortCircuit || (n.optional && (target === undefined || target === null))) return shortCircuit
    return memberOf(target, key(scope))
  }, n)
}

function call(n: Fields, sub: (n: Node) => Evaluator): Evaluator {
  const callee = n.callee as Fields
  const args = (n.arguments as Node[]).map((a) => element(a, n, sub))
  const values = (scope: Scope) => args.flatMap((a) => a(scope))
  if (callee.type === 'Identifier') {
    const name = callee.name as string
    if (!Object.hasOwn(globals, name)) {
      throw new ExpressionError(`\`${name}\` is no function that an expression has`, callee.start, callee.end)
    }
    return guard((scope) => globals[name]!(...values(scope)), n)
  }
  if (callee.type !== 'MemberExpression') throw notAllowed(n, 'calling this')
  const object = sub(callee.object)
  const property = callee.property as Fields
  if (!callee.computed && !isMethod(property.name))
    throw new ExpressionError(`no value has a method \`${property.name}\``, property.start, property.end)
  const key = callee.computed ? sub(property) : constant(property.name)
  return guard((scope) => {
    const target = object(scope)
    if (target === shortCircuit || (callee.optional && (target === undefined || target === null))) return shortCircuit
    return callMethod(target, String(key(scope)), values(scope))
  }, n)
}

function arrow(n: Fields, bound: ReadonlySet<string>, names: Names): Evaluator {
  const params = (n.params as Fields[]).map((p) => {
    if (p.type !== 'Identifier') throw notAllowed(p, 'a parameter that is no plain name')
    return p.name as string
  })
  if ((n.body as Fields).type === 'BlockStatement' || n.async) throw notAllowed(n, 'a function with a body')
  const body = compile(n.body, new Set([...bound, ...params]), names)
  return (scope) =>
    (...args: unknown[]) => {
      if (++calls > mostCalls) throw new ExpressionError('this takes too long', n.start, n.end)
      // defined, not assigned: below may be a getter of the same name
      return body(Object.create(scope, copies(Object.fromEntries(params.map((p, i) => [p, args[i]])))) as Scope)
    }
}

/** Functions called since the outermost evaluation began: loops in loops grow out of hand without meaning to. */
let calls = 0
let depth = 0
const mostCalls = 5_000_000

function bounded(evaluate: Evaluator): Evaluator {
  return (scope) => {
    if (depth === 0) calls = 0
    depth += 1
    try {
      return evaluate(scope)
    } finally {
      depth -= 1
    }
  }
}
