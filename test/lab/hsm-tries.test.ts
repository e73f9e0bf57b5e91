import { cpSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { onHost, rootOf } from './hsm.ts'
import { failure, makes, probe, run, tokenMade, works } from './hsm-tasks.ts'
import type { Lab } from './lab.ts'
import { placeStandIn } from './pkcs11-stand-in.ts'
import { labSuite } from './suite.ts'

// How often a PIN is tried.

const counted = '/opt/stand-in/counts.so'
const logins = (lab: Lab, host = 'h1') => {
  const { stdout } = lab.run(host, ['sh', '-c', `cat ${counted}.logins 2>/dev/null`])
  return stdout.split('\n').length - 1
}

/** SoftHSM2 marks a token after one wrong PIN, until somebody logs in. */
const unmark = (lab: Lab) => works(lab, probe({ risk_lockout: true }))

async function wrongPin(lab: Lab): Promise<void> {
  placeStandIn(lab, 'h1', counted, 0)
  const library = { library: counted }
  assert.match(failure(lab, probe(library), 'wrong-pin'), /the PIN is wrong \(CKR_PIN_INCORRECT.* \| correct it before/)
  assert.is(logins(lab), 1, 'one login')
  assert.match(failure(lab, probe(library), 'wrong-pin'), /counts wrong PINs since the last login: it was not tried/)
  assert.is(logins(lab), 1, 'the token says it: nobody tries')
  assert.match(failure(lab, makes({ ...library, label: 'new' })), /it was not tried/)
  unmark(lab)

  // a token that does not tell: then the run remembers
  placeStandIn(lab, 'h1', counted, 'forgets')
  onHost(lab, 'h1', `rm -f ${counted}.logins`)
  const ignored = (more: object) => ({ ...probe({ ...library, ...more }), ignore_errors: true })
  const twice = [
    ignored({}),
    { command: 'true' },
    ignored({ mechanisms: ['AES-CBC'] }),
    makes({ ...library, label: 'x' }),
  ]
  const { tasks } = run(lab, twice, { pin: 'wrong-pin' })
  assert.match(tasks[0]!.message!, /the PIN is wrong/)
  for (const i of [2, 3])
    assert.match(tasks[i]!.message!, /refused a PIN before in this run, and this one was not tried: the PIN is wrong/)
  assert.is(logins(lab), 1, 'one login')
  unmark(lab)

  // who is told to risk it tries once, however often the task is tried
  onHost(lab, 'h1', `rm -f ${counted}.logins`)
  const tried = {
    ...probe({ ...library, risk_lockout: true }),
    register: 'r',
    until: '!r.failed',
    retries: 3,
    delay: 0,
  }
  assert.match(
    run(lab, [tried], { pin: 'wrong-pin' }).tasks.at(-1)!.message!,
    /refused a PIN before .*\(tried 4 times\)/,
  )
  assert.is(logins(lab), 1, 'one login')
  unmark(lab)
}

/** One HSM that two hosts see: the same token, with the same serial. */
async function sharedToken(lab: Lab): Promise<void> {
  const tokens = 'var/lib/softhsm/tokens'
  onHost(lab, 'h2', 'chmod a+rX /etc/softhsm; chmod a+rx /var/lib/softhsm')
  cpSync(join(rootOf(lab, 'h1'), tokens), join(rootOf(lab, 'h2'), tokens), { recursive: true })
  for (const host of ['h1', 'h2']) {
    placeStandIn(lab, host, counted, 0)
    onHost(lab, host, `rm -f ${counted}.logins`)
  }
  const { tasks, status } = run(lab, [probe({ library: counted })], { hosts: 'all', pin: 'wrong-pin' })
  assert.is(status, 1)
  const messages = tasks.map((t) => t.message).sort()
  assert.match(messages[0]!, /^the login failed: the PIN is wrong/)
  assert.match(messages[1]!, /refused a PIN before in this run/)
  assert.is(logins(lab, 'h1') + logins(lab, 'h2'), 1, 'one login for both')
  unmark(lab)
  const right = run(lab, [probe({ library: counted, risk_lockout: true })], { hosts: 'all' })
  assert.is(right.status, 0, right.all)

  // an HSM that does not tell of wrong PINs, or does not say that they are wrong: several plays, tasks that try again, and
  // the same PIN out of a file
  for (const does of ['forgets', 'mumbles'] as const) {
    for (const host of ['h1', 'h2']) {
      placeStandIn(lab, host, counted, does)
      onHost(lab, host, `rm -f ${counted}.logins; printf %s wrong-pin >/root/wrong; chmod 600 /root/wrong`)
    }
    const library = { library: counted }
    const tries = [
      { ...probe(library), register: 'r', until: '!r.failed', retries: 2, delay: 0, ignore_errors: true },
      { ...probe({ ...library, pin_env: undefined, pin_file: '/root/wrong' }), ignore_errors: true },
    ]
    const plays = [
      { hosts: 'all', tasks: tries },
      { hosts: 'all', serial: 1, tasks: [makes({ ...library, label: 'never' })] },
    ]
    const { all } = run(lab, [], { plays, pin: 'wrong-pin' })
    assert.match(
      all,
      does === 'forgets' ? /this one was not tried: the PIN is wrong/ : /not tried: the HSM could not do it/,
    )
    assert.is(logins(lab, 'h1') + logins(lab, 'h2'), 1, `one login (${does}): ${all}`)
  }
}

async function flags(lab: Lab): Promise<void> {
  const path = '/opt/stand-in/flags.so'
  const cases = [
    [0x40000, /says that its PIN is locked: it was not tried \| the security officer/],
    [0x20000, /has one last try of the PIN left: it was not tried/],
    [0x10000, /counts wrong PINs/],
  ] as const
  for (const [flag, pattern] of cases) {
    placeStandIn(lab, 'h1', path, flag)
    assert.match(failure(lab, probe({ library: path })), pattern)
    assert.is(lab.run('h1', ['test', '-e', `${path}.logins`]).status, 1, 'nobody tried')
  }
  works(lab, probe({ library: path, risk_lockout: true }))
  placeStandIn(lab, 'h1', path, 0x80000)
  assert.match(works(lab, probe({ library: path })), /the token lab says that its PIN is to be changed/)
}

labSuite(2, [
  ['the token of these tests is made', tokenMade],
  ['a wrong PIN is tried once', wrongPin],
  ['a wrong PIN is tried once by all hosts that see one HSM', sharedToken],
  ['a token that is near its lock is not tried, unless told', flags],
])
