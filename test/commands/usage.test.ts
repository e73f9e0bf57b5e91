import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../until.ts'
import { localHosts, Rig } from './rig.ts'

const rig = new Rig({
  'hosts.yml': localHosts('h1', 'h2'),
  'good.yml': '- hosts: all\n  tasks: [{ ping: }]\n',
  'wrong.yml': '- hosts: all\n  tasks: [{ pong: }]\n',
  'several/good.yml': '- hosts: all\n  tasks: [{ ping: }]\n',
  'several/inventory/README.md': 'two\n',
  'several/inventory/a/hosts.yml': localHosts('h1'),
  'several/inventory/b/hosts.yml': localHosts('h2'),
  'latin1.yml': Buffer.from('- hosts: all\n  name: caf\xe9\n  tasks: []\n', 'latin1'),
  'nul.yml': '- hosts: all\n  tasks: []\n\0\n',
})

for (const command of ['', 'apply', 'check', 'validate', 'hosts', 'modules', 'run'])
  for (const flag of ['-h', '--help'])
    test(`help: runbook ${command} ${flag}`, () => {
      const { status, stdout, stderr } = rig.run([...(command ? [command] : []), flag])
      assert.is(status, 0)
      assert.is(stderr, '')
      assert.match(stdout, `Usage: runbook ${command}`.trim())
      assert.match(stdout, /Examples:\n( {2}\$ runbook .*\n)+/)
      assert.match(stdout, 'Exit codes: 0 ')
    })

test('every option that the help names is one', () => {
  for (const command of ['apply', 'check', 'validate', 'run', 'hosts']) {
    const { stdout } = rig.run([command, '-h'])
    for (const option of '-i --inventory -l --limit -e --extra-vars -u --user --private-key'.split(' '))
      assert.match(stdout, ` ${option}`)
    if (command !== 'hosts')
      for (const option of '-t --tags --skip-tags -f --forks -D --diff -b --become --ask-become-pass --ask-pass --ask-vault-token --accept-new -v --output --strict --force-handlers'.split(
        ' ',
      ))
        assert.match(stdout, ` ${option}`)
  }
})

test('the version is the package’s', () => {
  assert.match(rig.run(['--version']).stdout, /^\d+\.\d+\.\d+\n$/)
})

