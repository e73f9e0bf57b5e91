import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

/** Where a file of the controller that a task names is: in `files/` or `templates/` beside the file that the task stands in,
 * or beside that; then likewise of the files that include it, up to the playbook.
 * @param dirs the folders of those files, the nearest first.
 * @returns the first that exists, and all that were tried. */
export function findControllerFile(
  dirs: readonly string[],
  kind: 'files' | 'templates',
  written: string,
): { readonly path: string | undefined; readonly tried: readonly string[] } {
  const path = fromHome(written)
  const tried = isAbsolute(path)
    ? [path]
    : [...new Set(dirs.flatMap((dir) => [join(dir, kind, path), join(dir, path)]))]
  return { path: tried.find((p) => existsSync(p)), tried }
}

const fromHome = (path: string) => (path.startsWith('~/') ? join(homedir(), path.slice(2)) : path)

/** Where a file of the controller is to be that need not be there.
 * @param dir the folder of the playbook. */
export function controllerPlace(dir: string, written: string): string {
  return resolve(dir, fromHome(written))
}
