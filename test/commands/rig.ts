import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const main = join(process.cwd(), 'dist/main.js')

export interface Done {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A folder with these files, in which the real command line runs; gone when the process ends. */
export class Rig {
  readonly dir = mkdtempSync(join(tmpdir(), 'commands-'))

  constructor(files: Readonly<Record<string, string | Buffer>> = {}) {
    process.on('exit', () => rmSync(this.dir, { recursive: true, force: true }))
    for (const [path, text] of Object.entries(files)) this.write(path, text)
  }

  write(path: string, text: string | Buffer): void {
    mkdirSync(dirname(join(this.dir, path)), { recursive: true })
    writeFileSync(join(this.dir, path), text)
  }

  run(args: readonly string[], { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {}): Done {
    const { NO_COLOR: _, FORCE_COLOR: __, ...rest } = process.env
    const done = spawnSync(process.execPath, [main, ...args], {
      cwd: this.dir,
      env: { ...rest, HOME: this.dir, ...env },
      input,
      encoding: 'utf8',
      timeout: 300_000,
      maxBuffer: 1 << 27,
    })
    return { status: done.status, stdout: done.stdout, stderr: done.stderr }
  }

  start(args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [main, ...args], { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** The events of a run. */
  events(args: readonly string[]): Event[] {
    const { stdout, stderr } = this.run([...args, '--output', 'ndjson'])
    if (stdout === '') throw new Error(stderr)
    return stdout
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l))
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what a reader of NDJSON gets
export type Event = Record<string, any>

/** Hosts of these names, all of them this machine. */
export function localHosts(...names: readonly string[]): string {
  return `all: { vars: { ansible_connection: local }, hosts: { ${names.map((n) => `${n}: `).join(', ')} } }\n`
}
