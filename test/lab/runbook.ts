import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

const main = join(process.cwd(), 'dist/main.js')

const listeners = new Set<(said: string) => void>()

/** Tells what each run that ends said, whoever started it.
 * @returns what ends that. */
export function onRunEnd(listener: (said: string) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

const tell = (said: string) => {
  for (const listener of listeners) listener(said)
}

/** Runs the built command line against a lab. */
export function runbook(
  args: readonly string[],
  lab?: Lab,
  options: { cwd?: string; env?: Record<string, string>; timeout?: number } = {},
): { status: number; stdout: string; stderr: string } {
  if (!existsSync(main)) throw new Error('dist/ is not built: npm run build')
  const reach = lab ? ['-i', lab.inventoryFile, '--known-hosts', lab.knownHostsFile] : []
  const done = spawnSync(process.execPath, [main, ...args, ...reach], {
    encoding: 'utf8',
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    timeout: options.timeout ?? 120_000,
    maxBuffer: 1 << 27,
  })
  tell(done.stdout + done.stderr)
  return { status: done.status ?? -1, stdout: done.stdout, stderr: done.stderr }
}

/** A run under way, for what interrupts it or looks at it meanwhile. */
export interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<{ status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts the built command line against a lab. */
export function startRunbook(args: readonly string[], lab?: Lab, env: Record<string, string> = {}): Running {
  const reach = lab ? ['-i', lab.inventoryFile, '--known-hosts', lab.knownHostsFile] : []
  const child = spawn(process.execPath, [main, ...args, ...reach], {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  child.on('close', () => running.delete(child))
  const said = { stdout: '', stderr: '' }
  for (const from of ['stdout', 'stderr'] as const)
    child[from]!.setEncoding('utf8').on('data', (text: string) => {
      said[from] += text
    })
  const ended = new Promise<Awaited<Running['ended']>>((resolve) =>
    child.on('close', (status, signal) => {
      tell(said.stdout + said.stderr)
      resolve({ status, signal, ...said })
    }),
  )
  return { child, stdout: () => said.stdout, stderr: () => said.stderr, ended }
}

/** Waits for something to become so; fails after a while.
 * @param what in words, for the error.
 * @param unless nobody waits any more when this has settled. */
export async function until(what: string, test: () => boolean, seconds = 60, unless?: Promise<unknown>): Promise<void> {
  let off = false
  void unless?.finally(() => {
    off = true
  })
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await new Promise((r) => setTimeout(r, 30)))
    if (off || test()) return
  throw new Error(`it never came to be: ${what}`)
}