const wrong: readonly [args: string, message: RegExp, input?: string][] = [
  ['', /Usage: runbook/],
  ['aply good.yml', /unknown command 'aply'[\s\S]*Did you mean apply/],
  ['apply', /missing required argument 'playbook'[\s\S]*fix: /],
  ['apply good.yml --fork 2', /unknown option '--fork'[\s\S]*Did you mean --forks/],
  ['apply good.yml -f 0', /a whole number from 1[\s\S]*fix: /],
  ['apply good.yml -f many', /a whole number from 1/],
  ['apply good.yml -T 0', /a whole number from 1/],
  ['apply good.yml -T 3000000', /at most 2147483/],
  ['apply good.yml --output xml', /Allowed choices are pretty, plain, ndjson/],
  ['apply good.yml -l', /argument missing/],
  ['apply nowhere.yml', /nowhere\.yml cannot be read: there is no such file/],
  ['apply .', /\. cannot be read: it is a directory\n {2}fix: name a file in it/],
  ['apply hosts.yml/x', /a part of its path is no directory/],
  [
    'apply good.yml wrong.yml nowhere.yml',
    /nowhere[\s\S]*wrong\.yml:2:13: error\[unknown-module\][\s\S]*did you mean `ping`[\s\S]*2 errors; nothing was connected/,
  ],
  ['apply latin1.yml', /latin1\.yml:2:12: error\[file\]: the file is not UTF-8[\s\S]*fix: /],
  ['apply nul.yml', /nul\.yml:3:1: error\[file\]: there is a NUL byte/],
  ['apply -', /standard-input:1:3: error\[hosts\]/, '- tasks: []'],
  ['apply good.yml -i nowhere', /there is no inventory at nowhere\n {2}fix: /],
  [
    'apply several/good.yml',
    /several\/inventory\/ holds several inventories, and none is taken\n {2}fix: -i several\/inventory\/a, or -i several\/inventory\/b\n[\s\S]*1 error/,
  ],
  ['apply good.yml -i h1,', /there is no inventory at h1,\n {2}fix: hosts are named in a file/],
  ['apply good.yml -l h9', /--limit names no host or group: h9\n {2}fix: did you mean/],
  ['apply good.yml -l ', /--limit is empty/],
  ['apply good.yml -l ~h(', /no regular expression/],
  ['apply good.yml -e oops', /--extra-vars is key=value[\s\S]*fix: /],
  ['apply good.yml -e @nowhere.yml', /nowhere\.yml cannot be read/],
  ['apply good.yml -e {"a":', /error\[yaml\]/],
  ['apply good.yml --ask-pass', /there is no terminal to ask on/],
  ['apply good.yml --ask-become-pass', /there is no terminal to ask on/],
  ['apply good.yml -l @nowhere', /nowhere cannot be read: there is no such file/],
  ['apply good.yml -l h1:!h1', /--limit leaves no host: h1:!h1/],
  ['apply good.yml --check', /unknown option '--check'[\s\S]*fix: `runbook check …`\n$/],
  ['apply good.yml --become-user=x', /unknown option '--become-user[\s\S]*fix: `become_user` in the playbook/],
  ['run -m ping', /unknown option '-m'[\s\S]*fix: `runbook run MODULE key=value …`/],
  ['run apt -l all', /there is no module apt\n {2}fix: write `package`/],
  ['hosts --graph --json', /cannot be used with/],
  ['hosts nope', /no host or group nope\n {2}fix: /],
  ['hosts web --graph', /no host or group web/],
  ['modules cpy', /there is no module cpy\n {2}fix: did you mean copy/],
  ['run ping', /the hosts are not named\n {2}fix: -l PATTERN/],
  ['run ping -l ', /the hosts are not named/],
  ['run pingg -l all', /there is no module pingg\n {2}fix: did you mean ping/],
  ['run copy nonsense -l all', /`nonsense` is no parameter\n {2}fix: /],
  ['run copy contnt=x dest=/a -l all', /`copy` has no parameter `contnt`[\s\S]*did you mean `content`/],
  ['run file path=/a state=x -l all', /`state` is one of/],
]
for (const [args, message, input] of wrong)
  test(`exit 4: runbook ${args}`, () => {
    const { status, stdout, stderr } = rig.run(args === '' ? [] : args.split(' '), input === undefined ? {} : { input })
    assert.match(stderr, message)
    assert.is(stdout, '')
    assert.is(status, 4)
    assert.not.match(stderr, /\n {4}at /)
  })

test('nothing is connected while anything is wrong', async () => {
  let met = 0
  const server = createServer((socket) => {
    met += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  rig.write('ssh.yml', `all: { hosts: { s1: { ansible_host: 127.0.0.1, ansible_port: ${port}, ansible_user: x } } }\n`)
  const ended = async (...args: string[]) => {
    const child = rig.start([...args, '-i', 'ssh.yml', '-T', '2'])
    return new Promise<number | null>((resolve) => child.on('close', resolve))
  }
  try {
    assert.is(await ended('apply', 'good.yml', 'wrong.yml'), 4)
    assert.is(await ended('check', 'good.yml', '-e', 'oops'), 4)
    assert.is(await ended('validate', 'good.yml'), 0)
    assert.is(await ended('run', 'pingg', '-l', 'all'), 4)
    assert.is(met, 0)
    assert.is(await ended('apply', 'good.yml'), 3)
    await until(() => met > 0)
  } finally {
    server.close()
  }
})

test('a playbook comes from a pipe too', () => {
  const text = '- hosts: h1\n  tasks: [{ ping: }]\n'
  assert.is(rig.run(['validate', '-'], { input: text }).status, 0)
  const main = join(process.cwd(), 'dist/main.js')
  const said = execFileSync(
    'bash',
    ['-c', `"${process.execPath}" "${main}" validate <(printf '%s' "$0") -i hosts.yml`, text],
    { cwd: rig.dir, encoding: 'utf8' },
  )
  assert.match(said, /^valid: 1 play, 1 task, 0 handlers, 1 host\n/)
})

test('CRLF and a byte order mark are no matter', () => {
  rig.write('crlf.yml', '\ufeff- hosts: all\r\n  tasks:\r\n    - ping:\r\n    - shell: |\r\n        echo a\r\n')
  assert.is(rig.run(['validate', 'crlf.yml']).status, 0)
  rig.write('crlf-wrong.yml', '\ufeff- hosts: all\r\n  tasks:\r\n    - pong:\r\n')
  const { status, stderr } = rig.run(['validate', 'crlf-wrong.yml'])
  assert.is(status, 4)
  assert.match(stderr, 'crlf-wrong.yml:3:7: error[unknown-module]')
  assert.match(stderr, '> 3 |     - pong:\n    |       ^^^^\n')
})

test('what is large or deep is read, or refused, in bounded time', () => {
  rig.write('deep.yml', `- hosts: all\n  vars:\n    a: ${'['.repeat(50_000)}${']'.repeat(50_000)}\n`)
  const deep = rig.run(['validate', 'deep.yml'])
  assert.is(deep.status, 4)
  assert.match(deep.stderr, 'error[yaml]')
  const tasks = Array.from({ length: 3000 }, (_, i) => `    - copy: { content: "<%= 'x' %>", dest: /tmp/${i} }\n`)
  rig.write('large.yml', `- hosts: all\n  tasks:\n${tasks.join('')}`)
  assert.match(rig.run(['validate', 'large.yml']).stdout, '3000 tasks')
  rig.write('huge.yml', Buffer.alloc(65 * 1024 * 1024, '#'))
  const huge = rig.run(['validate', 'huge.yml'])
  assert.is(huge.status, 4)
  assert.match(huge.stderr, 'larger than 64 MiB')
  rig.write(
    'redos.yml',
    `- hosts: h1\n  vars: { text: '${'a'.repeat(40)}b' }\n  tasks: [{ debug: { msg: x }, when: '/^(a+)+$/.test(text)' }]\n`,
  )
  assert.is(rig.run(['apply', 'redos.yml']).status, 0)
  rig.write(
    'loops.yml',
    '- hosts: h1\n  tasks: [{ debug: { msg: "<%= range(0, 1000000).map(a => range(0, 1000000).map(b => b)).length %>" } }]\n',
  )
  const loops = rig.run(['apply', 'loops.yml'])
  assert.is(loops.status, 1)
  assert.match(loops.stdout, 'this takes too long')
})

test.run()
