import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** Where a file of the controller that a playbook names is: in `files/` or `templates/` beside the playbook, or beside it.
 * @returns the first that exists, and all that were tried. */
export function findControllerFile(
  dir: string,
  kind: 'files' | 'templates',
  written: string,
): { readonly path: string | undefined; readonly tried: readonly string[] } {
  const path = written.startsWith('~/') ? join(homedir(), written.slice(2)) : written
  const tried = isAbsolute(path) ? [path] : [join(dir, kind, path), join(dir, path)]
  return { path: tried.find((p) => existsSync(p)), tried }
}
