import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { compileValue } from '../language/compile.ts'
import type { Diagnostic } from '../language/diagnostic.ts'
import { loadDocument } from '../language/document.ts'
import { readSource } from '../language/source.ts'
import type { Variable, VarsDir } from './inventory.ts'

type Report = (d: Diagnostic) => void

/** Reads group_vars/ and host_vars/ of a folder: `NAME`, `NAME.yml`, `NAME.yaml`, `NAME.json`, or all files of a folder NAME. */
export function loadVarsDir(dir: string, report: Report): VarsDir {
  return { groups: loadAll(join(dir, 'group_vars'), report), hosts: loadAll(join(dir, 'host_vars'), report) }
}

function loadAll(dir: string, report: Report): Map<string, Map<string, Variable>> {
  const found = new Map<string, Map<string, Variable>>()
  for (const name of listOf(dir)) {
    const path = join(dir, name)
    const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
    const of = isDirectory ? name : name.replace(/\.(ya?ml|json)$/, '')
    const vars = found.get(of) ?? new Map<string, Variable>()
    for (const file of isDirectory ? filesBelow(path) : [path])
      for (const [key, value] of loadVarsFile(file, report)) vars.set(key, value)
    found.set(of, vars)
  }
  return found
}

function listOf(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((n) => !n.startsWith('.') && !n.endsWith('~') && !/\.(orig|bak|retry|md)$/.test(n))
      .sort()
  } catch {
    return []
  }
}

function filesBelow(dir: string): string[] {
  return listOf(dir).flatMap((name) => {
    const path = join(dir, name)
    return statSync(path).isDirectory() ? filesBelow(path) : [path]
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
  if (!root) return vars
  if (root.kind !== 'map') {
    report({ code: 'inventory', severity: 'error', message: 'a file of variables is a mapping', span: root.span })
    return vars
  }
  for (const { key, value } of root.entries) vars.set(key, { value: compileValue(value, report), from: path })
  return vars
}
