import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOnce } from './make-once.ts'

// What is seen: the arguments and the environment of every process of this machine, which the lab's hosts' are too. All are
// looked at every 10 ms, and a program also when the kernel tells of its start. What is not: a program that ended before
// it could be looked at. Where the kernel tells, and the machine is not overloaded, that is one that runs for less than a
// millisecond (of 200 times `true` 160 to 180 are seen, all of 3 ms; on a machine with five times the work it can do, two thirds
// of these). Where it tells nobody (`told` is false) one of 3 ms is found three times of ten, `true` one of ten.
// Arguments that a process changes itself are found at the next look, those of a program that is started with the same ones
// and another environment too; an environment that a process changes for itself is not in /proc, but its children's is.

/** A program as it was seen. */
export interface Seen {
  readonly args: readonly string[]
  readonly environment: readonly string[]
}

/** What processes had as arguments and environment while it was looked. */
export interface Watched {
  readonly processes: readonly Seen[]
  /** Milliseconds from one look to the next, on average. */
  readonly pace: number
  /** The kernel told of what was started. */
  readonly told: boolean
}

export interface Watch {
  readonly end: () => Promise<Watched>
}

const source = join(process.cwd(), 'test/lab/process-watch/watch.c')

/** Looks at all processes of this machine: one program in C for all hosts, which with 200 processes takes an eighth of a core. */
export async function watchProcesses(): Promise<Watch> {
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12)
  const made = makeOnce(`process-watch-${hash}`, 'gcc -O2 -Wall -Werror -o "$new/watch" "$1"', source)
  const dir = mkdtempSync(join(tmpdir(), 'process-watch-'))
  const [program, out] = [join(dir, 'watch'), join(dir, 'seen')]
  copyFileSync(join(made, 'watch'), program)
  const child = spawn(program, [out], { stdio: ['pipe', 'pipe', 'inherit'], env: {} })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  child.stdout.on('data', (text) => {
    said += text
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    end: async () => {
      child.stdin.end()
      await ended
      const text = readFileSync(out, 'utf8')
      rmSync(dir, { recursive: true, force: true })
      const [told, pace] = said.trim().split('\n')
      return { processes: text.split(mark).slice(0, -1).map(seenIn), pace: Number(pace), told: told === 'told' }
    },
  }
}

const mark = '\0\n--\n'

function seenIn(text: string): Seen {
  const [args, environment] = text.split('\0\n++\n')
  const list = (part = '') => part.split('\0').filter((e) => e !== '')
  return { args: list(args), environment: list(environment) }
}
