import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from '../engine/scratch.ts'
import { type Given, plan } from './plan.ts'

const steps = async (params: unknown, given: Given = {}) => (await plan('command', params, given)).steps

test('a line is split as a shell quotes it, without a shell; a list is taken as it is', async () => {
  const argv = async (cmd: string) => (await plan('command', cmd)).result.cmd
  assert.equal(await argv(`echo 'a  b' "c d" e\\ f "" 'it''s'`), ['echo', 'a  b', 'c d', 'e f', '', 'its'])
  assert.equal(await argv(`printf "\\n\\"x\\" \\$y" | cat`), ['printf', '\\n"x" \\$y', '|', 'cat'])
  assert.equal(await steps({ argv: ['ls', '-l', 'a b'] }), ['run ls -l a b'])
  assert.equal(await steps({ cmd: 'uname   -s' }), ['run uname -s'])
})

test('what is wrong with its parameters is told before anything connects', async () => {
  const invalid = async (params: unknown) => (await plan('command', params)).invalid
  assert.equal(await invalid(null), ['`command` needs one of `cmd`, `argv`'])
  assert.equal(await invalid({ cmd: 'ls', argv: ['ls'] }), ['`cmd` and `argv` exclude each other'])
  assert.equal(await invalid("echo 'open"), ['`cmd` cannot be read: a single quote has no end'])
  assert.equal(await invalid({ cmd: 'ls', chdri: '/' }), ['`command` has no parameter `chdri`'])
  const inline = await plan('command', 'touch /x creates=/x')
  assert.equal(inline.invalid, ['`creates=` inside the text is no parameter here'])
  assert.match(inline.hint ?? '', /`args: { creates: \/x }`/)
  assert.equal(await steps({ cmd: 'env executable=1 true' }), ['run env executable=1 true'])
  assert.is((await plan('command', '  ')).failed, 'there is no command to run')
})

test('creates and removes: a path or a glob, below chdir or the home where it is not absolute', async () => {
  const host = { '/a/there': 'x', '/root/mine': 'x' }
  assert.equal(await steps({ cmd: 'x', creates: '/a/there' }, { host }), [])
  assert.equal(await steps({ cmd: 'x', creates: '/a/not' }, { host }), ['run x'])
  assert.equal(await steps({ cmd: 'x', creates: 'there', chdir: '/a' }, { host }), [])
  assert.equal(await steps({ cmd: 'x', creates: '~/mine' }, { host }), [])
  assert.equal(await steps({ cmd: 'x', creates: 'mine' }, { host }), [])
  assert.equal(await steps({ cmd: 'x', removes: '/a/there' }, { host }), ['run x'])
  const passed = await plan('command', { cmd: 'x y', removes: '/a/not' }, { host })
  assert.equal(passed.result, {
    cmd: ['x', 'y'],
    rc: 0,
    stdout: 'skipped, since /a/not does not exist',
    stdout_lines: ['skipped, since /a/not does not exist'],
    stderr: '',
    stderr_lines: [],
    msg: 'the command was not run, since /a/not does not exist',
  })
  const glob = async (status: number) => steps({ cmd: 'x', creates: '/a/t*' }, { outputs: () => ({ status }) })
  assert.equal([await glob(0), await glob(1)], [[], ['run x']])
})

test('its output is given as text and as lines, as Python ends them', async () => {
  const { settle } = await plan('command', 'x')
  const said = settle({ stdout: 'a\r\nb\rc\n\n', stderr: '' })
  assert.equal(said.result, { rc: 0, stdout: 'a\r\nb\rc', stdout_lines: ['a', 'b', 'c'], stderr: '', stderr_lines: [] })
  const bare = await plan('command', { cmd: 'x', strip_empty_ends: false })
  assert.equal(bare.settle({ stdout: 'a\n\n' }).result.stdout_lines, ['a', ''])
  const failed = settle({ status: 3, stderr: 'no such thing\n' })
  assert.match(failed.failed ?? '', /^run x: exit status 3: no such thing/)
  assert.is(failed.result.rc, 3)
})

