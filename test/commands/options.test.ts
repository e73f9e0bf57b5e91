import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Event, localHosts, Rig } from './rig.ts'

const rig = new Rig({
  'hosts.yml': localHosts('h1', 'h2', 'h3'),
  'more/a.yml':
    'web: { hosts: { h2: , h4: { ansible_connection: local, v: host } }, vars: { ansible_connection: local } }\n',
  'group_vars/all.yml': 'v: group\n',
  'say.yml':
    '- hosts: all\n  vars: { w: play }\n  tasks:\n    - debug: { msg: "<%= v %>/<%= w %>" }\n      vars: { w: task }\n',
  'change.yml':
    '- hosts: h1\n  tasks:\n    - copy: { content: "one\\ntwo\\n", dest: "<%= dir %>/change" }\n    - debug: { msg: quiet }\n      when: false\n',
  'vars.yml': 'v: file\nw: "<%= v %> <%= inventory_hostname %>"\nlist: [1, 2]\n',
  'vars.json': '{"v": "json", "w": {"x": [true, null]}}',
})
const said = (...args: string[]) =>
  rig.events(['apply', 'say.yml', ...args]).flatMap((e) => (e.event === 'task' ? [`${e.host} ${e.output}`] : []))
const h1 = (...args: string[]) => said('-l', 'h1', ...args)[0]

test('-i is repeatable, a file or a folder', () => {
  assert.equal(said().sort(), ['h1 group/task', 'h2 group/task', 'h3 group/task'])
  assert.equal(said('-i', 'more').sort(), ['h2 group/task', 'h4 host/task'])
  assert.equal(said('-i', 'hosts.yml', '--inventory', 'more/a.yml').length, 4)
})

test('-l takes patterns', () => {
  const hosts = (pattern: string) =>
    said('-l', pattern, '-i', 'hosts.yml', '-i', 'more')
      .map((s) => s.slice(0, 2))
      .sort()
  assert.equal(hosts('h1'), ['h1'])
  assert.equal(hosts('h1,h3'), ['h1', 'h3'])
  assert.equal(hosts('all:!web'), ['h1', 'h3'])
  assert.equal(hosts('web:&h[!4]'), ['h2'])
  assert.equal(hosts('~h[34]'), ['h3', 'h4'])
  rig.write('few', '# those that failed\nh1\n\nh3\r\n')
  assert.equal(hosts('@few'), ['h1', 'h3'])
  assert.equal(hosts('@few,h2,!h1'), ['h2', 'h3'])
  assert.is(rig.run(['hosts', '-l', '@few']).stdout, 'h1\nh3\n')
  assert.match(rig.run(['run', 'ping', '-l', '@few']).stdout, '(2 hosts)')
})

test('-e is the strongest, the last one wins', () => {
  assert.is(h1('-e', 'v=x'), 'h1 x/task')
  assert.is(h1('-e', 'v=x w=y'), 'h1 x/y')
  assert.is(h1('-e', 'v=x', '--extra-vars', 'v=z'), 'h1 z/task')
  assert.is(h1('-e', `v="with space" w='and = sign'`), 'h1 with space/and = sign')
  assert.is(h1('-e', 'v='), 'h1 /task')
  assert.is(h1('-e', '{"v": "json", "w": 5}'), 'h1 json/5')
  assert.is(h1('-e', '@vars.yml'), 'h1 file/file h1')
  assert.is(h1('-e', '@vars.yml', '-e', 'v=later'), 'h1 later/later h1')
  assert.is(h1('-e', 'v="<%= nothing %>"'), 'h1 <%= nothing %>/task')
  rig.write('yes.yml', '- hosts: h1\n  tasks: [{ debug: { msg: "<%= v ? 1 : 0 %>, <%= typeof w %>" }, when: x }]\n')
  assert.match(rig.run(['apply', 'yes.yml', '-e', 'v=false x=true', '-e', `w='true'`]).stdout, '0, string')
  rig.write('json.yml', '- hosts: h1\n  tasks: [{ debug: { msg: "<%= v %> <%= w.x[0] %> <%= toJSON(w) %>" } }]\n')
  assert.match(rig.run(['apply', 'json.yml', '-e', '@vars.json']).stdout, 'json true {"x":[true,null]}')
})

