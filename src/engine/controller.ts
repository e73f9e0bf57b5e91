import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { toBytes } from '../host/bytes.ts'
import type { Scope } from '../language/expression.ts'
import { type LocalFile, type LocalLink, type LocalRead, type LocalTree, localFileOf } from '../local-read.ts'
import { verifySignature } from './signature.ts'

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
    if (read.local === 'template') return toBytes(this.#render(read.path, scope))
    if (!this.#known.has(read.key)) this.#known.set(read.key, answerTo(read))
    return this.#known.get(read.key)
  }
}

function answerTo({ local, path, besides = [] }: LocalRead): unknown {
  if (local === 'file') return fileAt(path)
  return local === 'signature' ? verifySignature(path, besides[0]!, besides[1]!) : treeAt(path, local === 'tree')
}

function fileAt(path: string): LocalFile | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() ? localFileOf(path, stat.mode & 0o7777, stat.size, () => readFileSync(path)) : undefined
}

function treeAt(path: string, follow: boolean): LocalTree | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return undefined
  const found = new Map<string, LocalFile | LocalLink | undefined>()
  const walk = (below: string, above: readonly string[]): void => {
    for (const name of readdirSync(join(path, below)).sort()) {
      const at = below === '' ? name : `${below}/${name}`
      const full = join(path, at)
      const type = typeOf(full)
      if (type === 'file' && (follow || !lstatSync(full).isSymbolicLink())) found.set(at, fileAt(full)!)
      else if (type === 'directory' && (follow || !lstatSync(full).isSymbolicLink())) {
        const real = realpathSync(full)
        if (above.includes(real)) found.set(at, { target: readlinkSync(full) })
        else {
          found.set(at, undefined)
          walk(at, [...above, real])
        }
      } else if (lstatSync(full).isSymbolicLink()) found.set(at, { target: readlinkSync(full) })
    }
  }
  walk('', [realpathSync(path)])
  return found
}

/** Links followed; undefined for one that leads nowhere, and for what is neither. */
function typeOf(path: string): 'file' | 'directory' | undefined {
  try {
    const stat = statSync(path)
    return stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : undefined
  } catch {
    return undefined
  }
}
