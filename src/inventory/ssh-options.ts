import { homedir } from 'node:os'
import { splitWords } from '../formats/shell-words.ts'

/** What the options of OpenSSH say that an inventory gives to Ansible's ssh. */
export interface SshWords {
  /** Files of known host keys, the user's own first; undefined where nothing is said. */
  readonly knownHosts: readonly string[] | undefined
  /** A key that is not known is taken; one that changed never is. */
  readonly acceptNew: boolean | undefined
  /** Options that are not read, as they are written. */
  readonly unread: readonly string[]
}

/** What changes nothing that is seen here: how connections are shared, kept and logged. */
const harmless =
  /^(Control(Master|Persist|Path)|ServerAlive(Interval|CountMax)|BatchMode|LogLevel|Compression|TCPKeepAlive)$/i

/** Reads command lines of ssh's options; the first that sets something wins, as for ssh. */
export function sshWords(lines: readonly string[]): SshWords {
  let knownHosts: string[] | undefined
  let acceptNew: boolean | undefined
  const unread: string[] = []
  for (const [word, name, value] of lines.flatMap(optionsOf)) {
    if (/^UserKnownHostsFile$/i.test(name)) knownHosts ??= filesOf(value)
    else if (/^StrictHostKeyChecking$/i.test(name)) acceptNew ??= /^(no|off|accept-new)$/i.test(value)
    else if (!harmless.test(name)) unread.push(word)
  }
  return { knownHosts, acceptNew, unread }
}

/** Each option as it is written, with the name and value of an `-o`. */
function optionsOf(line: string): [word: string, name: string, value: string][] {
  const words = wordsOf(line)
  const found: [string, string, string][] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (/^-[CqvT]+$/.test(word)) continue
    const text = word === '-o' ? words[++i] : word.startsWith('-o') ? word.slice(2) : undefined
    const [, name = '', value = ''] = /^\s*(\w+)\s*[=\s]\s*(.*)$/.exec(text ?? '') ?? []
    found.push([text === undefined ? word : `-o ${text}`, name, value])
  }
  return found
}

function wordsOf(line: string): string[] {
  try {
    return splitWords(line)
  } catch {
    return line.split(/\s+/)
  }
}

function filesOf(value: string): string[] {
  const own = wordsOf(value).map((path) => (path === 'none' ? '/dev/null' : path.replace(/^~\//, `${homedir()}/`)))
  return [...own, '/etc/ssh/ssh_known_hosts']
}
