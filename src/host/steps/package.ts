import { type Effect, pathEffect, unknownEffect } from '../effect.ts'
import { accountKind, groupKind } from '../reads/account.ts'
import { outputKind, whichKind } from '../reads/command.ts'
import { contentKind, sumKind } from '../reads/content.ts'
import { type Entry, entryKind } from '../reads/entry.ts'
import { type Package, packageKind } from '../reads/package.ts'
import { treeKind } from '../reads/tree.ts'
import { unitKind } from '../reads/unit.ts'
import type { Step } from '../step.ts'
import { tool } from './tool.ts'

/** What a package manager may change: packages, what packages own, accounts and units that they bring. A path in a place
 * that packages do not write to stays known. */
function packageEffect(because: string): Effect {
  const ours = ['/home', '/root', '/tmp', '/srv', '/var/tmp', '/media', '/mnt']
  const owned = (path: string) => !ours.some((dir) => path === dir || path.startsWith(`${dir}/`))
  return unknownEffect(because, (read, answer) => {
    const { kind } = read
    if (kind === packageKind || kind === unitKind || kind === whichKind || kind === outputKind || kind.call) return true
    if (kind === accountKind || kind === groupKind) return answer === undefined
    const paths = kind.paths?.(read.question) ?? []
    if (kind === entryKind && (answer as Entry).stat?.type === 'directory') return false
    if (kind === entryKind || kind === contentKind || kind === sumKind || kind === treeKind) return paths.some(owned)
    return paths.some(owned)
  })
}

/** Runs a package manager.
 * @param after the packages as they will be. */
export function changePackages(
  summary: string,
  argv: readonly string[],
  after: readonly Package[],
  env: Readonly<Record<string, string>> = {},
): Step {
  const exact: Effect = {
    change: (read, answer) => {
      if (read.kind !== packageKind) return answer
      const name = (read.question as { name: string }).name
      return after.find((p) => p.name === name) ?? answer
    },
  }
  return tool(summary, argv, [packageEffect(summary), exact], { env })
}

/** Fetches the package manager's lists anew. */
export function updateLists(argv: readonly string[]): Step {
  const summary = `${argv[0]} update of the package lists`
  return tool(
    summary,
    argv,
    [
      pathEffect(summary, '/var/lib/apt/lists', { to: 'unknown' }),
      unknownEffect(summary, (read) => read.kind === packageKind && (read.question as { latest: boolean }).latest),
    ],
    { harmless: true, acts: true },
  )
}
