import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { startProxy } from './proxy.ts'
import { runbook, startRunbook, until } from './runbook.ts'
import { labSuite } from './suite.ts'

// Law 6: whatever is interrupted, and however, leaves no process, no temporary file and no half file on a host, and the
// next apply converges.

const dir = mkdtempSync(join(tmpdir(), 'interrupts-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

/** A playbook in the test's folder. */
function play(name: string, tasks: string, head = ''): string {
  const file = join(dir, `${name}.yml`)
  writeFileSync(file, `- hosts: all\n  gather_facts: false\n${head}  tasks:\n${tasks}`)
  return file
}

/** Processes of runbook in a host, and what they started with this mark in it. */
function processes(lab: Lab, host: string, mark: string): string[] {
  const found = lab.run(host, ['pgrep', '-af', `runbook\\.|${mark}`]).stdout.trim()
  return found === '' ? [] : found.split('\n')
}

const look = 'ls -d /tmp/runbook.* 2>/dev/null; find /srv /root /etc -name ".runbook.*" 2>/dev/null; :'

const leftovers = (lab: Lab, host: string) => lab.run(host, ['sh', '-c', look]).stdout

/** Nothing of a run is in a host any more. */
async function nothingLeft(lab: Lab, host: string, mark = 'nothing-else'): Promise<void> {
  const state = () => [...processes(lab, host, mark), leftovers(lab, host)].join('\n').trim()
  await until(`nothing is left on ${host}`, () => state() === '').catch(() => {
    throw new Error(`left on ${host}: ${state()}`)
  })
}

const runsOn = (lab: Lab, host: string, mark: string) =>
  until(`${mark} runs on ${host}`, () => lab.run(host, ['pgrep', '-f', mark]).status === 0)

/** That nothing new is to start comes to a host a moment after the signal. */
const hostKnows = (lab: Lab) =>
  until('the host knows', () => lab.run('h1', ['sh', '-c', 'test -e /tmp/runbook.*/x']).status === 0)

function events(run: { stdout: string }): Record<string, never>[] {
  return run.stdout
    .trim()
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l))
}

const taskOf = (run: { stdout: string }, task: string) =>
  events(run).filter((e) => e.event === 'task' && e.task === task)

const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function signalsTest(lab: Lab): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    lab.run('h1', ['rm', '-f', '/run/go', '/run/done', '/run/next'])
    const file = play(
      'first',
      '    - name: running\n      shell: true mark-first; until test -e /run/go; do sleep 0.05; done; echo ran >/run/done\n' +
        '    - name: behind\n      copy: { content: x, dest: /run/next }\n',
    )
    const run = startRunbook(['apply', file, '-f', '1', '--output', 'ndjson'], lab)
    await runsOn(lab, 'h1', 'mark-first')
    run.child.kill(signal)
    await until('it says that it was interrupted', () => run.stderr().includes('interrupted'))
    await hostKnows(lab)
    lab.run('h1', ['touch', '/run/go'])
    const end = await run.ended
    assert.is(end.status, 130, end.stderr)
    assert.is(taskOf(end, 'running')[0]!.status, 'changed')
    assert.equal(taskOf(end, 'behind'), [])
    assert.is(events(end).at(-1)!.event, 'recap')
    assert.is(events(end).at(-1)!.interrupted, true)
    // forks 1: the second host was not begun
    assert.is(events(end).filter((e) => e.host === 'h2').length, 0)
    assert.is(lab.run('h1', ['cat', '/run/done']).stdout, 'ran\n')
    assert.is(lab.run('h1', ['test', '-e', '/run/next']).status, 1)
    await nothingLeft(lab, 'h1', 'mark-first')
  }
}