test('-D shows what changes, -v what is well', () => {
  const dir = ['-e', `dir=${rig.dir}`]
  assert.not.match(rig.run(['check', 'change.yml', ...dir]).stdout, '+one')
  assert.match(rig.run(['check', 'change.yml', ...dir, '-D']).stdout, /\+one\n\s*\+two/)
  assert.match(rig.run(['apply', 'change.yml', ...dir, '--diff']).stdout, '+one')
  assert.not.match(rig.run(['apply', 'change.yml', ...dir]).stdout, 'h1: copy')
  assert.match(rig.run(['apply', 'change.yml', ...dir, '-v']).stdout, /ok h1: copy[\s\S]*skipped h1: debug/)
  assert.is(rig.run(['apply', 'change.yml', ...dir, '-vvv']).status, 0)
})

test('-f bounds how many hosts go at once', () => {
  const most = (forks: string) => {
    let [now, top] = [0, 0]
    for (const e of rig.events(['apply', 'say.yml', '-f', forks])) {
      if (e.event !== 'turn') continue
      now += e.over ? -1 : 1
      top = Math.max(top, now)
    }
    return top
  }
  assert.is(rig.run(['apply', 'say.yml', '-f', '1']).status, 0)
  assert.ok(most('1') <= 1)
})

test('a pipe gets plain lines, without colour; colour is only on request', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is looked for
  const escapes = /\u001b\[/
  assert.not.match(rig.run(['apply', 'say.yml']).stdout, escapes)
  assert.match(rig.run(['apply', 'say.yml'], { env: { FORCE_COLOR: '1' } }).stdout, escapes)
  assert.not.match(rig.run(['apply', 'say.yml'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }).stdout, escapes)
  assert.not.match(rig.run(['apply', 'say.yml'], { env: { FORCE_COLOR: '0' } }).stdout, escapes)
  assert.is(rig.run(['apply', 'say.yml', '--output', 'plain']).stdout.split('\n')[1], 'PLAY all (3 hosts)')
})

test('ndjson is one event a line, the recap last', () => {
  const events = rig.events(['check', 'say.yml'])
  assert.is(events[0]!.event, 'run')
  assert.is(events[0]!.mode, 'check')
  assert.is(events.at(-1)!.event, 'recap')
  assert.equal(Object.keys(events.at(-1)!.hosts), ['h1', 'h2', 'h3'])
  const valid = new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync('schemas/events.schema.json', 'utf8')))
  rig.write(
    'fails.yml',
    '- hosts: h1\n  tasks:\n    - { command: "false", ignore_errors: true }\n    - fail: { msg: x }\n',
  )
  const away = ['-i', 'hosts.yml', '-i', 'away.yml', '-T', '2']
  rig.write(
    'away.yml',
    'all: { hosts: { away: { ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1 } } }\n',
  )
  const runs = [
    ['check', 'change.yml', '-D', '-e', `dir=${rig.dir}/x`],
    ['apply', 'fails.yml', '-v'],
    ['apply', 'say.yml', ...away],
  ]
  for (const event of [...events, ...runs.flatMap((args) => rig.events(args))])
    assert.ok(valid(event), `${JSON.stringify(event)} ${JSON.stringify(valid.errors)}`)
})

test('several playbooks run one after the other', () => {
  const plays = rig.events(['apply', 'say.yml', 'change.yml', '-e', `dir=${rig.dir}`]).filter((e) => e.event === 'play')
  assert.equal(
    plays.map((e) => e.hosts.length),
    [3, 1],
  )
})

test('hosts: as names, as a graph, as JSON', () => {
  const both = ['-i', 'hosts.yml', '-i', 'more']
  assert.is(rig.run(['hosts', ...both]).stdout, 'h1\nh2\nh3\nh4\n')
  assert.is(rig.run(['hosts', 'web', '--list', ...both]).stdout, 'h2\nh4\n')
  assert.is(rig.run(['hosts', 'all', '-l', 'web', ...both]).stdout, 'h2\nh4\n')
  assert.is(rig.run(['hosts', 'web', '--graph', ...both]).stdout, '@web:\n  |--h2\n  |--h4\n')
  assert.is(rig.run(['hosts', 'h2', '--graph', ...both]).stdout, '@all:\n  |--@web:\n  |  |--h2\n')
  assert.is(rig.run(['hosts', '--graph', '-l', 'h4', ...both]).stdout, '@all:\n  |--@web:\n  |  |--h4\n')
  assert.is(rig.run(['hosts', 'localhost', ...both]).stdout, 'localhost\n')
  const listed = JSON.parse(rig.run(['hosts', 'h4', '--json', ...both]).stdout)
  assert.equal(listed._meta.hostvars, { h4: { ansible_connection: 'local', v: 'host' } })
})

