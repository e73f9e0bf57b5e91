import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Target, type TargetDefaults, targetOf } from '../../src/inventory/connection.ts'
import { dataValue } from '../../src/language/compile.ts'
import { ValueError } from '../../src/language/playbook.ts'

function target(vars: Record<string, unknown>, name = 'h1', defaults: TargetDefaults = {}): Target {
  const variables = new Map(Object.entries(vars).map(([k, v]) => [k, { value: dataValue(v), from: 'test' }]))
  return targetOf(name, variables, ({ value }) => value.evaluate({}), { user: 'me', ...defaults })
}

const cases: readonly [vars: Record<string, unknown>, wanted: Partial<Target>][] = [
  [
    {},
    { kind: 'ssh', address: 'h1', port: 22, user: 'me', keyFile: undefined, password: undefined, become: undefined },
  ],
  [
    { ansible_host: '10.0.0.1', ansible_port: 2222, ansible_user: 'root' },
    { address: '10.0.0.1', port: 2222, user: 'root' },
  ],
  [{ ansible_port: '2222' }, { port: 2222 }],
  [
    { ansible_ssh_host: 'a', ansible_ssh_port: 23, ansible_ssh_user: 'b' },
    { address: 'a', port: 23, user: 'b' },
  ],
  [{ ansible_ssh_private_key_file: '~/k' }, { keyFile: join(homedir(), 'k') }],
  [{ ansible_private_key_file: '/k' }, { keyFile: '/k' }],
  [{}, { knownHosts: undefined, acceptNew: false }],
  [
    { ansible_ssh_common_args: '-C -o StrictHostKeyChecking=no -oUserKnownHostsFile="~/k /l"' },
    { knownHosts: [join(homedir(), 'k'), '/l', '/etc/ssh/ssh_known_hosts'], acceptNew: true },
  ],
  [
    { ansible_ssh_args: '-o "StrictHostKeyChecking yes"', ansible_ssh_extra_args: '-o stricthostkeychecking=no' },
    { acceptNew: false },
  ],
  [
    { ansible_ssh_common_args: "-o UserKnownHostsFile=/dev/null -o 'broken" },
    { knownHosts: ['/dev/null', '/etc/ssh/ssh_known_hosts'], acceptNew: false },
  ],
  [{ ansible_host_key_checking: false }, { acceptNew: true }],
  [{ ansible_connection: 'local' }, { kind: 'local' }],
  [{ ansible_connection: 'smart' }, { kind: 'ssh' }],
  [{ ansible_password: 'p' }, { password: 'p' }],
  [{ ansible_ssh_pass: 'p' }, { password: 'p' }],
  [
    { ansible_become: 'yes', ansible_become_user: 'x', ansible_become_pass: 'q' },
    { become: true, becomeUser: 'x', becomePassword: 'q' },
  ],
  [
    { ansible_become: false, ansible_become_password: 'q' },
    { become: false, becomePassword: 'q' },
  ],
]
for (const [vars, wanted] of cases)
  test(`target: ${JSON.stringify(vars)}`, () => {
    const found = target(vars)
    for (const [key, value] of Object.entries(wanted)) assert.equal(found[key as keyof Target], value, key)
  })

test('the command line gives what the inventory does not', () => {
  assert.is(target({}, 'h1', { user: 'cli', keyFile: '/cli' }).keyFile, '/cli')
  assert.is(target({ ansible_user: 'inventory' }, 'h1', { user: 'cli' }).user, 'inventory')
})

test('localhost is this machine unless it is said how to reach it', () => {
  assert.is(target({}, 'localhost').kind, 'local')
  assert.is(target({}, '127.0.0.1').kind, 'local')
  assert.is(target({ ansible_port: 2222 }, 'localhost').kind, 'ssh')
  assert.is(target({ ansible_connection: 'ssh' }, 'localhost').kind, 'ssh')
})

for (const vars of [
  { ansible_port: 'x' },
  { ansible_port: 0 },
  { ansible_port: 70000 },
  { ansible_port: 22.5 },
  { ansible_connection: 'winrm' },
  { ansible_become_method: 'su' },
])
  test(`refused: ${JSON.stringify(vars)}`, () => {
    assert.throws(
      () => target(vars),
      (e: unknown) => e instanceof ValueError && e.diagnostic.code === 'connection',
    )
  })

test.run()
