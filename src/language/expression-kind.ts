import type { Node } from 'acorn'
import type { Kind } from './playbook.ts'

// biome-ignore lint/suspicious/noExplicitAny: acorn's node union is too wide for one switch; each case reads what its type has
type Fields = Record<string, any> & { type: string }

const numeric = ['-', '*', '/', '%', '**']
const functions: Readonly<Record<string, Kind>> = {
  String: 'string',
  Number: 'number',
  Boolean: 'boolean',
  keys: 'array',
  values: 'array',
  entries: 'array',
  fromEntries: 'object',
  min: 'number',
  max: 'number',
  range: 'array',
  unique: 'array',
  dict2items: 'array',
  toJSON: 'string',
  base64: 'string',
  basename: 'string',
  dirname: 'string',
}

/** What an expression comes to whatever its names stand for; undefined where that can't be said. */
export function kindOf(node: Node): Kind | undefined {
  const n = node as Fields
  switch (n.type) {
    case 'Literal':
      return typeof n.value === 'string' || typeof n.value === 'number' || typeof n.value === 'boolean'
        ? (typeof n.value as Kind)
        : undefined
    case 'ParenthesizedExpression':
      return kindOf(n.expression)
    case 'TemplateLiteral':
      return 'string'
    case 'ArrayExpression':
      return 'array'
    case 'ObjectExpression':
      return 'object'
    case 'UnaryExpression':
      return n.operator === '!' ? 'boolean' : n.operator === 'typeof' ? 'string' : 'number'
    case 'BinaryExpression':
      return binaryKind(n)
    case 'LogicalExpression':
      return same(kindOf(n.left), kindOf(n.right))
    case 'ConditionalExpression':
      return same(kindOf(n.consequent), kindOf(n.alternate))
    case 'CallExpression':
      return n.callee.type === 'Identifier' && Object.hasOwn(functions, n.callee.name)
        ? functions[n.callee.name]
        : undefined
    default:
      return undefined
  }
}

function binaryKind({ operator, left, right }: Fields): Kind | undefined {
  if (operator === '+') {
    const kinds = [kindOf(left), kindOf(right)]
    if (kinds.includes('string')) return 'string'
    return same(...kinds) === 'number' ? 'number' : undefined
  }
  return numeric.includes(operator) ? 'number' : 'boolean'
}

function same(...kinds: readonly (Kind | undefined)[]): Kind | undefined {
  return kinds.every((k) => k === kinds[0]) ? kinds[0] : undefined
}