async function secondSignalTest(lab: Lab): Promise<void> {
  const file = play(
    'second',
    '    - name: endless\n      shell: true mark-second; (trap "" TERM; sleep 5000) & sleep 5001\n',
  )
  const run = startRunbook(['apply', file, '--output', 'plain'], lab)
  for (const h of ['h1', 'h2']) await runsOn(lab, h, 'mark-second')
  run.child.kill('SIGINT')
  await until('the first is told', () => run.stderr().includes('interrupted'))
  const from = Date.now()
  run.child.kill('SIGINT')
  const end = await run.ended
  assert.is(end.status, 130, end.stderr)
  assert.ok(Date.now() - from < 15_000, `${Date.now() - from} ms`)
  assert.match(end.stdout, /RECAP/)
  assert.match(end.stdout, /unreachable h1: endless\n {4}run true .*: it was interrupted/)
  for (const h of ['h1', 'h2']) await nothingLeft(lab, h, 'mark-second|sleep 500[01]')
}

async function killedControllerTest(lab: Lab): Promise<void> {
  const file = play('killed', '    - shell: true mark-killed; sleep 5002 & sleep 5003\n')
  const run = startRunbook(['apply', file], lab)
  for (const h of ['h1', 'h2']) await runsOn(lab, h, 'mark-killed')
  run.child.kill('SIGKILL')
  await run.ended
  for (const h of ['h1', 'h2']) await nothingLeft(lab, h, 'mark-killed|sleep 500[23]')
}

async function localTest(): Promise<void> {
  const temporary = join(dir, 'tmp')
  mkdirSync(temporary)
  const inventory = join(dir, 'local.yml')
  writeFileSync(inventory, 'all:\n  hosts:\n    here: { ansible_connection: local }\n')
  const mark = `mark-local-${process.pid}`
  const file = play(
    'endless',
    `    - name: endless\n      shell: true ${mark}; sleep 5004.${process.pid} & sleep 5005\n`,
  )
  const there = () => spawnSync('pgrep', ['-f', `${mark}|sleep 5004.${process.pid}`]).status === 0
  for (const how of ['twice', 'SIGKILL'] as const) {
    const run = startRunbook(['apply', file, '-i', inventory], undefined, { TMPDIR: temporary })
    await until('it runs here', there)
    if (how === 'SIGKILL') run.child.kill('SIGKILL')
    else {
      run.child.kill('SIGINT')
      await until('the first is told', () => run.stderr().includes('interrupted'))
      run.child.kill('SIGINT')
    }
    const end = await run.ended
    if (how === 'twice') assert.is(end.status, 130)
    await until('nothing runs', () => !there())
    await until('no file is left', () => spawnSync('ls', ['-A', temporary]).stdout.toString() === '')
  }
}

/** Three files of some megabytes and ten small ones, in one of two versions. */
function versions(): { name: string; files: { dest: string; bytes: Buffer }[] }[] {
  return ['a', 'b'].map((name) => {
    const files = [...'abcdefghijklm'].map((letter, i) => ({
      dest: `/srv/big${letter}`,
      bytes: randomBytes(i < 3 ? 1_500_000 * (i + 1) : 20_000),
    }))
    for (const [i, { bytes }] of files.entries()) writeFileSync(join(dir, `${name}${i + 1}`), bytes)
    return { name, files }
  })
}

