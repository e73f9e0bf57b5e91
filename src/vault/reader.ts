import type { Read } from '../host/read.ts'
import { output, type Said } from '../host/reads/command.ts'
import type { Program } from './dialect.ts'
import { saidBuild } from './release.ts'

/** A server's program on a host, by what it says of itself. */
export interface ServerProgram extends Program {
  readonly path: string
}

/** Where vault_install, the packages and those who follow the guide put one. */
const places = ['/usr/local/bin', '/usr/bin'].flatMap((dir) => [`${dir}/vault`, `${dir}/bao`])

const asks = `for p in "$@"; do test -x "$p" && printf '\\001%s\\n' "$p" && "$p" version 2>/dev/null; done; :`

/** Asks which programs there are that may read a configuration.
 * @param path the one that does, where that is known. */
export function serverPrograms(path: string | undefined): Read<Said> {
  const asked = path === undefined ? places : [path]
  return output(['sh', '-c', asks, 'sh', ...asked], {}, asked)
}

/** Of those that are the same build one. */
function programsIn({ stdout }: Said): ServerProgram[] {
  const found = new Map<string, ServerProgram>()
  for (const text of stdout.toString('utf8').split('\u0001').slice(1)) {
    const [path = ''] = text.split('\n', 1)
    const build = saidBuild(text)
    const key = JSON.stringify(build)
    if (build && !found.has(key))
      found.set(key, { path, product: build.product, edition: build.edition, release: build.version })
  }
  return [...found.values()]
}

/** The one that will read a configuration, or why that can't be told. */
export function readerOf(said: Said, path: string | undefined): ServerProgram | { readonly doubt: string } {
  const [only, ...others] = programsIn(said)
  const what = 'what a server would not take of this, or ignore, was not looked for'
  if (only && others.length === 0) return only
  if (only)
    return {
      doubt: `${what}: there are ${[only, ...others].map((p) => p.path).join(' and ')}; name one as \`program\``,
    }
  if (path !== undefined) return { doubt: `${what}: ${path} is not there, or does not say what it is` }
  return { doubt: `${what}: there is no vault and no bao in /usr/local/bin or /usr/bin; name one as \`program\`` }
}
