import { readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { compileVariable } from '../language/compile.ts'
import type { Diagnostic } from '../language/diagnostic.ts'
import { loadDocument } from '../language/document.ts'
import { hideUnread } from '../language/hidden.ts'
import { readSource } from '../language/source.ts'
import type { Variable, VarsDir } from './inventory.ts'

type Report = (d: Diagnostic) => void

/** Reads group_vars/ and host_vars/ of a folder, for the groups and hosts that there are. Of `NAME`, `NAME.yml`,
 * `NAME.yaml` and `NAME.json` the first that is there counts, as with Ansible; of a folder NAME all files below it. */
export function loadVarsDir(dir: string, groups: Iterable<string>, hosts: Iterable<string>, report: Report): VarsDir {
  return {
    groups: loadAll(join(dir, 'group_vars'), groups, report),
    hosts: loadAll(join(dir, 'host_vars'), hosts, report),
  }
}

const endings = ['', '.yml', '.yaml', '.json']

function loadAll(dir: string, names: Iterable<string>, report: Report): Map<string, Map<string, Variable>> {
  const found = new Map<string, Map<string, Variable>>()
  const entries = new Set(listOf(dir))
  if (entries.size === 0) return found
  for (const name of names) {
    const [first, ...others] = endings.map((e) => name + e).filter((n) => entries.has(n))
    if (first === undefined) continue
    const path = join(dir, first)
    for (const other of others) notRead(join(dir, other), path, report)
    const vars = new Map<string, Variable>()
    const files = isDirectory(path) ? filesBelow(path) : [path]
    for (const file of files) for (const [key, value] of loadVarsFile(file, report)) vars.set(key, value)
    found.set(name, vars)
  }
  return found
}

function notRead(path: string, instead: string, report: Report): void {
  report({
    code: 'ignored',
    severity: 'warning',
    message: `${path} is not read: ${instead} is there`,
    hint: 'put it into a folder of that name with the others',
  })
}

function listOf(dir: string): string[] {
  try {
    return readdirSync(dir).sort()
  } catch {
    return []
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function filesBelow(dir: string): string[] {
  return listOf(dir).flatMap((name) => {
    if (name.startsWith('.') || name.endsWith('~')) return []
    const path = join(dir, name)
    const ending = extname(name)
    if (isDirectory(path)) return ending === '' ? filesBelow(path) : []
    return endings.includes(ending) ? [path] : []
  })
}

/** The variables of one file. */
export function loadVarsFile(path: string, report: Report): Map<string, Variable> {
  const source = readSource(path, report)
  const vars = new Map<string, Variable>()
  if (!source) return vars
  const whole = { source, start: 0, end: Math.min(14, source.text.length) }
  if (source.text.startsWith('$ANSIBLE_VAULT')) {
    report({
      code: 'inventory',
      severity: 'error',
      message: 'the file is encrypted by ansible-vault, which is not read yet',
      span: whole,
    })
    return vars
  }
  const { root, diagnostics } = loadDocument(source)
  for (const d of diagnostics) report(d)
  if (!root) {
    hideUnread(source)
    return vars
  }
  if (root.kind !== 'map') {
    report({ code: 'inventory', severity: 'error', message: 'a file of variables is a mapping', span: root.span })
    return vars
  }
  for (const { key, value } of root.entries) vars.set(key, { value: compileVariable(key, value, report), from: path })
  return vars
}
