import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Interrupted, UsageError } from './usage-error.ts'

let last: Promise<unknown> = Promise.resolve()

/** Asks on the terminal without showing what is typed; one question at a time.
 * @throws UsageError where there is no terminal to ask on. */
export function askSecret(question: string): Promise<string> {
  const answer = last.then(() => ask(question))
  last = answer.catch(() => undefined)
  return answer
}

function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError(`there is no terminal to ask on: ${question.replace(/: $/, '')}`)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  // only now: whoever has seen it may type, and nothing is shown any more
  process.stderr.write(question)
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      process.stderr.write('\n')
      settle()
      lines.close()
    }
    lines.question('', (typed) => end(() => resolve(typed)))
    lines.on('SIGINT', () => end(() => reject(new Interrupted())))
    // after an answer this says nothing new
    lines.on('close', () => reject(new UsageError('nothing was given')))
  })
}
