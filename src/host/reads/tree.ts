import { fromBytes } from '../bytes.ts'
import { type Read, type ReadKind, read } from '../read.ts'
import type { Shell } from '../shell.ts'
import { cleanPath, parseRecord, recordFormat, recordFunction, recordLength, type Stat } from './entry.ts'

/** All that lies below a directory, by path relative to it; empty where there is no directory. Links are not followed,
 * except the directory itself when it is one. */
export type Tree = ReadonlyMap<string, Stat>

export function tree(path: string): Read<Tree> {
  return read(treeKind, cleanPath(path))
}

function script(paths: readonly string[], sh: Shell): string {
  return paths
    .map((path) => {
      const at = sh.word(path === '/' ? '/' : `${path}/`)
      return `if test -d ${at}; then if test -n "$G"; then
find ${at} -mindepth 1 -printf ${sh.word(`%P\\0${recordFormat}`)} >&3 2>/dev/null
else ${recordFunction}
cd ${at} && find . | while IFS= read -r p; do test "$p" = . || { printf '%s\\0' "\${p#./}"; Z "$p"; }; done >&3
fi; fi
printf '\\0' >&3`
    })
    .join('\n')
}

function parse(output: Buffer, paths: readonly string[]): Tree[] {
  const fields = fromBytes(output).split('\0')
  let at = 0
  return paths.map(() => {
    const found = new Map<string, Stat>()
    for (; fields[at] !== ''; at += 1 + recordLength) {
      if (at >= fields.length) throw new Error('the host broke off its answer about a directory')
      found.set(fields[at]!, parseRecord(fields, at + 1))
    }
    at += 1
    return found
  })
}

function difference(predicted: Tree, actual: Tree): string | undefined {
  for (const [path, stat] of predicted) {
    const is = actual.get(path)
    if (!is) return `${path} was to be in it, and is not`
    if (is.type !== stat.type) return `${path} was to be a ${stat.type}, it is a ${is.type}`
  }
  return undefined
}

export const treeKind: ReadKind<string, Tree> = {
  name: 'tree',
  key: (path) => path,
  script,
  parse,
  paths: (path) => [path],
  difference,
}
