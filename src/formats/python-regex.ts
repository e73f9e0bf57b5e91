// Regular expressions as Ansible's modules take them: Python's, over bytes. Here they run over text with one character a
// byte (latin1), so that no encoding is assumed.

import { toBytes } from '../host/bytes.ts'

/** Bytes as text with one character each. */
export function bytesText(text: string): string {
  return toBytes(text).toString('latin1')
}

/** @param source as the author wrote it.
 * @throws SyntaxError for what is no regular expression. */
export function pythonRegex(source: string): RegExp {
  const { body, flags } = inlineFlags(bytesText(source))
  return new RegExp(translate(body, flags), `d${flags.includes('i') ? 'i' : ''}${flags.includes('m') ? 'm' : ''}`)
}

function inlineFlags(source: string): { body: string; flags: string } {
  const found = /^\(\?([aiLmsux]+)\)/.exec(source)
  return found ? { body: source.slice(found[0].length), flags: found[1]! } : { body: source, flags: '' }
}

const spaces = ' \\t\\n\\r\\f\\v'

function translate(source: string, flags: string): string {
  let out = ''
  for (let i = 0; i < source.length; ) {
    const [text, length] = translateAt(source, i, flags)
    out += text
    i += length
  }
  return out
}

function translateAt(source: string, i: number, flags: string): [text: string, length: number] {
  const c = source[i]!
  if (c === '\\') return [escapeOf(source[i + 1] ?? '', false), 2]
  if (c === '[') return classAt(source, i)
  if (c === '.') return [flags.includes('s') ? '[\\s\\S]' : '[^\\n]', 1]
  // before a last line break too, as Python has it
  if (c === '$') return [flags.includes('m') ? '(?=\\n|(?![\\s\\S]))' : '(?=\\n?(?![\\s\\S]))', 1]
  if (source.startsWith('(?P<', i)) return ['(?<', 4]
  if (source.startsWith('(?P=', i)) {
    const end = source.indexOf(')', i)
    return [`\\k<${source.slice(i + 4, end)}>`, end - i + 1]
  }
  if (source.startsWith('(?#', i)) return ['', source.indexOf(')', i) - i + 1]
  return [c, 1]
}

function escapeOf(c: string, inClass: boolean): string {
  if (c === 'A' && !inClass) return '(?<![\\s\\S])'
  if (c === 'Z' && !inClass) return '(?![\\s\\S])'
  if (c === 's') return inClass ? spaces : `[${spaces}]`
  if (c === 'S' && !inClass) return `[^${spaces}]`
  if (c === 'a') return '\\x07'
  // an escape that only JavaScript knows means the letter itself
  return /[a-zA-Z]/.test(c) && !/[bBdDwWnrtfvxSu]/.test(c) ? c : `\\${c}`
}

function classAt(source: string, from: number): [text: string, length: number] {
  let i = from + 1
  let out = '['
  if (source[i] === '^') {
    out += '^'
    i++
  }
  // a bracket that comes first stands for itself
  if (source[i] === ']') {
    out += '\\]'
    i++
  }
  for (; i < source.length && source[i] !== ']'; i++) {
    if (source[i] === '\\') out += escapeOf(source[++i] ?? '', true)
    else out += source[i]
  }
  if (i >= source.length) throw new SyntaxError('a character set has no end')
  return [`${out}]`, i - from + 1]
}

/** What `\1`, `\g<name>` and the usual escapes in a replacement stand for after a match. */
export function expandMatch(template: string, match: RegExpExecArray): string {
  const plain: Record<string, string> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', a: '\x07', b: '\b', '\\': '\\' }
  return template.replace(/\\(?:g<(\w+)>|([1-9]\d?)|(.))/gs, (whole, name?: string, number?: string, c?: string) => {
    if (name !== undefined) return (/^\d+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? ''
    if (number !== undefined) return match[Number(number)] ?? ''
    return plain[c!] ?? (c === '0' ? '\0' : whole)
  })
}
