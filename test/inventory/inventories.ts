// Inventories as Ansible users write them.

export interface Given {
  readonly name: string
  readonly files: Readonly<Record<string, string>>
  readonly inventory: readonly string[]
  readonly patterns?: readonly string[]
}

const site = `
all:
  hosts:
    mail.example.com:
    lone: { x: 1 }
  vars: { from_all: 1, who: all }
  children:
    web:
      hosts:
        h[1:4]:
          ansible_port: 2222
        h3: { special: true }
      vars: { who: web, list: [1, { a: b }] }
    db:
      hosts: { h3: , "db[01:05:2]": , "x[a:c].example.com": { letter: 'yes' } }
      vars: { who: db }
    prod:
      children:
        web:
        db: { vars: { extra: "true", version: 1.10, none: null, day: 2020-01-01, text: '0123', mode: '0640' } }
      vars: { who: prod, prod_only: [] }
    empty:
    empty_map: {}
    europe:
      children: { prod: { }, other: { hosts: { h9: { ansible_host: 10.0.0.9, ansible_user: root } } } }
`

export const inventories: readonly Given[] = [
  { name: 'groups, children, ranges', inventory: ['hosts.yml'], files: { 'hosts.yml': site } },
  {
    name: 'variables of groups and hosts beside inventory and playbook, files and folders',
    inventory: ['inv/hosts.yml'],
    files: {
      'inv/hosts.yml': site,
      'inv/group_vars/all.yml': 'who: inv group_vars/all\na: 1\n',
      'inv/group_vars/web/10.yml': 'who: inv group_vars/web/10\nb: 1\nc: [1]\n',
      'inv/group_vars/web/20.yml': 'b: 2\n',
      'inv/group_vars/web/deep/30.yml': 'b: 3\n',
      'inv/group_vars/db': 'who: inv group_vars/db\nd: 1\n',
      'inv/group_vars/prod.yaml': 'e: prod\nf: prod\n',
      'inv/group_vars/europe.json': '{"e": "europe", "g": {"h": 1}}',
      'inv/group_vars/nobody.yml': 'z: 1\n',
      'inv/group_vars/nobody2.yml': '{ not: read',
      'inv/group_vars/README.txt': '{ not read',
      'inv/group_vars/web.yml': 'b: not read\n',
      'inv/group_vars/web/notes.txt': '{ not read',
      'inv/group_vars/web/.hidden.yml': 'b: hidden\n',
      'inv/group_vars/web/old.yml~': 'b: old\n',
      'inv/group_vars/web/no-ending': 'n: 1\n',
      'inv/group_vars/web/dir.d/x.yml': 'b: not read\n',
      'inv/group_vars/other.yaml': 'o: yaml\n',
      'inv/group_vars/other.json': '{"o": "json"}',
      'inv/host_vars/h1.yml': 'who: inv host_vars/h1\n',
      'inv/host_vars/h3/a.yml': 'special: false\n',
      'inv/host_vars/mail.example.com.yml': 'm: 1\n',
      'group_vars/all.yml': 'a: 2\nj: playbook\n',
      'group_vars/web.yml': 'c: [2]\n',
      'group_vars/ungrouped.yml': 'u: 1\n',
      'host_vars/h1.yml': 'k: playbook h1\n',
      'host_vars/h2.yml': 'who: playbook host_vars/h2\n',
    },
    patterns: ['web'],
  },
  {
    name: 'priority, depth and names of groups',
    inventory: ['hosts.yml'],
    files: {
      'hosts.yml': `
all:
  children:
    a: { hosts: { h1: , h2: }, vars: { v: a, w: a, ansible_group_priority: 10 } }
    b: { hosts: { h1: , h2: }, vars: { v: b, w: b } }
    c: { hosts: { h1: }, vars: { w: c, x: c } }
    top: { children: { mid: { children: { low: { hosts: { h1: , h2: }, vars: { x: low } } }, vars: { x: mid, y: mid } } }, vars: { x: top, y: top, z: top } }
    mid: { vars: { m: again } }
`,
    },
    patterns: ['mid'],
  },
  {
    name: 'a folder of several files',
    inventory: ['inv'],
    files: {
      'inv/10-web.yml': 'web: { hosts: { h1: { x: 10 }, h2: }, vars: { y: 10, z: 10 } }\n',
      'inv/20-db.yaml':
        'db: { hosts: { h2: , h3: }, vars: { y: 20 } }\nall: { children: { prod: { children: { db: } } } }\n',
      'inv/30.json': '{"web": {"hosts": {"h1": {"x": 30}}, "vars": {"z": 30}}}',
      'inv/sub/40.yml': 'sub: { hosts: { h4: } }\n',
      'inv/.hidden.yml': 'hidden: { hosts: { h5: } }\n',
      'inv/old.yml.bak': 'bak: { hosts: { h6: } }\n',
      'inv/old.yml~': 'bak: { hosts: { h6: } }\n',
      'inv/group_vars/web.yml': 'y: group_vars\n',
    },
  },
  {
    name: 'several inventories',
    inventory: ['one.yml', 'two/hosts.yml', 'three'],
    files: {
      'one.yml': 'web: { hosts: { h2: { x: 1 }, h1: { x: 1 } }, vars: { v: one } }\nlost: { hosts: { h7: } }\n',
      'two/hosts.yml': 'web: { hosts: { h1: { x: 2 } , h3: }, vars: { v: two } }\nall: { hosts: { h8: , h7: } }\n',
      'two/group_vars/web.yml': 'g: two\n',
      'three/a.yml': 'web: { hosts: { h0: } }\n',
      'three/group_vars/web.yml': 'g: three\n',
    },
  },
  {
    name: 'ungrouped hosts and groups without any',
    inventory: ['hosts.yml'],
    files: {
      'hosts.yml': `
ungrouped:
  hosts: { u1: , u2: { a: 1 } }
all:
  hosts: { u3: , h1: }
  vars:
  children:
    web: { hosts: { h1: , u2: } }
    nothing:
    hollow: { children: { nothing: , more: { hosts: } } }
`,
    },
  },
  {
    name: 'connection variables and YAML of all kinds',
    inventory: ['hosts.yml'],
    files: {
      'hosts.yml': `
all:
  vars: &common { ansible_user: deploy, ansible_ssh_private_key_file: ~/.ssh/id, ansible_ssh_common_args: '-o X=y' }
  hosts:
    a: { <<: *common, ansible_host: 127.0.0.1, ansible_port: 2222, ansible_connection: local, ansible_password: CANARY }
    "fe80::1": { ansible_become: true }
    host-with_odd.chars: { ints: [1, -2, 0x1f], floats: [1.5, 2.0, 0.5], "null": ~, nested: { a: { b: [ {} ] } } }
    "h:2222": { x: 1 }
    ünïcode: { text: "ü\\n", folded: "a\\
      b", multi: |
        one
        two
      }
`.replace(', multi: |\n        one\n        two\n      }', ' }'),
    },
    patterns: ['all', 'a', 'h', 'ünïcode', 'fe80::1', 'host-with*', '~.*odd'],
  },
]

