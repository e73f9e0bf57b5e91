import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../until.ts'

// What starts in a demo inherits this, and what is left of it is found by it.
const mark = `demo-test-${process.pid}`

/** @param interruptAt what it has to say before it gets an interrupt. */
function demo(interruptAt?: string): Promise<{ code: number | null; text: string; dir: string }> {
  const child = spawn(process.execPath, ['scripts/demo.mjs', '--embedded'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RUNBOOK_TEST_MARK: mark },
  })
  let [text, sent] = ['', false]
  const hear = (data: Buffer) => {
    text += data
    if (interruptAt !== undefined && !sent && text.includes(interruptAt)) sent = child.kill('SIGINT')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ code, text, dir: /below (\S+)\/homes/.exec(text)?.[1] ?? '' })),
  )
}

/** Nothing is left; what was just told to end may take a moment on a busy machine. */
const allEnded = (dir: string) => until(() => left(dir).length === 0)

/** Processes that a demo started, or that run in the home of one of its hosts. */
function left(dir: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const text = readFileSync(`/proc/${pid}/environ`, 'latin1')
      return text.includes(mark) || text.includes(`HOME=${dir}`)
    } catch {
      return false
    }
  })
}

test('the demo on embedded hosts shows all steps, and leaves nothing behind', async () => {
  const { code, text, dir } = await demo()
  assert.is(code, 0, text)
  for (const heading of [
    'asked for with --embedded',
    'Apply again',
    'would change e2',
    'Apply repairs it',
    'exit code 0',
  ])
    assert.ok(text.includes(heading), `${heading}: ${text}`)
  assert.ok(dir.length > 5 && !existsSync(dir))
  await allEnded(dir)
})

test('an interrupt ends the demo and its hosts', async () => {
  const { code, text, dir } = await demo('PLAY quickstart')
  assert.is(code, 130, text)
  assert.match(text, /demo: interrupted/)
  assert.ok(dir.length > 5 && !existsSync(dir))
  await allEnded(dir)
})

test.run()
