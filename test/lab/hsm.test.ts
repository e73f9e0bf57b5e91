import { readdirSync, readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { libraryPath, onHost, placeLibrary, putTokensBack, softhsmPath, takeTokensAway } from './hsm.ts'
import { failure, makes, nothingTold, pin, playbook, probe, run, tokenMade, told, works } from './hsm-tasks.ts'
import type { Lab } from './lab.ts'
import { placeStandIn } from './pkcs11-stand-in.ts'
import { startRunbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// hsm_probe on a host with SoftHSM2: the library, its token, what is said of them.

async function worksTest(lab: Lab): Promise<void> {
  placeLibrary(lab, 'h1')
  const keys = [{ label: 'hsm_demo' }, { label: 'hsm_hmac_demo', use: 'sign' }]
  const tasks = [
    { ...probe({ library: libraryPath, keys, mechanisms: ['CKM_AES_GCM', '0x1085'] }), register: 'seen' },
    { debug: { msg: '<%= [seen.way, seen.token.label, seen.keys[1].id, seen.login].join() %>' } },
  ]
  for (const command of ['check', 'apply']) {
    const { status, all, events } = run(lab, tasks, { command })
    assert.is(status, 0, all)
    assert.ok(
      all.includes('keys that work: hsm_demo (AES-CBC-PAD in place of AES-GCM), hsm_hmac_demo (SHA256-HMAC)'),
      all,
    )
    assert.ok(all.includes('pkcs11-tool on the host,lab,02,true'), all)
    assert.not.ok(events.some((e) => e.status === 'changed'))
  }
  onHost(lab, 'h1', `printf '%s\\n' '${pin}' >/root/pin; chmod 600 /root/pin`)
  const fromFile = run(lab, [probe({ pin_env: undefined, pin_file: '/root/pin', keys })])
  assert.is(fromFile.status, 0, fromFile.all)
  assert.match(fromFile.all, /\/root\/pin ends in a line break/)
  onHost(lab, 'h1', ': >/root/pin')
  assert.match(failure(lab, probe({ pin_env: undefined, pin_file: '/root/pin' })), /is empty \| .*not tried/)
  assert.match(failure(lab, probe({ pin_env: undefined, pin_file: '/root/none' })), /there is no \/root\/none/)
  assert.match(failure(lab, probe({ pin_env: 'NO_SUCH_PIN' })), /environment has no NO_SUCH_PIN/)
}

async function away(lab: Lab): Promise<void> {
  takeTokensAway(lab, 'h1')
  assert.match(failure(lab, probe()), /CKR_GENERAL_ERROR from C_Initialize.* \| its configuration, the directory/)
  putTokensBack(lab, 'h1')
  works(lab, probe())
  assert.match(failure(lab, probe({ token_label: 'other' })), /no token labelled other \| there are: lab \(slot \d+\)/)
  assert.match(failure(lab, probe({ token_label: undefined, slot: 7 })), /there is no slot 7 \| there are: lab/)
  onHost(
    lab,
    'h1',
    'sed "s/^slots.mech.*/slots.mechanisms = CKM_AES_CBC_PAD,CKM_SHA256/" /etc/softhsm/softhsm2.conf >/root/no-gcm.conf',
  )
  const environment = { SOFTHSM2_CONF: '/root/no-gcm.conf' }
  const lacking = probe({ environment, mechanisms: ['CKM_AES_GCM', 'CKM_AES_CBC_PAD'] })
  assert.match(failure(lab, lacking), /the token does not have CKM_AES_GCM \| firmware, licence/)
  assert.match(failure(lab, probe({ environment, keys: [{ label: 'hsm_demo' }] })), /does not have AES-GCM/)
}

/** The library's own log, which its configuration names, says why. */
async function logged(lab: Lab): Promise<void> {
  const cfg = '/root/fxpkcs11.cfg'
  const names = (log: string) =>
    onHost(
      lab,
      'h1',
      `printf '<HSM>\\n<LOG-FILE> ${log} </LOG-FILE>\\n<PROD-TLS-KEY-PASS> canary-key-4711 </PROD-TLS-KEY-PASS>\\n</HSM>\\n' >${cfg}`,
    )
  names('/var/log/fx.log')
  onHost(
    lab,
    'h1',
    `seq -f 'old line %g' 500 >/var/log/fx.log; echo 'no route to the HSM: ${pin} canary-key-4711' >>/var/log/fx.log`,
  )
  takeTokensAway(lab, 'h1')
  const says = () => failure(lab, probe({ cfg }))
  const said = says()
  assert.match(
    said,
    /C_Initialize\); the end of the library’s log:\n…\nold line \d+\n[\s\S]*old line 500\nno route to the HSM: \S+ \S+ \|/,
  )
  assert.ok(said.length < 2000, `${said.length}`)
  assert.not.match(said, /canary/)
  for (const log of ['/var/log/none.log', '/var/log', '/root/pipe', 'fx.log']) {
    onHost(lab, 'h1', 'rm -f /root/pipe; mkfifo /root/pipe')
    names(log)
    assert.match(says(), /C_Initialize\) \|/, log)
  }
  onHost(lab, 'h1', `rm ${cfg}`)
  assert.match(says(), /C_Initialize\) \|/)
  names('/var/log/fx.log')
  putTokensBack(lab, 'h1')
  works(lab, probe({ cfg }))
  assert.match(failure(lab, probe({ cfg, token_label: 'other' })), /no token labelled other; the end of/)
  assert.match(failure(lab, probe({ cfg, keys: [{ label: 'other' }] })), /there is no key other on the token \|/)
  onHost(lab, 'h1', 'rm /var/log/fx.log')
}

