import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'

// A pattern that backtracks without end goes on in V8's linear engine instead of holding up every host. It is set before
// anything is compiled: V8 takes nothing that was compiled under other flags.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

const file = join(dirname(fileURLToPath(import.meta.url)), 'program.cjs')

/** What the build compiled with the Node that was there. V8 finds out whether it is good for this one; where it is not, it
 * compiles anew, which takes longer and no more. */
function compiled(): { cachedData: Buffer } | undefined {
  try {
    return { cachedData: readFileSync(`${file}.compiled`) }
  } catch {
    return undefined
  }
}

/** dist/program.cjs, for the build that keeps what was compiled. */
export const script = new Script(
  `(function (exports, require, module, __filename, __dirname, __url, __import) {${readFileSync(file, 'latin1')}\n})`,
  { filename: file, ...compiled() },
)

const module = { exports: {} as typeof import('./program.ts') }
const url = new URL('program.cjs', import.meta.url).href
const importFile = (other: string) => import(other)
script.runInThisContext()(module.exports, createRequire(url), module, file, dirname(file), url, importFile)

export const { main, door } = module.exports
