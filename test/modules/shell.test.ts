import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from '../engine/scratch.ts'
import { plan } from './plan.ts'

test('the text is what the shell reads, and how it is registered', async () => {
  const { steps, result } = await plan('shell', 'ls -l | head -1 >"$HOME/x y"')
  assert.equal(steps, ['run ls -l | head -1 >"$HOME/x y"'])
  assert.is(result.cmd, 'ls -l | head -1 >"$HOME/x y"')
  const long = await plan('shell', { cmd: `echo one\n  echo ${'x'.repeat(200)}\n` })
  assert.is(long.steps[0], `run echo one echo ${'x'.repeat(99 - 14)}…`)
})

test('what is wrong with its parameters', async () => {
  const invalid = async (params: unknown) => (await plan('shell', params)).invalid
  assert.equal(await invalid(null), ['`shell` needs the parameter `cmd`'])
  assert.equal(await invalid({ cmd: 'x', argv: ['x'] }), ['`shell` has no parameter `argv`'])
  assert.equal(await invalid('cd /x && make chdir=/y'), ['`chdir=` inside the text is no parameter here'])
  assert.is((await plan('shell', { cmd: ' \n' })).failed, 'there is no command to run')
})

test('a quote without an end is the shell’s own business', async () => {
  const { tasks } = await run('apply', `- hosts: all\n  tasks:\n    - shell: "echo 'open"\n`)
  assert.is(tasks[0]!.status, 'failed')
  assert.match(tasks[0]!.message ?? '', /^run echo 'open: exit status 2: /)
})

test('on a real host: pipes, here-documents, another shell, directories, standard input', async () => {
  const dir = scratchDir()
  const text = `
- hosts: all
  tasks:
    - shell: |
        cat <<END | tr a-z A-Z
        $((6 * 7)) it's "quoted"
        END
      register: r
    - assert: { that: ["r.stdout.startsWith('42 IT')", r.stdout.length == 16] }
    - shell: { cmd: 'echo "$0 \${BASH_VERSION:+bash}"; shopt -q extglob; [[ a == a ]]', executable: /bin/bash }
      register: b
    - assert: { that: ["b.stdout == '/bin/bash bash'", b.rc == 0] }
    - shell: { cmd: 'pwd; cat', chdir: "${dir}", stdin: "x" }
      register: d
    - assert: { that: ["d.stdout_lines[0] == '${dir}'", "d.stdout_lines[1] == 'x'"] }
    - shell: touch made
      args: { chdir: "${dir}", creates: made }
      register: first
    - shell: touch made
      args: { chdir: "${dir}", creates: "m*e" }
      register: second
    - assert: { that: [first.changed, second.changed == false, "second.stdout == 'skipped, since m*e exists'"] }
    - shell: exit 7
      register: f
      failed_when: f.rc != 7
    - shell: kill -9 $$
      register: k
      ignore_errors: true
    - assert: { that: [k.rc == 137] }
    - shell: echo x
      args: { executable: /no/such/shell }
      register: n
      ignore_errors: true
    - assert: { that: [n.rc == 127] }
`
  const { tasks } = await run('apply', text)
  assert.equal(
    tasks.filter((t) => t.status === 'failed' && !t.ignored).map((t) => `${t.at} ${t.message}`),
    [],
  )
})

test.run()