async function halfFilesTest(lab: Lab): Promise<void> {
  const both = versions()
  const plays = both.map(({ name, files }) =>
    play(
      `big-${name}`,
      files
        .map((f, i) => `    - copy: { src: ${join(dir, `${name}${i + 1}`)}, dest: ${f.dest}, mode: '0640' }\n`)
        .join(''),
    ),
  )
  const first = runbook(['apply', plays[0]!, '-l', 'h1'], lab)
  assert.is(first.status, 0, first.stdout)
  const whole = both[0]!.files.map((_, i) => both.map((v) => sum(v.files[i]!.bytes)))
  const total = both[0]!.files.reduce((n, f) => n + f.bytes.length, 0)
  const host = lab.hosts[0]!
  const proxy = await startProxy(host)
  try {
    const known = join(dir, 'known_hosts')
    const key = readFileSync(lab.knownHostsFile, 'utf8').split('\n')[0]!.split(' ').slice(1).join(' ')
    writeFileSync(known, `[127.0.0.1]:${proxy.port} ${key}\n`)
    const reach = ['-i', lab.inventoryFile, '--known-hosts', known, '-l', 'h1']
    const by = [...reach, '-e', `ansible_host=127.0.0.1 ansible_port=${proxy.port}`, '--output', 'ndjson']
    for (let i = 0; i < 30; i++) {
      const before = proxy.passed.toHost
      const at = before + Math.floor(Math.random() * total * 1.02)
      const run = startRunbook(['apply', plays[(i + 1) % 2]!, ...by])
      await until('so much was sent', () => proxy.passed.toHost >= at, 60, run.ended)
      const cut = i % 3 === 2
      if (cut) proxy.cut()
      else run.child.kill('SIGKILL')
      const end = await run.ended
      if (cut && end.status !== 0) lostWhileRunning(end)
      const { stdout } = lab.run('h1', ['sh', '-c', 'sha256sum /srv/big?; stat -c %a /srv/big?'])
      for (const [n, allowed] of whole.entries())
        assert.ok(allowed.includes(stdout.split('\n')[n]!.split(' ')[0]!), `big${n + 1} is neither old nor new`)
      assert.equal(stdout.trim().split('\n').slice(whole.length), Array(whole.length).fill('640'))
      // the next run may meet with what this one began, unless it is to tell why it failed
      if ((i + 1) % 3 === 2) await nothingLeft(lab, 'h1')
    }
  } finally {
    await proxy.close()
  }
  await nothingLeft(lab, 'h1')
  assert.is(runbook(['apply', plays[1]!, '-l', 'h1'], lab).status, 0)
  const again = runbook(['apply', plays[1]!, '-l', 'h1', '--output', 'ndjson'], lab)
  assert.is(again.status, 0)
  assert.equal([...new Set(events(again).flatMap((e) => (e.event === 'task' ? [e.status] : [])))], ['ok'])
}

/** A connection that died is unreachable, and what ran then is named; nothing is ok that did not end. */
function lostWhileRunning(end: { status: number | null; stdout: string }): void {
  assert.is(end.status, 3, end.stdout)
  const all = events(end)
  const lost = all.find((e) => e.status === 'unreachable') as undefined | { event: string; message: string }
  assert.ok(lost, end.stdout)
  if (lost!.event === 'task') assert.match(lost!.message, /big[a-m].*the connection was lost while it ran/)
}

/** Kills the host's shell, what watches over it, and a step's own shell, in the middle of writing a file. */
async function killedShellTest(lab: Lab): Promise<void> {
  const waiting = (seconds: number) =>
    play(
      `validate-${seconds}`,
      `    - name: write\n      copy: { content: "%d\\n", dest: /srv/validated, validate: sh -c 'sleep ${seconds}; test -s %s' }\n`,
    )
  const pick = {
    loop: 'pgrep -o -f "^sh -c x=.*runbook"',
    watcher: 'pgrep -n -f "^sh -c x=.*runbook"',
    step: 'pgrep -o -f "^sh /tmp/runbook\\.[^ ]*/a"',
  }
  for (const [which, find] of Object.entries(pick)) {
    const seconds = which === 'watcher' ? 8 : 5006
    const run = startRunbook(['apply', waiting(seconds), '-l', 'h1', '--output', 'ndjson'], lab)
    await runsOn(lab, 'h1', `sleep ${seconds}`)
    assert.match(leftovers(lab, 'h1'), /\/srv\/\.runbook\./)
    const killed = lab.run('h1', ['sh', '-c', `p=$(${find}) && kill -KILL $p`])
    assert.is(killed.status, 0, `${which}: ${killed.stderr}`)
    // the step's shell is its group's leader; what it had started is not of its making any more
    if (which === 'step') lab.run('h1', ['pkill', '-f', `sleep ${seconds}`])
    const end = await run.ended
    const task = taskOf(end, 'write')[0] as undefined | { status: string; message: string }
    if (which === 'step') assert.is(`${end.status} ${task?.status}`, '1 failed', end.stdout)
    else assert.is(end.status, which === 'watcher' ? 0 : 3, `${which}: ${end.stdout}`)
    if (which === 'loop') assert.match(task?.message ?? '', /the connection was lost while it ran/)
    await nothingLeft(lab, 'h1', `sleep ${seconds}`)
    assert.is(lab.run('h1', ['test', '-e', '/srv/validated']).status, which === 'watcher' ? 0 : 1, which)
    lab.run('h1', ['rm', '-f', '/srv/validated'])
  }
}