test('on a real host: arguments, environment, standard input, globs, links', async () => {
  const dir = scratchDir()
  mkdirSync(`${dir}/odd "$(id)"`)
  symlinkSync('nowhere', `${dir}/dangling-link`)
  writeFileSync(`${dir}/.hidden`, '')
  const text = `
- hosts: all
  tasks:
    - command: { argv: [printf, "%s|", "a  b", "$HOME", "\${NOT_SET_AT_ALL}", "$(id)", "*", ~/x, "", "it's", "-n"] }
      register: r
    - assert: { that: ["r.stdout == 'a  b|' + facts.home + '|\${NOT_SET_AT_ALL}|$(id)|*|' + facts.home + '/x||it\\\\'s|-n|'"] }
    - command: { argv: [printf, "%s", "$HOME ~/x"], expand_argument_vars: false }
      register: plain
    - assert: { that: plain.stdout == '$HOME ~/x' }
    - command: { cmd: cat, stdin: "one\\ntwo" }
      register: cat
    - assert: { that: ["cat.stdout == 'one\\\\ntwo'", cat.stdout_lines.length == 2, cat.cmd.length == 1] }
    - command: { cmd: wc -c, stdin: "12345", stdin_add_newline: false }
      register: wc
    - assert: { that: wc.stdout.trim() == '5' }
    - command: { cmd: pwd, chdir: ${JSON.stringify(`${dir}/odd "$(id)"`)} }
      register: pwd
    - assert: { that: "pwd.stdout.endsWith('odd \\"$(id)\\"')" }
    - command: { cmd: "false", creates: "${dir}/dangling*" }
    - command: { cmd: "false", removes: "${dir}/*" , creates: "${dir}/dangling-link" }
    - command: { cmd: "true", removes: "${dir}/h*" }
      register: none
    - assert: { that: [none.changed == false, none.rc == 0] }
    - command: printf '\\303\\050\\000\\377x'
      register: bytes
    - command: cat
      args: { stdin: "<%= bytes.stdout %>", stdin_add_newline: false }
      register: again
    - assert: { that: bytes.stdout == again.stdout }
`
  const { tasks } = await run('apply', text)
  assert.equal(
    tasks.filter((t) => t.status === 'failed').map((t) => `${t.module} ${t.at} ${t.message}`),
    [],
  )
})

test('judged: failed_when, changed_when, ignored failures, loops', async () => {
  const text = `
- hosts: all
  tasks:
    - command: sh -c 'echo out; echo err >&2; exit 4'
      register: r
      ignore_errors: true
    - assert: { that: [r.failed, r.rc == 4, r.stdout == 'out', "r.stderr_lines[0] == 'err'", r.changed] }
    - command: sh -c 'exit 3'
      register: j
      failed_when: j.rc != 3
      changed_when: j.rc == 0
    - assert: { that: ["!j.failed", "!j.changed"] }
    - command: echo <%= item %>
      loop: [a, b]
      register: l
    - assert:
        that:
          - l.results.length == 2 && l.results[1].stdout == 'b'
          - l.results[0].item == 'a' && l.changed && !l.failed
    - command: /no/such/program
      ignore_errors: true
      register: missing
    - assert: { that: [missing.failed, missing.rc == 127] }
`
  const { tasks } = await run('apply', text)
  assert.equal(
    tasks.map((t) => `${t.module} ${t.status}`),
    [
      'command failed',
      'assert ok',
      'command ok',
      'assert ok',
      'command changed',
      'command changed',
      'assert ok',
      'command failed',
      'assert ok',
    ],
  )
})

test('check runs nothing, says so, and names the command that makes what follows unknown', async () => {
  const dir = scratchDir()
  const text = `
- hosts: all
  tasks:
    - command: touch ${dir}/made
    - file: { path: ${dir}/made, mode: '0600' }
    - command: touch ${dir}/other
      affects: ["${dir}/other"]
    - file: { path: ${dir}/new, state: directory }
    - command: touch ${dir}/third
      args: { creates: "${dir}/third" }
`
  const { tasks } = await run('check', text)
  assert.not.ok(existsSync(`${dir}/made`))
  assert.equal(
    tasks.map((t) => [t.status, t.changes[0] ?? t.message]),
    [
      ['changed', `run touch ${dir}/made`],
      ['unknown', `run touch ${dir}/made`],
      ['changed', `run touch ${dir}/other`],
      ['unknown', `run touch ${dir}/made`],
      ['unknown', `run touch ${dir}/made`],
    ],
  )
  const narrow = await run('check', text.replace(`touch ${dir}/made`, `touch ${dir}/made\n      affects: nothing`))
  assert.equal(
    narrow.tasks.map((t) => t.status),
    ['changed', 'failed'],
  )
})

test.run()
