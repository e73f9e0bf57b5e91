import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { labSuite } from './suite.ts'
import { onTerminal } from './terminal.ts'
import { dir, inventory, main, moreSshd, ping, play, strangeKey, told, wayOf } from './ways.ts'

// Who a host is, and what is asked for on a terminal to get in.

async function hostKeys(lab: Lab): Promise<void> {
  const home = join(dir, 'home')
  mkdirSync(home)
  const env = { HOME: home }
  const known = join(home, '.ssh/known_hosts')
  const names = Array.from({ length: 20 }, (_, i) => [`n${i}`, { ansible_host: lab.hosts[i % 2]!.address }])
  const inv = inventory(lab, Object.fromEntries(names))
  const first = await told(lab, ['apply', ping(), '-i', inv], env)
  assert.is(first.status, 3)
  const keyLine = readFileSync(lab.knownHostsFile, 'utf8').split('\n')[0]!
  const print = spawnSync('ssh-keygen', ['-l', '-f', '-'], { input: keyLine, encoding: 'utf8' }).stdout.split(' ')[1]!
  assert.match(wayOf(first, 'n0'), /^unreachable: the key of 127\.77\..* is not known: SHA256:.* \| .*--accept-new/)
  assert.ok(wayOf(first, 'n0').includes(print), 'the fingerprint is the one that ssh-keygen shows')
  assert.is(existsSync(known), false)
  assert.is((await told(lab, ['apply', ping(), '-i', inv, '--accept-new'], env)).status, 0)
  const lines = readFileSync(known, 'utf8').trim().split('\n')
  assert.equal(lines.sort(), readFileSync(lab.knownHostsFile, 'utf8').trim().split('\n').sort())
  assert.is(statSync(known).mode & 0o777, 0o600)
  assert.is(statSync(join(home, '.ssh')).mode & 0o777, 0o700)
  assert.is((await told(lab, ['apply', ping(), '-i', inv], env)).status, 0)
  // each has the other's key now
  const [a, b] = lines.map((l) => l.split(' '))
  writeFileSync(known, `${a![0]} ${b!.slice(1).join(' ')}\n${b![0]} ${a!.slice(1).join(' ')}\n`)
  const changed = await told(lab, ['apply', ping(), '-i', inv, '--accept-new'], env)
  assert.is(changed.status, 3)
  for (const [name] of names)
    assert.match(wayOf(changed, name as string), /is not the one that is known \(.*known_hosts:\d\)/)
  // an inventory may say it as it says it to Ansible's ssh
  const said = (options: string) =>
    inventory(lab, { n0: { ansible_host: lab.hosts[0]!.address, ansible_ssh_common_args: options } })
  const none = said('-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no')
  assert.is((await told(lab, ['apply', ping(), '-i', none], env)).status, 0)
  const other = await told(
    lab,
    ['apply', ping(), '-i', said(`-o UserKnownHostsFile=${known} -o StrictHostKeyChecking=no`)],
    env,
  )
  assert.match(wayOf(other, 'n0'), /is not the one that is known/)
  const right = said(`-o UserKnownHostsFile=${lab.knownHostsFile}`)
  assert.is((await told(lab, ['apply', ping(), '-i', right], env)).status, 0)
}

async function passwords(lab: Lab): Promise<void> {
  const keyboard = await moreSshd(lab, 'h1', 'PasswordAuthentication=no', 'KbdInteractiveAuthentication=yes')
  const at = { ansible_host: lab.hosts[0]!.address, ansible_user: 'admin', ansible_ssh_private_key_file: strangeKey() }
  const locked = join(dir, 'locked')
  writeFileSync(locked, readFileSync(lab.keyFile), { mode: 0o600 })
  spawnSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'lab-passphrase', '-f', locked])
  const run = (hosts: Parameters<typeof inventory>[1], args: string[], answers: [string, string][], tasks = 'ping') => {
    const more = ['-i', inventory(lab, hosts), '--known-hosts', lab.knownHostsFile, ...args]
    const file = play(`    - ${tasks}:\n`)
    return onTerminal([process.execPath, main, 'apply', file, ...more], answers, { SSH_AUTH_SOCK: '' })
  }
  const two = { one: at, two: { ...at, ansible_port: keyboard } }
  const key = { ...at, ansible_user: 'root', ansible_ssh_private_key_file: locked }
  const both = await run(
    two,
    ['-k', '-K', '-b'],
    [
      ['SSH password: ', 'lab-password\r'],
      ['sudo password (empty: the same): ', '\r'],
    ],
  )
  assert.is(both.status, 0, both.screen)
  assert.not.match(both.screen, /lab-password/)
  const wrong = await run({ one: at }, ['-k', '--output', 'plain'], [['SSH password: ', 'wrong-canary\r']])
  assert.is(wrong.status, 3)
  assert.match(wrong.screen, /lets admin in by none of: the key .*, the password/)
  assert.not.match(wrong.screen, /canary/)
  const many = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`k${i}`, key]))
  for (const output of ['plain', 'pretty']) {
    const once = await run(many, ['--output', output], [[`passphrase of ${locked}: `, 'lab-passphrase\r']])
    assert.is(once.status, 0, once.screen)
    assert.is(once.screen.split('passphrase of').length - 1, 1, once.screen)
    assert.not.match(once.screen, /lab-passphrase/)
  }
  for (const [typed, status] of [
    ['\x03', 130],
    ['\x04', 4],
  ] as const) {
    const given = await run({ one: at }, ['-k'], [['SSH password: ', typed]])
    assert.is(given.status, status, given.screen)
    if (status === 4) assert.match(given.screen, /nothing was given/)
  }
  const piped = await told(lab, ['apply', ping(), '-k', '-i', inventory(lab, two)])
  assert.is(piped.status, 4)
  assert.match(piped.stderr, /there is no terminal to ask on: SSH password/)
}

labSuite(2, [
  ['host keys are checked, and added when that is asked for', hostKeys],
  ['passwords and passphrases are asked for on the terminal', passwords],
])
