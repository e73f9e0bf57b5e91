import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scratchDir } from '../engine/scratch.ts'
import { shown } from './emulator.ts'

// The built command line on a real pseudo-terminal, hosts that are this machine.

interface Step {
  readonly see: string
  readonly send?: string
  readonly columns?: number
  /** A file to make. */
  readonly touch?: string
}

interface Asked {
  readonly columns?: number
  readonly rows?: number
  readonly steps?: readonly Step[]
  readonly env?: Readonly<Record<string, string>>
  readonly options?: readonly string[]
}

const dir = scratchDir()
const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0
const onTerminal = hasPython ? test : test.skip
if (!hasPython) for (let i = 0; i < 8; i++) console.log('SKIP no python3, which makes the pseudo-terminal')

writeFileSync(join(dir, 'hosts.yml'), 'all: { vars: { ansible_connection: local }, hosts: { "h[1:3]": } }\n')
let count = 0

function playbook(tasks: string, at = dir): string {
  const path = join(at, `play-${++count}.yml`)
  writeFileSync(path, `- name: a play\n  hosts: all\n  tasks:\n${tasks.replace(/^/gm, '    ')}\n`)
  return path
}

async function runbook(path: string, asked: Asked = {}) {
  const { columns = 100, rows = 30, steps = [], env = {}, options = [] } = asked
  const command = [process.execPath, 'dist/main.js', 'apply', path, '-i', join(dir, 'hosts.yml'), ...options]
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...rest } = process.env
  const child = spawn(
    'python3',
    ['test/report/terminal.py', `${columns}`, `${rows}`, JSON.stringify(steps), ...command],
    {
      env: { ...rest, TERM: 'xterm-256color', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const bytes = Buffer.concat(chunks).toString()
  return { code, bytes, ...shown(bytes.replaceAll('^C', ''), columns) }
}

const waiting = `- name: wait
  shell: sleep 0.2; echo waited`

/** A task that waits for a file. */
const held = (go: string, name = 'wait') => `- name: ${name}
  shell: until test -e ${go}; do sleep 0.1; done`

const drawn = (host: string) => new RegExp(`\\S(?:\\x1b\\[39m)? ${host}  0/3  wait: run until`)

onTerminal('rows live below what is told; in the end changes, failures and recap are there once', async () => {
  const go = join(dir, 'go-on')
  const path = playbook(`${held(go)}
- name: say
  debug: { msg: hello there }
- name: fall
  shell: echo broken >&2; exit 3
  when: inventory_hostname == 'h2'`)
  // the rows are drawn in their order
  const steps = ['h1', 'h2', 'h3'].map((host) => ({ see: `${host}  0/3  wait: run until` }))
  const { code, bytes, lines, cursorHidden } = await runbook(path, {
    steps: [...steps.slice(0, 2), { ...steps[2]!, touch: go }],
  })
  assert.is(code, 1)
  for (const host of ['h1', 'h2', 'h3']) {
    assert.match(bytes, drawn(host))
    assert.is(lines.filter((l) => l === `changed ${host}: wait`).length, 1)
    assert.is(lines.filter((l) => l === `ok ${host}: say`).length, 1)
  }
  const at = lines.indexOf('failed h2: fall')
  assert.equal(lines.slice(at + 1, at + 3), [
    '    run echo broken >&2; exit 3: exit status 3: broken',
    `    at ${path}:8`,
  ])
  const recap = lines.findIndex((l) => l.startsWith('RECAP (3 hosts'))
  assert.ok(recap > at)
  assert.match(lines[recap + 2]!, /^h2 {2}ok=1 {2}changed=1 {2}skipped=0 {2}failed=1/)
  assert.equal(lines.slice(recap + 4).filter(Boolean), ['3 changes on 3 hosts', 'failed: h2'])
  assert.not.ok(cursorHidden)
})

onTerminal('Ctrl-C while rows are live: what runs ends, nothing new starts, the recap is told', async () => {
  const go = join(dir, 'interrupted')
  const path = playbook(`${held(go)}\n- name: never\n  shell: echo never\n- debug: {}`)
  const steps = [
    { see: 'wait: run until', send: '\x03' },
    { see: 'interrupted: the running steps end', touch: go },
  ]
  const { code, lines, cursorHidden } = await runbook(path, { steps })
  assert.is(code, 130)
  assert.not.ok(cursorHidden)
  assert.ok(lines.some((l) => l.startsWith('interrupted: the running steps end')))
  assert.ok(lines.some((l) => /^RECAP .*, interrupted\)$/.test(l)))
  assert.not.ok(lines.some((l) => l.includes('never')))
})

onTerminal('Ctrl-C twice: ends at once, the cursor is back, no row is left', async () => {
  const path = playbook('- name: wait\n  shell: sleep 300\n- debug: {}\n- debug: {}')
  const steps = [
    { see: 'wait: run sleep', send: '\x03' },
    { see: 'once more ends at once', send: '\x03' },
  ]
  const began = performance.now()
  const { code, lines, cursorHidden } = await runbook(path, { steps })
  assert.is(code, 130)
  assert.ok(performance.now() - began < 200_000)
  assert.not.ok(cursorHidden)
  assert.not.ok(
    lines.some((l) => /^\S h1 /.test(l)),
    lines.join('\n'),
  )
})

onTerminal('a bug that ends the process leaves the terminal as it was', async () => {
  const at = join(dir, 'crash')
  mkdirSync(join(at, 'modules'), { recursive: true })
  writeFileSync(
    join(at, 'modules/crash.mjs'),
    `import { defineModule } from 'runbook/module'
export default defineModule({ name: 'crash', summary: 'Crashes.', params: { type: 'object', properties: {} } })({
  plan: () => {
    setTimeout(() => { throw new Error('a bug') }, 500)
    return { steps: [] }
  },
})
`,
  )
  const path = playbook('- crash: {}\n- name: wait\n  shell: sleep 30', at)
  const { code, bytes, lines, cursorHidden } = await runbook(path)
  assert.is(code, 1)
  assert.match(bytes, '\x1b[?25l')
  assert.not.ok(cursorHidden)
  assert.ok(lines.some((l) => l.includes('Error: a bug')))
  assert.not.ok(
    lines.some((l) => /^\S h1 /.test(l)),
    lines.join('\n'),
  )
})

onTerminal('40 columns, then 60: a row is one line', async () => {
  const go = join(dir, 'wide')
  const path = playbook(`${held(go, 'a long name '.repeat(20))}
- debug: { msg: end }`)
  const steps = [
    { see: 'a long', columns: 60 },
    { see: 'a long name '.repeat(3), touch: go },
  ]
  const { code, bytes } = await runbook(path, { columns: 40, steps })
  assert.is(code, 0)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is meant
  const rows = bytes.replace(/\x1b\[[?\d]*[A-Za-z]/g, '').match(/\S h\d {2}0\/2 {2}.*/g)!
  assert.ok(rows.length > 0)
  assert.ok(rows.every((row) => row.length <= 60))
  assert.ok(rows.some((row) => row.length <= 40))
  assert.ok(rows.some((row) => row.length > 40))
})

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is meant
const [cursorMoves, colours] = [/\x1b\[(?:\?25|1A|2K)/, /\x1b\[3\dm/]

onTerminal('TERM=dumb: neither rows nor colours', async () => {
  const { bytes } = await runbook(playbook(waiting), { env: { TERM: 'dumb' } })
  assert.not.match(bytes, '\x1b')
})

onTerminal('CI=true and --output plain: colours, no rows', async () => {
  for (const asked of [{ env: { CI: 'true' } }, { options: ['--output', 'plain'] }]) {
    const { bytes } = await runbook(playbook(waiting), asked)
    assert.not.match(bytes, cursorMoves)
    assert.match(bytes, colours)
  }
})

onTerminal('NO_COLOR: rows, no colours', async () => {
  const { bytes } = await runbook(playbook(waiting), { env: { NO_COLOR: '1' } })
  assert.match(bytes, cursorMoves)
  assert.not.match(bytes, colours)
})

test('off a terminal, --output pretty is plain, and a reader that goes away is no error', () => {
  const path = playbook('- debug: { msg: hello }')
  const args = [path, '-i', join(dir, 'hosts.yml'), '--output', 'pretty']
  const piped = spawnSync(process.execPath, ['dist/main.js', 'apply', ...args], { encoding: 'utf8' })
  assert.is(piped.status, 0)
  assert.not.match(piped.stdout, '\x1b')
  assert.match(piped.stdout, 'ok h1: debug\n    hello\n')
  const gone = spawnSync(
    'sh',
    ['-c', 'exec 3>&1; { "$@"; echo $? >&3; } | true', 'sh', process.execPath, 'dist/main.js', 'apply', ...args],
    { encoding: 'utf8' },
  )
  assert.is(gone.stdout, '0\n')
  assert.is(gone.stderr, '')
})

test.run()
