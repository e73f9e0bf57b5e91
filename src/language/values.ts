// What an expression can reach: own members of plain data, a fixed list of pure methods, and a few pure functions.
// Nothing here reads a clock, the process, randomness or a prototype, so an expression has nothing to escape to.

export const methods: Record<'string' | 'list' | 'number', ReadonlySet<string>> = {
  string: new Set(
    'at charAt concat endsWith includes indexOf lastIndexOf match padEnd padStart repeat replace replaceAll slice split startsWith substring toLowerCase toUpperCase trim trimEnd trimStart'.split(
      ' ',
    ),
  ),
  list: new Set(
    'at concat every filter find findIndex flat flatMap includes indexOf join lastIndexOf map reduce slice some toReversed toSorted'.split(
      ' ',
    ),
  ),
  number: new Set(['toFixed', 'toString']),
}

/** Whether any value has a method of that name. */
export function isMethod(name: string): boolean {
  return name === 'test' || Object.values(methods).some((of) => of.has(name))
}

export const longest = 1_000_000

/** The pure functions that every expression has. */
export const globals: Readonly<Record<string, (...args: unknown[]) => unknown>> = {
  String: (v) => String(v),
  Number: (v) => Number(v),
  Boolean: (v) => Boolean(v),
  keys: (v) => Object.keys(mapping(v)),
  values: (v) => Object.values(mapping(v)),
  entries: (v) => Object.entries(mapping(v)),
  fromEntries: (v) => Object.fromEntries(v as [string, unknown][]),
  min: (...v) => Math.min(...(v.flat() as number[])),
  max: (...v) => Math.max(...(v.flat() as number[])),
  /** As in Python: from the first up to the second, which is not in it; with one, from 0. */
  range: (first, second) => {
    const [from, to] = second === undefined ? [0, Number(first)] : [Number(first), Number(second)]
    const length = Math.max(0, to - from)
    if (!(length <= longest)) throw new RangeError('a range is of whole numbers, and of at most 1,000,000')
    return Array.from({ length }, (_, i) => from + i)
  },
  toJSON: (v, indent) => JSON.stringify(v, null, indent === undefined ? undefined : Number(indent)),
  fromJSON: (v) => JSON.parse(String(v)),
  base64: (v) => Buffer.from(String(v), 'utf8').toString('base64'),
  basename: (v) => String(v).replace(/\/+$/, '').split('/').pop() ?? '',
  dirname: (v) =>
    String(v)
      .replace(/\/+$/, '')
      .replace(/\/?[^/]*$/, '') || (String(v).startsWith('/') ? '/' : '.'),
  unique: (v) => [...new Set(listed(v))],
  /** As Ansible's filter of that name: a mapping as a list of `{ key, value }`, for a loop. */
  dict2items: (v) => Object.entries(mapping(v)).map(([key, value]) => ({ key, value })),
  /** As Ansible's `default` filter: the second value where the first is undefined or null. */
  defaultTo: (v, otherwise) => v ?? otherwise,
}

function listed(v: unknown): unknown[] {
  if (!Array.isArray(v)) throw new TypeError(`a list is needed here, not ${describe(v)}`)
  return v
}

function mapping(v: unknown): object {
  if (v === null || typeof v !== 'object') throw new TypeError(`a mapping is needed here, not ${describe(v)}`)
  return v
}

/** What a value is, in a word an author knows. */
export function describe(v: unknown): string {
  if (v === null) return 'null'
  if (Array.isArray(v)) return 'a list'
  if (v instanceof RegExp) return 'a pattern'
  return (
    { object: 'a mapping', string: 'a string', number: 'a number', boolean: 'a boolean', function: 'a function' }[
      typeof v as string
    ] ?? String(v)
  )
}

/** A member of plain data: an own key of a mapping, an index or `length` of a list or string; otherwise undefined.
 * @throws TypeError for a member of what is undefined or null. */
export function memberOf(target: unknown, key: unknown): unknown {
  if (target === undefined || target === null)
    throw new TypeError(`\`${String(key)}\` is asked of ${target === null ? 'null' : 'an undefined value'}`)
  if (typeof target === 'string')
    return key === 'length' || /^\d+$/.test(String(key)) ? target[key as never] : undefined
  if (typeof target !== 'object') return undefined
  return Object.hasOwn(target, String(key)) ? (target as Record<string, unknown>)[String(key)] : undefined
}

/** Calls one of the allowed methods.
 * @throws TypeError where the value has no such method. */
export function callMethod(target: unknown, name: string, args: unknown[]): unknown {
  const kind =
    typeof target === 'string'
      ? 'string'
      : Array.isArray(target)
        ? 'list'
        : typeof target === 'number'
          ? 'number'
          : undefined
  if (target instanceof RegExp && name === 'test') return target.test(String(args[0]))
  if (kind === undefined || !methods[kind].has(name))
    throw new TypeError(`${describe(target)} has no method \`${name}\` that an expression may call`)
  if (
    (name === 'repeat' || name === 'padEnd' || name === 'padStart') &&
    !(Number(args[0]) * (name === 'repeat' ? (target as string).length : 1) <= longest)
  ) {
    throw new RangeError(`\`${name}\` would make a string of more than 1,000,000 characters`)
  }
  // the ES2023 copies, which Node 20 has
  return (target as Record<string, (...a: unknown[]) => unknown>)[name]!(...args)
}