test('hosts --json has no secret', () => {
  rig.write(
    'secret.yml',
    `all:
  hosts: { h1: { ansible_password: CANARY-1, ansible_become_pass: CANARY-2, hsm_pin: 123456, pin_length: 6 } }
  vars:
    ansible_ssh_pass: CANARY-3
    db: { users: [{ name: a, password: CANARY-4 }], api_tokens: { x: CANARY-5 } }
    vault_password: <%= db.users[0].password %>
    passive: true
`,
  )
  const { stdout } = rig.run(['hosts', '--json', '-i', 'secret.yml'])
  assert.not.match(stdout, /CANARY|123456/)
  const { h1 } = JSON.parse(stdout)._meta.hostvars
  assert.equal(h1.db, { users: [{ name: 'a', password: '********' }], api_tokens: { x: '********' } })
  assert.is(h1.hsm_pin, '********')
  assert.is(h1.pin_length, 6)
  assert.is(h1.passive, true)
  assert.is(h1.vault_password, '<%= db.users[0].password %>')
})

test('modules: all of them, or one with its parameters', () => {
  const all = rig.run(['modules']).stdout
  for (const name of ['copy', 'systemd_unit', 'vault_hcl', 'fxpkcs11_cfg'])
    assert.match(all, new RegExp(`^${name} +\\S`, 'm'))
  const copy = rig.run(['modules', 'copy']).stdout
  assert.match(copy, /dest \(string, required\)/)
  assert.match(copy, 'Examples:')
  assert.is(rig.run(['modules', 'ansible.builtin.copy']).stdout, copy)
})

test('run: one module, ad hoc', () => {
  const at = join(rig.dir, 'run')
  const copy = ['run', 'copy', 'content=a b', `dest=${at}`, 'mode=0600', 'backup=no', '-l', 'h1']
  assert.is(rig.run([...copy, '--check']).status, 2)
  assert.not.ok(existsSync(at))
  assert.is(rig.run(copy).status, 0)
  assert.is(readFileSync(at, 'utf8'), 'a b')
  assert.is(rig.run([...copy, '--check']).status, 0)
  assert.match(rig.run(['run', 'shell', 'X=1 env | grep ^X=; pwd', 'chdir=/', '-l', 'h1']).stdout, /X=1\n.*\/\n/)
  assert.match(rig.run(['run', 'command', 'argv=["echo","a,  b"]', '-l', 'h1']).stdout, '| a,  b\n')
  assert.is(rig.run(['run', 'assert', 'that=["true","false"]', '-l', 'h1']).status, 1)
  assert.is(rig.run(['run', 'set_fact', 'x=[1,{"a":null}]', '-l', 'h1']).status, 0)
  const whole = JSON.stringify({ content: '[1]', dest: `${at}.json` })
  assert.is(rig.run(['run', 'copy', whole, '-l', 'h1', '-C']).status, 2)
  assert.is(rig.run(['run', 'ping', '-l', 'all']).status, 0)
  assert.is(rig.run(['run', 'command', 'false', '-l', 'h1']).status, 1)
  assert.match(rig.run(['run', 'debug', 'msg=<%= v %>', '-l', 'h2']).stdout, 'group')
})

const tagged = `
- hosts: h1
  tags: play
  tasks:
    - { debug: { msg: x }, name: plain }
    - { debug: { msg: x }, name: a, tags: a }
    - { debug: { msg: x }, name: ab, tags: [a, b] }
    - { debug: { msg: x }, name: always, tags: always }
    - { debug: { msg: x }, name: always a, tags: "always, a" }
    - { debug: { msg: x }, name: never, tags: never }
    - { debug: { msg: x }, name: never a, tags: [never, a] }
- hosts: h1
  tasks:
    - { debug: { msg: x }, name: untagged }
    - { debug: { msg: x }, name: b2, tags: b }
`
test('tags choose tasks', () => {
  rig.write('tagged.yml', tagged)
  const names = (...args: string[]) =>
    rig
      .events(['apply', 'tagged.yml', ...args])
      .flatMap((e: Event) => (e.event === 'task' ? [e.task] : []))
      .join(' ')
  assert.is(names(), 'plain a ab always always a untagged b2')
  assert.is(names('-t', 'b'), 'ab always always a b2')
  assert.is(names('--tags', 'never', '--skip-tags', 'a'), 'always never')
  assert.is(names('--skip-tags', 'a'), 'plain always untagged b2')
})

test.run()
