// The one test command: installs what it needs, bundles every test once, runs each file in a process of its own, and adds up.
// uvu exits 0 for a file that ran nothing, so a file counts as passed only when its totals say so. A file that takes longer
// than ten minutes, or does not exit within one when its totals are there, is ended and has failed.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

if (!existsSync('node_modules/esbuild/package.json')) {
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: 'inherit' })
  if (install.status !== 0) process.exit(install.status ?? 1)
}
const { build } = await import('esbuild')
const wanted = process.argv.slice(2).filter((a) => a !== '--no-build')
// what the tests run is the built command line
if (wanted.length === process.argv.length - 2) {
  const built = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' })
  if (built.status !== 0) process.exit(built.status ?? 1)
}

const files = readdirSync('test', { recursive: true })
  .map((f) => join('test', f))
  .filter((f) => f.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((w) => f.includes(w))))
  .sort()

const out = mkdtempSync(join(root, 'node_modules/.runbook-test-'))
process.on('exit', () => rmSync(out, { recursive: true, force: true }))
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))
await build({
  entryPoints: files,
  outdir: out,
  outbase: 'test',
  bundle: true,
  splitting: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'inline',
  outExtension: { '.js': '.mjs' },
})

const total = { passed: 0, failed: 0, skipped: 0 }
const skips = []
const failures = []

const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill()
})

/** What runs of a test file: all that it started inherits the mark. */
function stillRunning(mark) {
  const marked = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)
    } catch {
      return false
    }
  }
  const pids = existsSync('/proc/self/environ') ? readdirSync('/proc').filter((p) => /^\d+$/.test(p) && marked(p)) : []
  if (pids.length === 0) return 'nothing that can be seen\n'
  return spawnSync('ps', ['-o', 'pid,ppid,stat,pcpu,time,args', '-p', pids.join()], { encoding: 'utf8' }).stdout
}

function runFile(file) {
  return new Promise((resolve) => {
    const built = join(out, relative('test', file).replace(/ts$/, 'mjs'))
    const child = spawn(process.execPath, ['--enable-source-maps', built], {
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', TEST_FILE: built },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.add(child)
    let text = ''
    let ended = false
    const end = (why) => {
      ended = true
      text += `${why}; what still runs:\n${stillRunning(`TEST_FILE=${built}`)}`
      child.kill('SIGKILL')
      // others may hold them open
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const late = setTimeout(() => end('ended after ten minutes'), 600_000)
    let stuck
    child.stdout.on('data', (d) => {
      text += d
      if (/^\s*Skipped:/m.test(text)) stuck ??= setTimeout(() => end('ended: it had not exited a minute after'), 60_000)
    })
    child.stderr.on('data', (d) => (text += d))
    child.on('close', (code) => {
      children.delete(child)
      clearTimeout(late)
      clearTimeout(stuck)
      const sum = (word) =>
        [...text.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0)
      const counts = { total: sum('Total'), passed: sum('Passed'), skipped: sum('Skipped') }
      const reasons = [...text.matchAll(/^SKIP (.+)$/gm)].map((m) => m[1])
      const failed = counts.total - counts.passed
      const broken =
        ended || code !== 0 || counts.total + counts.skipped === 0 || failed > 0 || counts.skipped !== reasons.length
      total.passed += counts.passed
      total.failed += failed > 0 ? failed : broken ? 1 : 0
      total.skipped += counts.skipped
      skips.push(...reasons.map((r) => `${file}: ${r}`))
      console.log(`${broken ? 'FAIL' : 'ok  '} ${file} (${counts.passed}/${counts.total})`)
      if (broken) {
        console.log(text)
        failures.push(`FAIL ${file}\n${text.slice(-5000)}`)
      }
      resolve()
    })
  })
}

const queue = [...files]
await Promise.all(
  Array.from({ length: Math.min(availableParallelism(), 4) }, async () => {
    for (let f = queue.shift(); f; f = queue.shift()) await runFile(f)
  }),
)
if (files.length === 0) total.failed++
// once more: a long log is read from its end, and may be cut in its middle
for (const f of failures) console.log(f)
for (const s of skips) console.log(`skipped: ${s}`)
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed ? 1 : 0)