async function libraries(lab: Lab): Promise<void> {
  const at = (name: string) => `/opt/stand-in/${name}.so`
  placeStandIn(lab, 'h1', at('aborts'), 'aborts')
  assert.match(
    failure(lab, probe({ library: at('aborts') })),
    /ended the program that used it, by signal 6 .* \| the library crashes/,
  )
  placeStandIn(lab, 'h1', at('hangs'), 'hangs')
  assert.match(
    failure(lab, probe({ library: at('hangs'), timeout: 2 })),
    /did not answer in time .* \| it may be waiting for an HSM/,
  )
  placeStandIn(lab, 'h1', at('lacks'), 'lacks')
  assert.match(
    failure(lab, probe({ library: at('lacks') })),
    /needs what the host does not have: libpart-of-runbook\.so \| install/,
  )
  assert.match(failure(lab, probe({ library: '/etc/passwd' })), /invalid ELF header \| .*architecture/)
  assert.match(failure(lab, probe({ library: '/nowhere.so' })), /there is no \/nowhere\.so on the host/)
}

/** The library comes in the same run: check says that it can't know yet, apply looks when it is there. */
async function fresh(lab: Lab): Promise<void> {
  const library = '/opt/fresh/p11.so'
  const tasks = [
    { file: { path: '/opt/fresh', state: 'directory' } },
    { copy: { src: softhsmPath, dest: library, remote_src: true } },
    probe({ library, keys: [{ label: 'hsm_demo' }] }),
    makes({ library, label: 'fresh' }),
    probe({ library, keys: [{ label: 'fresh' }] }),
  ]
  const checked = run(lab, tasks, { command: 'check' })
  assert.equal(
    checked.tasks.map((t) => t.status),
    ['changed', 'changed', 'unknown', 'unknown', 'unknown'],
    checked.all,
  )
  const applied = run(lab, tasks)
  assert.equal(
    applied.tasks.map((t) => t.status),
    ['changed', 'changed', 'ok', 'changed', 'ok'],
    applied.all,
  )
  const again = run(lab, tasks)
  assert.equal(
    again.tasks.map((t) => t.status),
    ['ok', 'ok', 'ok', 'ok', 'ok'],
    again.all,
  )
}

async function vendorsTool(lab: Lab): Promise<void> {
  onHost(lab, 'h1', 'mv /usr/bin/pkcs11-tool /usr/bin/pkcs11-tool.away')
  try {
    assert.match(failure(lab, probe({ library: libraryPath })), /the host has no pkcs11-tool \| install opensc/)
    const bare = { hsm_probe: { library: libraryPath } }
    const { status, all } = run(lab, [bare])
    assert.is(status, 0, all)
    assert.match(all, /configTest: a stand-in of the lab/)
    assert.match(all, /only the vendor’s configTest was asked/)
  } finally {
    onHost(lab, 'h1', 'mv /usr/bin/pkcs11-tool.away /usr/bin/pkcs11-tool')
  }
}

/** Every few milliseconds, what processes have as arguments; and in the end what files others may read. */
async function secret(lab: Lab): Promise<void> {
  const seen = new Set<string>()
  const looking = setInterval(() => {
    for (const id of readdirSync('/proc'))
      if (/^\d+$/.test(id))
        try {
          seen.add(readFileSync(`/proc/${id}/cmdline`, 'latin1'))
        } catch {
          // it has ended
        }
  }, 5)
  const file = playbook(lab, [
    { hosts: 'h1', tasks: [probe({ keys: [{ label: 'hsm_demo' }] }), makes({ label: 'unseen' })] },
  ])
  const { status, stdout, stderr } = await startRunbook(['apply', file, '--diff'], lab, { LAB_PIN: pin }).ended
  clearInterval(looking)
  told.push(stdout, stderr)
  assert.is(status, 0, stdout + stderr)
  assert.ok(
    [...seen].some((line) => line.includes('pkcs11-tool')),
    'it looked while pkcs11-tool ran',
  )
  for (const line of seen) assert.not.ok(line.includes(pin), line)
  nothingTold()
  const left = lab.run('h1', ['sh', '-c', `grep -rl '${pin}' /tmp /run /var/log /root 2>/dev/null`]).stdout
  assert.is(left, '')
}

labSuite(1, [
  ['the token of these tests is made', tokenMade],
  ['a token that works, by check and apply; the PIN from the environment or a file', worksTest],
  ['the token away, another one, no such mechanism', away],
  ['the end of the library’s log', logged],
  ['libraries that crash, hang, lack something, are none', libraries],
  ['a library that is installed by the same run', fresh],
  ['where only the vendor’s tool is', vendorsTool],
  ['the PIN is in no argument, output or file', secret],
])
