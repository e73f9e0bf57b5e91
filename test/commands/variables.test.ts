import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Rig } from './rig.ts'

// Where a variable's value comes from, and what every expression sees besides, by the real command line on this machine.

const names = [
  'all',
  'parent',
  'child',
  'host',
  'gv_all',
  'gv_child',
  'hv',
  'pgv',
  'phv',
  'play',
  'task',
  'set',
  'extra',
]

/** `vN` is given by level N and by all that are weaker, so that only the order of levels decides. */
function vars(level: number, indent: number): string {
  return names
    .map((_, i) => i)
    .filter((i) => i >= level)
    .map((i) => `${' '.repeat(indent)}v${i}: ${names[level]}\n`)
    .join('')
}

const rig = new Rig({
  'inv/hosts.yml': `
all:
  vars:
${vars(0, 4)}    ansible_connection: local
  children:
    parent:
      vars:
${vars(1, 8)}      children:
        child:
          vars:
${vars(2, 12)}          hosts:
            h1.example.com:
${vars(7, 14).replace(/: .*/g, ': host')}            h2: { only: two }
    other: { hosts: { h3: } }
`,
  'levels.yml': `
- hosts: h1.example.com
  vars:
    v9: play
    v10: play
    v11: play
    v12: play
  tasks:
    - set_fact: { v11: set, v12: set }
    - debug: { msg: "<%= [v0, v1, v2, v7, v9, v10, v11, v12].join(' ') %>" }
      vars: { v10: task, v11: task, v12: task }
`,
  'magic.yml': `
- name: first
  hosts: all
  vars:
    lazy: "<%= word %>"
    never_looked_at: "<%= nobody.is.there %>"
    nobody: {}
    word: one
  tasks:
    - set_fact: { mine: "<%= inventory_hostname_short %>", number: "<%= 1 + 1 %>" }
    - command: echo <%= inventory_hostname %>
      register: said
      changed_when: false
    - debug: { msg: "<%= lazy %>" }
      vars: { word: two }
    - debug: { msg: "<%= index %>=<%= item.key %>:<%= item.value %>" }
      loop: "<%= dict2items({ a: 1, b: 2 }) %>"
- name: second
  hosts: child
  tasks:
    - debug: { msg: "<%= inventory_hostname %> <%= inventory_hostname_short %> <%= group_names.join() %> <%= play_hosts.join() %> <%= groups.other.join() %> <%= groups.all.length %>" }
    - debug: { msg: "<%= mine %> <%= typeof number %> <%= said.stdout %>" }
    - debug: { msg: "<%= hostvars.h2.only %> <%= hostvars.h3.mine %> <%= hostvars.h3.said.stdout %> <%= keys(hostvars).join() %> <%= hostvars[play_hosts[0]].inventory_hostname_short %>" }
    - debug: { msg: "<%= hostvars.h2.facts %>" }
      ignore_errors: true
    - debug: { msg: "<%= facts.kernel.length > 0 %> <%= facts.user %>" }
`,
  'cycle.yml': `
- hosts: h2
  vars: { a: "<%= b %>", b: "<%= c %>", c: "x<%= a %>" }
  tasks: [{ debug: { msg: "<%= a %>" } }]
`,
})

const outputs = (...args: string[]) =>
  rig
    .events(['apply', ...args, '-i', 'inv'])
    .flatMap((e) => (e.event === 'task' && e.output !== undefined ? [String(e.output)] : []))

test('levels of variables, weakest to strongest, as Ansible has them', () => {
  assert.equal(outputs('levels.yml'), ['all parent child host play task set set'])
  assert.equal(outputs('levels.yml', '-e', 'v12=extra'), ['all parent child host play task set extra'])
  rig.write('inv/group_vars/all.yml', 'v1: gv_all\nv0: gv_all\n')
  rig.write('inv/group_vars/child.yml', 'v2: gv_child\nv7: gv_child\n')
  rig.write('inv/host_vars/h1.example.com.yml', 'v7: hv\n')
  // what is beside an inventory is stronger than what stands in it, host over group all the same
  assert.equal(outputs('levels.yml'), ['gv_all gv_all gv_child hv play task set set'])
  rig.write('group_vars/child.yml', 'v2: pgv\n')
  rig.write('host_vars/h1.example.com.yml', 'v7: phv\n')
  assert.equal(outputs('levels.yml'), ['gv_all gv_all pgv phv play task set set'])
})

test('what every expression sees', () => {
  const of = (play: string) =>
    rig
      .events(['apply', 'magic.yml', '-i', 'inv', '-l', 'all'])
      .filter((e) => e.event === 'task' && e.play === play && e.module === 'debug' && e.host === 'h1.example.com')
  assert.equal(
    of('first').map((e) => e.output),
    ['two', '0=a:1', '1=b:2'],
  )
  const [magic, kept, others, facts, own] = of('second')
  assert.is(magic!.output, 'h1.example.com h1 child,parent h1.example.com,h2 h3 3')
  assert.is(kept!.output, 'h1 number h1.example.com')
  assert.is(others!.output, 'two h3 h3 h1.example.com,h2,h3 h1')
  assert.is(facts!.status, 'failed')
  assert.match(facts!.message, 'hostvars` has no facts of h2')
  assert.match(own!.output, /^true \w/)
})

test('a variable that only some hosts have, asked for by typeof', () => {
  rig.write(
    'optional.yml',
    `- hosts: h2,h3
  tasks:
    - debug: { msg: "<%= typeof only === 'undefined' ? 'none' : only %>" }
    - debug: { msg: "has <%= only %>" }
      when: typeof only !== 'undefined'
    - debug: { msg: "is <%= only %>" }
      when: [typeof only !== 'undefined', only == 'two']
`,
  )
  assert.equal(outputs('optional.yml').sort(), ['has two', 'is two', 'none', 'two'])
  rig.write('missing.yml', '- hosts: h2,h3\n  tasks: [{ debug: { msg: "<%= only %>" } }]\n')
  const { status, stderr } = rig.run(['apply', 'missing.yml', '-i', 'inv'])
  assert.is(status, 4)
  assert.match(stderr, 'the variable `only` is not defined on h3')
})

test('a variable that is made of itself is an error with its place', () => {
  const { status, stdout } = rig.run(['apply', 'cycle.yml', '-i', 'inv'])
  assert.is(status, 1)
  assert.match(stdout, /the variable `a` is made of itself \(cycle\.yml:3\)/)
})

test.run()