export const patterns: readonly string[] = [
  'all',
  '*',
  'web',
  'db',
  'prod',
  'europe',
  'ungrouped',
  'empty',
  'other',
  'sub',
  'lost',
  'h1',
  'h1:h2',
  'h1,h2',
  'h2,h1',
  'h3:h1',
  'web:db',
  'db:web',
  'web,db',
  'web db',
  ' web , db ',
  'web:&db',
  'db:&web',
  'web:!db',
  'web:!h3',
  'web:&prod:!h3',
  '!h3:web',
  '&db:web',
  '!web',
  '&web',
  'all:!web',
  'all:!web:!db',
  'all:!ungrouped',
  'web:!h1:!h2',
  'web:!nothere',
  'nothere',
  'nothere:web',
  'web:&nothere',
  'h*',
  '*1',
  'h?',
  'h[12]',
  'h[1-3]',
  'h[!1]',
  'h[!1-3]',
  '*.example.com',
  'x*',
  'w*',
  '?eb',
  'w*:!h1',
  '*b',
  'd*:&h*',
  '~h[12]',
  '~h[12]$',
  '~^h',
  '~(web|db)',
  '~.*example',
  '~w',
  '~eb',
  '~h[0-9]:!h2',
  'all:!~h[12]',
  'web[0]',
  'web[1]',
  'web[-1]',
  'web[-2]',
  'web[0:1]',
  'web[1:]',
  'web[0-1]',
  'web[0:99]',
  'web[99]',
  'all[0:2]',
  'all[-1]',
  'web[0]:db[0]',
  'web[1:2]:!h2',
  'h*[0]',
  'w*[0:1]',
  'prod[2]',
  'all:!web[0]',
  'web:&db[0]',
  'localhost',
  'lone',
  'mail.example.com',
  'mail.*',
  'H1',
  'WEB',
  'web:',
  ':web',
  ',',
  'web,,db',
  'u1:u3',
  'hollow',
  'nothing',
  'h0',
  'h7:h8',
]