async function rebootTest(lab: Lab): Promise<void> {
  const file = play(
    'reboot',
    "    - name: write\n      copy: { content: x, dest: /srv/r, validate: sh -c 'sleep 5007; test -s %s' }\n",
  )
  const run = startRunbook(['apply', file, '-l', 'h1', '--output', 'ndjson'], lab)
  await runsOn(lab, 'h1', 'sleep 5007')
  await lab.reboot('h1')
  const end = await run.ended
  assert.is(end.status, 3, end.stdout)
  const lost = taskOf(end, 'write')[0] as unknown as { status: string; message: string }
  assert.is(lost.status, 'unreachable')
  assert.match(lost.message, /create \/srv\/r \(1 byte\): the connection was lost while it ran/)
  // nobody was there to take the temporary file away: the next who writes there does, when it is old enough
  assert.match(leftovers(lab, 'h1'), /^\/srv\/\.runbook\.\d+\.\w+\n$/)
  lab.run('h1', ['sh', '-c', 'touch -d "1 hour ago" /srv/.runbook.*'])
  const next = play('rebooted', '    - copy: { content: x, dest: /srv/r }\n')
  const mended = runbook(['apply', next, '-l', 'h1'], lab)
  assert.is(mended.status, 0, mended.stdout)
  assert.is(lab.run('h1', ['cat', '/srv/r']).stdout, 'x')
  await nothingLeft(lab, 'h1')
}

/** What a command leaves in the background lives on, and nobody waits for it. */
async function backgroundTest(lab: Lab): Promise<void> {
  const started = [
    'nohup sleep 5011 &',
    'setsid sleep 5012 >/dev/null 2>&1 &',
    'sleep 5013 &',
    '(sleep 5014; :) & disown',
  ]
  const tasks = started.map((c) => `    - shell: ${c}\n      args: { executable: /bin/bash }\n`).join('')
  const end = runbook(['apply', play('background', tasks), '-l', 'h1'], lab, { timeout: 30_000 })
  assert.is(end.status, 0, end.stdout)
  // what was just started may not have come to its own name yet
  for (const n of [5011, 5012, 5013, 5014])
    await until(`${n} lives on`, () => lab.run('h1', ['pkill', '-f', `^sleep ${n}`]).status === 0)
  await nothingLeft(lab, 'h1')
}

async function floodTest(lab: Lab): Promise<void> {
  const tasks = `    - name: flood
      shell: head -c 100000000 /dev/zero | tr '\\0' x; echo end >&2
      register: flood
      changed_when: false
    - name: told
      debug: { msg: "<%= flood.stdout.length %> <%= flood.stderr %>" }
    - name: binary
      shell: head -c 3000 /dev/urandom; printf '\\n0123456789abcdef a1 0\\n\\0\\377'
      register: bytes
    - name: stdin
      command: cat
      register: input
    - name: read
      assert: { that: ["input.stdout === ''", "bytes.rc === 0"] }
`
  const run = startRunbook(['apply', play('flood', tasks), '-l', 'h1', '--output', 'ndjson'], lab)
  let most = 0
  const watch = setInterval(() => {
    const status = spawnSync('cat', [`/proc/${run.child.pid}/status`]).stdout.toString()
    most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
  }, 200)
  const end = await run.ended
  clearInterval(watch)
  assert.is(end.status, 0, end.stdout.slice(-2000))
  const told = taskOf(end, 'told')[0] as unknown as { output: string }
  assert.is(told.output, '16000000 end')
  assert.match(end.stdout, /only the first 16 MB of its output are kept/)
  assert.ok(most > 0 && most < 300_000, `${most} kB`)
  await nothingLeft(lab, 'h1')
}

