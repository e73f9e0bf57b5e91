import { createHash } from 'node:crypto'
import { hashOf } from '../../src/formats/hash.ts'
import type { Read } from '../../src/host/read.ts'
import { outputKind, type Said } from '../../src/host/reads/command.ts'
import { type Content, checksumKind, contentKind, type Sum, sumKind } from '../../src/host/reads/content.ts'
import { type Entry, entryKind, parentOf, type Stat } from '../../src/host/reads/entry.ts'
import { treeKind } from '../../src/host/reads/tree.ts'

/** What is on a host, by absolute path: a text is a file. */
export type Tree = Readonly<Record<string, string | Node>>

export interface Node extends Partial<Stat> {
  /** Undefined for a file that may not be read. */
  readonly bytes?: Buffer | undefined
}

export function file(content: string | Buffer, stat: Partial<Stat> = {}): Node {
  const bytes = Buffer.from(content as string)
  return { type: 'file', mode: 0o644, size: bytes.length, bytes, ...stat }
}

export function directory(stat: Partial<Stat> = {}): Node {
  return { type: 'directory', mode: 0o755, ...stat }
}

export function link(target: string, stat: Partial<Stat> = {}): Node {
  return { type: 'link', mode: 0o777, target, ...stat }
}

type World = ReadonlyMap<string, { readonly stat: Stat; readonly bytes: Buffer | undefined }>

function worldOf(tree: Tree): World {
  const world = new Map<string, { stat: Stat; bytes: Buffer | undefined }>()
  const put = (path: string, node: Node) => {
    const { bytes, ...stat } = node
    world.set(path, { stat: { ...owned, id: `1:${world.size}`, ...stat } as Stat, bytes })
  }
  put('/', directory())
  for (const [path, node] of Object.entries(tree).sort()) {
    const parts = path.split('/').slice(1, -1)
    parts.forEach((_, i) => {
      const above = `/${parts.slice(0, i + 1).join('/')}`
      if (!world.has(above)) put(above, directory())
    })
    put(path, typeof node === 'string' ? file(node) : node)
  }
  return world
}

const owned = {
  uid: 0,
  gid: 0,
  owner: 'root',
  group: 'root',
  size: 0,
  mtime: 1_700_000_000,
  links: 1,
  target: undefined,
}

/** Answers as a host with these files gives them.
 * @throws Error for a read that neither they nor `others` answer. */
export function answersOf(
  tree: Tree,
  others: readonly (readonly [Read, unknown])[],
  outputs?: (argv: readonly string[]) => { readonly stdout?: string; readonly status?: number },
): (read: Read) => unknown {
  const world = worldOf(tree)
  const given = new Map(others.map(([read, answer]) => [read.key, answer]))
  return (read) => {
    if (given.has(read.key)) return given.get(read.key)
    const question = read.question as string & { path: string; algorithm: string }
    if (read.kind === entryKind) return entryAt(world, question)
    if (read.kind === treeKind) return treeAt(world, question)
    if (read.kind === contentKind) {
      const at = fileAt(world, question)
      return { bytes: at?.bytes, denied: at !== undefined && at.bytes === undefined } satisfies Content
    }
    if (read.kind === sumKind) {
      const bytes = fileAt(world, question.path)?.bytes
      return { sha256: bytes && hashOf(bytes) } satisfies Sum
    }
    if (read.kind === checksumKind) {
      const bytes = fileAt(world, question.path)?.bytes
      return bytes && createHash(question.algorithm).update(bytes).digest('hex')
    }
    if (read.kind === outputKind && outputs) {
      const { stdout = '', status = 0 } = outputs((read.question as { argv: readonly string[] }).argv)
      return { status, stdout: Buffer.from(stdout), stderr: '' } satisfies Said
    }
    throw new Error(`the test answers nothing to ${read.key}`)
  }
}

/** The real path of a directory's name, and how far there is something; links on the way are followed. */
function realOf(world: World, path: string, hops = 0): { real: string; anchor: string; obstacle: Entry['obstacle'] } {
  let [real, anchor] = ['/', '/']
  let obstacle: Entry['obstacle']
  const parts = path.split('/').filter((p) => p !== '')
  for (const [i, part] of parts.entries()) {
    if (part === '..') real = parentOf(real)
    if (part === '.' || part === '..') continue
    const next = `${real === '/' ? '' : real}/${part}`
    const there = world.get(next)
    if (there?.stat.type === 'link' && hops < 40) {
      const target = there.stat.target!
      const rest = parts.slice(i + 1).join('/')
      return realOf(world, `${target.startsWith('/') ? target : `${real}/${target}`}/${rest}`, hops + 1)
    }
    real = next
    if (there?.stat.type === 'directory') anchor = next
    else if (there && obstacle === undefined && i + 1 < parts.length) [obstacle, anchor] = ['not-a-directory', next]
  }
  return { real, anchor, obstacle }
}

function entryAt(world: World, path: string): Entry {
  // what is in the way of the parent is in the way of what is below, its own last name too
  const above = realOf(world, `${parentOf(path)}/.`)
  const real = path === '/' ? '/' : `${above.real === '/' ? '' : above.real}/${path.slice(path.lastIndexOf('/') + 1)}`
  const stat = world.get(real)?.stat
  const end = stat?.type === 'link' ? realOf(world, real) : undefined
  const led = end && world.get(end.real)?.stat
  return {
    path,
    real,
    anchor: above.anchor,
    obstacle: above.obstacle,
    stat,
    leads: end && { ...end, ...(led?.type === 'link' ? { obstacle: 'loop', stat: undefined } : { stat: led }) },
  }
}

function fileAt(world: World, path: string) {
  const at = world.get(realOf(world, path).real)
  return at?.stat.type === 'file' ? at : undefined
}

function treeAt(world: World, path: string): ReadonlyMap<string, Stat> {
  const root = realOf(world, path).real
  if (world.get(root)?.stat.type !== 'directory') return new Map()
  const start = root === '/' ? '/' : `${root}/`
  const below = [...world].filter(([p]) => p !== root && p.startsWith(start))
  return new Map(below.map(([p, { stat }]) => [p.slice(start.length), stat]))
}
