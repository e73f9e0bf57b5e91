import type { Node } from 'acorn'

/** A use of a name that nothing around it declares, with its offsets. */
export interface FreeName {
  readonly name: string
  readonly start: number
  readonly end: number
}

// biome-ignore lint/suspicious/noExplicitAny: acorn's node union is too wide for one walk; each case reads what its type has
type Fields = Record<string, any> & { type: string; start: number; end: number }

/** The free names of a program of any JavaScript. A fact by its name is one of them: `facts.kernel`. A name that is only
 * asked for by `typeof` may be missing. */
export function freeNames(program: Node): FreeName[] {
  const found: FreeName[] = []
  const optional = new Set<string>()
  walk(program as Fields, new Set(), found, optional)
  return found.filter((f) => !optional.has(f.name))
}

function walk(n: Fields, bound: ReadonlySet<string>, found: FreeName[], optional: Set<string>): void {
  const sub = (child: Fields | null | undefined, names = bound) => child && walk(child, names, found, optional)
  const all = (nodes: readonly Fields[], names = bound) => {
    for (const child of nodes) sub(child, names)
  }
  switch (n.type) {
    case 'Identifier':
      if (!bound.has(n.name)) found.push({ name: n.name, start: n.start, end: n.end })
      return
    case 'UnaryExpression':
      if (n.operator === 'typeof' && n.argument.type === 'Identifier') optional.add(n.argument.name)
      sub(n.argument)
      return
    case 'MemberExpression': {
      const { object, property, computed } = n
      if (object.type === 'Identifier' && object.name === 'facts' && !bound.has('facts') && !computed)
        found.push({ name: `facts.${property.name}`, start: property.start, end: property.end })
      sub(object)
      if (computed) sub(property)
      return
    }
    case 'Property':
    case 'MethodDefinition':
    case 'PropertyDefinition':
      if (n.computed) sub(n.key)
      sub(n.value)
      return
    case 'LabeledStatement':
      sub(n.body)
      return
    case 'BreakStatement':
    case 'ContinueStatement':
      return
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression': {
      const inner = new Set([...bound, 'arguments', ...(n.id ? [n.id.name] : []), ...n.params.flatMap(patternNames)])
      for (const name of declared(n.body)) inner.add(name)
      all([...n.params, n.body], inner)
      return
    }
    case 'CatchClause': {
      const inner = new Set([...bound, ...(n.param ? patternNames(n.param) : [])])
      sub(n.body, inner)
      return
    }
    case 'Program':
      all(n.body, new Set([...bound, ...declared(n)]))
      return
    default:
      all(childrenOf(n))
  }
}

function childrenOf(n: Fields): Fields[] {
  return Object.values(n)
    .flat()
    .filter((c): c is Fields => c !== null && typeof c === 'object' && typeof c.type === 'string')
}

/** What a function's body declares, in any of its blocks: which of them is not told apart. */
function declared(n: Fields): string[] {
  if (n.type === 'FunctionDeclaration' || n.type === 'ClassDeclaration') return n.id ? [n.id.name] : []
  if (n.type === 'FunctionExpression' || n.type === 'ArrowFunctionExpression') return []
  const own = n.type === 'VariableDeclarator' ? patternNames(n.id) : []
  return [...own, ...childrenOf(n).flatMap(declared)]
}

function patternNames(n: Fields): string[] {
  switch (n.type) {
    case 'Identifier':
      return [n.name]
    case 'AssignmentPattern':
      return patternNames(n.left)
    case 'RestElement':
      return patternNames(n.argument)
    case 'ArrayPattern':
      return (n.elements as (Fields | null)[]).flatMap((e) => (e ? patternNames(e) : []))
    case 'ObjectPattern':
      return (n.properties as Fields[]).flatMap((p) => patternNames(p.type === 'Property' ? p.value : p))
    default:
      return []
  }
}