/** The reader goes away in the middle: the run goes on to its end, and says nothing wild. */
async function pipeTest(lab: Lab): Promise<void> {
  const file = play(
    'pipe',
    '    - command: echo one\n    - command: echo two\n    - copy: { content: x, dest: /srv/piped }\n',
  )
  const main = join(process.cwd(), 'dist/main.js')
  const reach = `-i ${lab.inventoryFile} --known-hosts ${lab.knownHostsFile}`
  const wild = /EPIPE|Error:|node:/
  for (const output of ['plain', 'ndjson', 'pretty']) {
    const script = `${process.execPath} ${main} apply ${file} ${reach} --output ${output} | head -1 >/dev/null; echo \${PIPESTATUS[0]}`
    const done = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
    assert.is(done.stdout, '0\n', done.stderr)
    assert.not.match(done.stderr, wild)
  }
  for (const args of ['modules', '--help', `hosts --json -i ${lab.inventoryFile}`]) {
    const done = spawnSync('bash', ['-c', `${process.execPath} ${main} ${args} | :; echo \${PIPESTATUS[0]}`], {
      encoding: 'utf8',
    })
    assert.is(done.stdout, '0\n', done.stderr)
    assert.not.match(done.stderr, wild, args)
  }
  await nothingLeft(lab, 'h1')
}

/** A terminal that is closed is a signal, and nothing that is written to it then goes wrong. */
async function closedTerminalTest(lab: Lab): Promise<void> {
  lab.run('h1', ['rm', '-f', '/run/go', '/run/done'])
  const file = play(
    'terminal',
    '    - shell: true mark-terminal; until test -e /run/go; do sleep 0.05; done; echo ran >/run/done\n    - command: touch /run/next\n',
  )
  const main = join(process.cwd(), 'dist/main.js')
  const args = [process.execPath, main, 'apply', file, '-l', 'h1', '-i', lab.inventoryFile]
  const argv = JSON.stringify([...args, '--known-hosts', lab.knownHostsFile])
  const code = join(dir, 'code')
  const script = `
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0: os.execvp(${JSON.stringify(process.execPath)}, ${argv})
print("up", flush=True)
sys.stdin.readline()
os.close(fd)
_, status = os.waitpid(pid, 0)
open(${JSON.stringify(code)}, "w").write(str(os.waitstatus_to_exitcode(status)))`
  const child = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  await runsOn(lab, 'h1', 'mark-terminal')
  child.stdin.write('close\n')
  const ended = new Promise((resolve) => child.on('close', resolve))
  await hostKnows(lab)
  lab.run('h1', ['touch', '/run/go'])
  await ended
  assert.is(readFileSync(code, 'utf8'), '-1', 'it ends as a program does whose terminal is gone')
  assert.is(lab.run('h1', ['cat', '/run/done']).stdout, 'ran\n')
  await nothingLeft(lab, 'h1', 'mark-terminal')
}

labSuite(2, [
  ['the first signal lets the running step end, starts nothing new, and tells how it stands', signalsTest],
  ['the second signal ends what runs, also what does not want to', secondSignalTest],
  ['a controller that is killed leaves nothing', killedControllerTest],
  ['the same on this machine', localTest],
  ['a file is old or new, whenever the controller is killed or the connection cut', halfFilesTest],
  ['a shell that is killed on the host leaves nothing', killedShellTest],
  ['what runs in the background lives on', backgroundTest],
  ['a flood of output, any bytes, and nothing to read', floodTest],
  ['a reader that goes away', pipeTest],
  ['a terminal that is closed', closedTerminalTest],
  ['a host that goes down in the middle', rebootTest],
])
