import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { crc32 } from 'node:zlib'

// A pattern that backtracks without end goes on in V8's linear engine instead of holding up every host. It is set before
// anything is compiled: V8 takes nothing that was compiled under other flags.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

const file = join(dirname(fileURLToPath(import.meta.url)), 'program.cjs')

const program = readFileSync(file)

/** What the last line of program.cjs.compiled says of it: which Node compiled which program, and the sum of what stands
 * before. V8 looks at its own version and flags only: what was damaged, or is another program's, would crash it. */
export const sealOf = (compiled: Buffer): string =>
  [process.version, process.platform, process.arch, crc32(program), crc32(compiled)].join(' ')

/** What the build compiled. Where it is not good for this Node, V8 compiles anew, which takes longer and no more. */
function compiled(): { cachedData: Buffer } | undefined {
  try {
    const kept = readFileSync(`${file}.compiled`)
    const end = kept.lastIndexOf('\n')
    const cachedData = kept.subarray(0, end)
    return kept.toString('latin1', end + 1) === sealOf(cachedData) ? { cachedData } : undefined
  } catch {
    return undefined
  }
}

/** dist/program.cjs, for the build that keeps what was compiled. */
export const script = new Script(
  `(function (exports, require, module, __filename, __dirname, __url, __import) {${program.toString('latin1')}\n})`,
  { filename: file, ...compiled() },
)

const module = { exports: {} as typeof import('./program.ts') }
const url = new URL('program.cjs', import.meta.url).href
const importFile = (other: string) => import(other)
script.runInThisContext()(module.exports, createRequire(url), module, file, dirname(file), url, importFile)

export const { main, door } = module.exports
