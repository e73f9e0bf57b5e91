import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Timed {
  readonly ms: number
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** The most memory it held at a time, in megabytes, as the kernel counted it; 0 where it was gone before it was asked. */
  readonly peakMb: number
}

/** Runs a program and takes its time, from before it is started until it is gone. */
export function timed(
  argv: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; memory?: boolean } = {},
): Promise<Timed> {
  const began = performance.now()
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: 'C.UTF-8', NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr, peakMb] = ['', '', 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const look = options.memory ? setInterval(() => (peakMb = Math.max(peakMb, peakOf(child.pid))), 20) : undefined
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearInterval(look)
      resolve({ ms: performance.now() - began, status: code ?? -1, stdout, stderr, peakMb })
    })
  })
}

function peakOf(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Waits until the machine has next to nothing to do for a second, half a minute at most. */
export async function atRest(): Promise<void> {
  const busy = () => {
    const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split(/\s+/, 8).map(Number)
    return user! + nice! + system! + irq! + softirq!
  }
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    const before = busy()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    // hundredths of a second of all processors
    if (busy() - before < 10) return
  }
}
