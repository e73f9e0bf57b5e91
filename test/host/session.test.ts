import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootstrapCommand } from '../../src/host/bootstrap.ts'
import { newNonce, notStarted, Session, SessionLost } from '../../src/host/session.ts'
import { openLocal } from '../../src/transport/local.ts'
import { until } from '../until.ts'

const scratch = mkdtempSync(join(tmpdir(), 'session-test-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
process.env.TMPDIR = scratch
const left = () => readdirSync(scratch)
/** What is killed may be there a while longer, where the machine is busy: these sleep for minutes. */
const gone = (sleeping: string) =>
  until(() => spawnSync('pgrep', ['-f', `^sleep ${sleeping}\\.${process.pid}$`]).stdout.length === 0)
/** A loop that does not end by itself in time is killed, and the other process removes its directory. */
const cleared = () => until(() => left().length === 0)
const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

function open(shell = 'sh', login = '/bin/sh', noise = ''): Session {
  const nonce = newNonce()
  return new Session(openLocal(`${noise}${bootstrapCommand(nonce, shell)}`, login), nonce)
}

async function exchange(session: Session): Promise<void> {
  await session.ready
  const bytes = randomBytes(300_000)
  const path = session.blob(bytes)
  const [first, second, third] = await Promise.all([
    session.run(`cat ${path} >&3`),
    session.run('exit 7'),
    session.run('echo "$(umask) end s3 0" >&3; echo noise; echo noise >&2'),
  ])
  assert.is(first.output.equals(bytes), true)
  assert.is(second.status, 7)
  assert.match(third.output.toString(), /^0?022 end s3 0\n$/)
  await session.close()
  assert.equal(left(), [])
}

for (const shell of ['dash', 'bash', 'busybox sh', 'mksh', 'ksh93', 'yash', 'zsh --emulate sh']) {
  const name = shell.split(' ')[0]!
  if (has(name))
    test(`the loop under ${shell}: 300 kB of any bytes, order, status, umask, nothing left`, () =>
      exchange(open(shell)))
  else {
    console.log(`SKIP the loop under ${shell}: ${name} is not installed`)
    test.skip(`the loop under ${shell}`)
  }
}

for (const login of ['sh', 'bash', 'dash', 'zsh', 'fish', 'csh', 'tcsh']) {
  if (has(login)) test(`the bootstrap by way of ${login}`, () => exchange(open('sh', login)))
  else {
    console.log(`SKIP the bootstrap by way of ${login}: it is not installed`)
    test.skip(`the bootstrap by way of ${login}`)
  }
}

test('a noisy login is passed over', () => exchange(open('sh', '/bin/sh', 'echo Welcome; echo b x 5; ')))

test('a TMPDIR with blanks and signs in its name: nothing else is removed', async () => {
  const odd = join(scratch, `a b*'"$HOME c`)
  for (const dir of [odd, join(scratch, 'a'), join(scratch, 'b1')]) mkdirSync(dir)
  writeFileSync(join(scratch, 'a/kept'), '')
  try {
    process.env.TMPDIR = odd
    const closed = open()
    assert.is((await closed.step(`: >"$d/made"`)).status, 0)
    await closed.close()
    const killed = open()
    await killed.ready
    await killed.kill()
    await until(() => readdirSync(odd).length === 0)
    assert.equal([readdirSync(odd), left().length, existsSync(join(scratch, 'a/kept'))], [[], 3, true])
  } finally {
    process.env.TMPDIR = scratch
    for (const name of left()) rmSync(join(scratch, name), { recursive: true })
  }
})

test('a TMPDIR that is relative, or ends in a slash', async () => {
  const here = process.cwd()
  try {
    process.chdir(scratch)
    mkdirSync('a b')
    for (const dir of ['a b', './a b//', `${scratch}/`]) {
      process.env.TMPDIR = dir
      const session = open()
      assert.is((await session.step(`cd /; : >"$d/made"`)).status, 0, dir)
      await session.close()
      assert.equal([readdirSync('a b'), left()], [[], ['a b']], dir)
    }
  } finally {
    process.chdir(here)
    process.env.TMPDIR = scratch
    rmSync(join(scratch, 'a b'), { recursive: true })
  }
})

test('a connection that goes ends the running step, all it started, and the directory', async () => {
  const session = open()
  const mark = join(scratch, 'pid')
  const running = session.run(
    `sleep 300.${process.pid} & sleep 301.${process.pid} & echo $! >"${mark}"; echo started >&3; wait`,
  )
  await until(() => existsSync(mark))
  await session.kill()
  const lost = await running.catch((e: unknown) => e)
  assert.instance(lost, SessionLost)
  rmSync(mark)
  await cleared()
  await gone('30[01]')
})

test('a connection that goes while a script starts ends it too', async () => {
  for (let i = 0; i < 8; i++) {
    const session = open()
    if (i % 2 === 1) await session.ready
    void session.run(`exec sleep 304.${process.pid}`).catch(() => {})
    await session.kill()
  }
  await gone('304')
  await cleared()
})

test('a frame that arrives cut is never run', async () => {
  const nonce = newNonce()
  const stream = openLocal(bootstrapCommand(nonce))
  const mark = join(scratch, 'ran')
  stream.output.resume()
  stream.input.end(`s s1 400\n: >${mark}\n`)
  await stream.ended
  assert.is(existsSync(mark), false)
  assert.equal(left(), [])
})

test('the order to stop is seen while a script runs', async () => {
  const session = open()
  const running = session.run('until test -e "$d/x"; do sleep 0.02; done; echo seen >&3')
  await session.ready
  session.stop()
  assert.is((await running).output.toString(), 'seen\n')
  await session.close()
})

test('SIGINT is not ignored in what a script starts', async () => {
  const session = open()
  const { output } = await session.run('grep SigIgn /proc/self/status >&3')
  await session.close()
  assert.is(Number.parseInt(output.toString().split('\t')[1]!, 16) & 0b10, 0)
})

test('a failed step passes over those behind it, and what is asked behind them is answered', async () => {
  const session = open()
  const started: number[] = []
  const ends = await Promise.all([
    session.step('exit 0', undefined, () => started.push(1)),
    session.step('exit 10', undefined, () => started.push(2)),
    session.step('echo no >&3'),
    session.run('echo state >&3'),
    session.step('echo again >&3'),
  ])
  assert.equal(
    ends.map((e) => [e.status, e.output.toString()]),
    [
      [0, ''],
      [10, ''],
      [notStarted, ''],
      [0, 'state\n'],
      [0, 'again\n'],
    ],
  )
  assert.equal(started, [1, 2])
  await session.close()
})

test('steps that share a script: each end is told at once, the first that fails stops those behind it', async () => {
  const session = open()
  const started: number[] = []
  const share = (...texts: string[]) =>
    session.steps(texts.map((text, i) => ({ text: Buffer.from(text), onStart: () => void started.push(i) })))
  const mark = join(scratch, 'go')
  const slow = share('echo one >&3; e=0', `until test -e ${mark}; do sleep 0.02; done; e=0`, 'echo three >&3; e=0')
  const first = await slow[0]!
  assert.is(first.output.toString(), 'one\n')
  assert.equal(started, [0, 1])
  writeFileSync(mark, '')
  const failing = share('e=0', 'echo why >&3; e=7', 'e=0', 'e=0')
  const behind = session.step('exit 0')
  const asked = session.run('echo state >&3')
  const ends = await Promise.all([...slow, ...failing, behind, asked])
  rmSync(mark)
  assert.equal(
    ends.map((e) => `${e.status} ${e.output.toString().trim()}`),
    ['0 one', '0 ', '0 three', '0 ', '7 why', '98 ', '98 ', '98 ', '0 state'],
  )
  assert.equal(started, [0, 1, 2, 0, 1])
  await session.close()
  assert.equal(left(), [])
})

test('the order to stop ends a shared script behind the step that runs', async () => {
  const session = open()
  const mark = join(scratch, 'second')
  const second = `: >${mark}; until test -e "$d/x"; do sleep 0.02; done; e=0`
  const ends = session.steps(['e=0', second, 'echo no >&3; e=0', 'e=0'].map((t) => ({ text: Buffer.from(t) })))
  await until(() => existsSync(mark))
  session.stop()
  rmSync(mark)
  assert.equal(
    (await Promise.all(ends)).map((e) => [e.status, e.output.toString()]),
    [
      [0, ''],
      [0, ''],
      [notStarted, ''],
      [notStarted, ''],
    ],
  )
  await session.close()
})

test('what only looks holds up no other that looks, and then ends the script', async () => {
  const session = open()
  const looks = true as const
  const part = (text: string, more: { looks?: true } = {}) => ({ text: Buffer.from(text), ...more })
  const statuses = async (...parts: ReturnType<typeof part>[]) => {
    const next = session.steps([...parts])
    const behind = session.step('exit 0')
    const all = [...(await Promise.all(next)), await behind].map((e) => `${e.status}${e.output}`)
    await session.run('exit 0')
    return all.join(' ')
  }
  const [fails, holds] = [part('echo why >&3; e=1', { looks }), part('e=0', { looks })]
  assert.is(await statuses(part('e=0'), fails, holds, fails, part('e=0'), part('e=0')), '0 1why\n 0 1why\n 98 98 98')
  assert.is(await statuses(part('e=0'), fails, holds), '0 1why\n 0 98')
  assert.is(await statuses(fails, fails), '1why\n 1why\n 98')
  assert.is(await statuses(holds, holds, part('e=0')), '0 0 0 0')
  assert.is(await statuses(holds, part('e=1'), fails), '0 1 98 98')
  await session.close()
})

test('a shared script that is killed has failed at the step that ran', async () => {
  const session = open()
  const ends = session.steps(['e=0', 'kill -KILL $$', 'e=0'].map((t) => ({ text: Buffer.from(t) })))
  assert.equal(
    (await Promise.all(ends)).map((e) => e.status),
    [0, 137, notStarted],
  )
  await session.close()
  assert.equal(left(), [])
})

test('a step that takes too long is ended with all it started, the next ones are passed over', async () => {
  const session = open()
  const [slow, next, read] = await Promise.all([
    session.step(`sleep 302.${process.pid} & sleep 303.${process.pid}`, 0.3),
    session.step('exit 0'),
    session.run('echo on >&3'),
  ])
  assert.is(slow.timedOut, true)
  assert.is(next.status, notStarted)
  assert.is(read.output.toString(), 'on\n')
  await session.close()
  await gone('30[23]')
})

test('a time limit that is over before its step began counts all the same', async () => {
  for (let i = 0; i < 8; i++) {
    const session = open()
    if (i % 2 === 1) await session.ready
    const [late, next] = await Promise.all([session.step(`exec sleep 305.${process.pid}`, 0), session.step('exit 0')])
    assert.equal([late.timedOut, late.status !== 0, next.status], [true, true, notStarted])
    await session.close()
  }
  assert.equal(left(), [])
})

test('when a session has ended after a time limit, no process of its loop is left', async () => {
  for (const shell of ['dash', 'busybox sh', 'mksh', 'bash'].filter((s) => has(s.split(' ')[0]!))) {
    const nonce = newNonce()
    const session = new Session(openLocal(bootstrapCommand(nonce, shell)), nonce)
    const ended = await session.step(`exec sleep 308.${process.pid}`, 0.3)
    assert.is(ended.timedOut, true)
    await session.close()
    assert.is(spawnSync('pgrep', ['-f', nonce]).stdout.toString(), '', shell)
  }
})

test('what does not heed the end of its time is killed', async () => {
  const session = open()
  const stays = `(trap '' TERM; exec sleep 309.${process.pid}) & exec sleep 310.${process.pid}`
  const late = await session.step(stays, 0.3)
  assert.is(late.timedOut, true)
  await session.close()
  await gone('3(09|10)')
})

test('where the host can store nothing more, a time limit and a connection that goes end what runs all the same', async () => {
  const mark = join(scratch, 'full')
  for (const shell of ['dash', 'busybox sh', 'mksh', 'bash'].filter((s) => has(s.split(' ')[0]!))) {
    // where a directory is no file can be written, as where there is no room for it
    const limited = open(shell)
    const late = await limited.step(`mkdir "$d/l\${0##*/}"; exec sleep 306.${process.pid}`, 0.5)
    assert.equal([late.timedOut, late.status !== 0], [true, true], shell)
    await limited.close()
    const cut = open(shell)
    void cut.run(`mkdir "$d/k"; : >${mark}; exec sleep 307.${process.pid}`).catch(() => {})
    await until(() => existsSync(mark))
    await cut.kill()
    await gone('30[67]')
    rmSync(mark)
  }
  await cleared()
})

test.run()
