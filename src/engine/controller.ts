import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from '../language/expression.ts'
import { type LocalFile, type LocalRead, localFileOf } from '../local-read.ts'

/** Renders a template file.
 * @throws ValueError, UnknownValue */
export type Render = (path: string, scope: Scope) => string

/** The controller's files, each read once a run, whatever the number of hosts. */
export class ControllerFiles {
  readonly #render: Render
  readonly #known = new Map<string, unknown>()

  constructor(render: Render) {
    this.#render = render
  }

  answer(read: LocalRead, scope: Scope): unknown {
    if (read.local === 'template') return Buffer.from(this.#render(read.path, scope))
    if (!this.#known.has(read.key))
      this.#known.set(read.key, read.local === 'file' ? fileAt(read.path) : treeAt(read.path))
    return this.#known.get(read.key)
  }
}

function fileAt(path: string): LocalFile | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() ? localFileOf(path, stat.mode & 0o7777, stat.size, () => readFileSync(path)) : undefined
}

function treeAt(path: string): ReadonlyMap<string, LocalFile | undefined> | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return undefined
  const found = new Map<string, LocalFile | undefined>()
  const walk = (below: string): void => {
    for (const name of readdirSync(join(path, below)).sort()) {
      const at = below === '' ? name : `${below}/${name}`
      const file = fileAt(join(path, at))
      found.set(at, file)
      if (!file && statSync(join(path, at), { throwIfNoEntry: false })?.isDirectory()) walk(at)
    }
  }
  walk('')
  return found
}
