import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { startServer, untilHealth } from './bao-server.ts'
import { libraryPath, makeKey, makeToken, onHost, placeLibrary } from './hsm.ts'
import type { Lab } from './lab.ts'
import { labSuite } from './suite.ts'
import { runTasks } from './tasks.ts'

// The PIN of a real server's HSM, and how many times a wrong one reaches it.

const mark = randomBytes(4).toString('hex')
const token = { label: 'lab', pin: `${mark}-pin-4711`, soPin: 'canary-so-4711' }
const other = `${mark}-pin-0815`
const credential = (value: string, more: object = {}) => ({
  service_credential: { service: 'openbao', name: 'hsm-pin', value, ...more },
  register: 'pin',
})
const startedIn = (watch: number) => ({
  systemd_unit: {
    name: 'openbao',
    state: 'started',
    watch,
    restart_after: ['<%= pin.path %>', '<%= pin.drop_in %>'],
  },
})
const started = startedIn(4)
/** Over when the server has ended, however long that takes. */
const failing = startedIn(120)
const spy = '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so'
const spied = '/var/tmp/spied'

/** The server of the lab, without the PIN that it comes with, and with a library that writes down all calls. */
function withServer(lab: Lab): string {
  placeLibrary(lab, 'h1')
  makeToken(lab, 'h1', token)
  makeKey(lab, 'h1', token, 'hsm_demo')
  const api = startServer(lab, 'h1', { token, keyLabel: 'hsm_demo' })
  onHost(
    lab,
    'h1',
    `systemctl stop openbao; systemctl reset-failed openbao || :; rm /etc/openbao/hsm-pin
sed -i '/^LoadCredential/d; s/^KillMode.*/&\\nRestart=on-failure\\nRestartSec=1\\nEnvironment=PKCS11SPY=${libraryPath.replaceAll('/', '\\/')} PKCS11SPY_OUTPUT=${spied.replaceAll('/', '\\/')}/' /etc/systemd/system/openbao.service
sed -i 's#^  lib = .*#  lib = "${spy}"#' /etc/openbao/server.hcl; systemctl daemon-reload
: >${spied}; chmod 666 ${spied}`,
  )
  return api
}

const logins = (lab: Lab) => Number(onHost(lab, 'h1', `grep -c C_Login ${spied} || :; : >${spied}`))
const pid = (lab: Lab) => onHost(lab, 'h1', 'systemctl show -P MainPID openbao').trim()
/** Waits until systemd starts it no more: what it is about to start again is not `failed`. */
const settle = (lab: Lab) =>
  onHost(
    lab,
    'h1',
    'for i in $(seq 120); do systemctl -q is-failed openbao && break; sleep 1; done; sleep 3; systemctl -q is-failed openbao',
  )

/** Files that a PIN must not be in, whoever may read them. */
const inConfiguration = (lab: Lab) =>
  onHost(lab, 'h1', `grep -rlF -e '${token.pin}' -e '${other}' /etc/systemd /etc/openbao || :`)

labSuite(
  1,
  [
    [
      'a service gets its PIN, after a restart and a reboot too, and nobody else does',
      async (lab) => {
        const api = withServer(lab)
        const tasks = [credential(`${token.pin}\n`), started]
        const predicted = runTasks(lab, 'check', tasks)
        const done = runTasks(lab, 'apply', tasks)
        assert.equal([done.statuses, done.warnings], [['changed', 'changed'], []], done.text)
        assert.equal(
          predicted.tasks.map((t) => t.changes),
          done.tasks.map((t) => t.changes),
        )
        await untilHealth(lab, 'h1', api, 501)
        assert.ok(logins(lab) >= 1)
        const shown = `stat -c '%a %U:%G' /etc/credstore /etc/credstore/openbao.hsm-pin; wc -c </etc/credstore/openbao.hsm-pin`
        assert.is(onHost(lab, 'h1', shown), `700 root:root\n600 root:root\n${token.pin.length}\n`)
        const before = pid(lab)
        const again = runTasks(lab, 'apply', tasks)
        assert.equal([again.statuses, again.trips], [['ok', 'ok'], 0], again.text)
        assert.is(pid(lab), before)
        assert.is(inConfiguration(lab), '')
        await lab.reboot('h1')
        onHost(lab, 'h1', `chmod 666 ${spied}`)
        await untilHealth(lab, 'h1', api, 501)
        assert.is(inConfiguration(lab), '')
      },
    ],
    [
      'a wrong PIN is tried exactly once, and a right one restarts the service exactly once',
      async (lab) => {
        logins(lab)
        const wrong = runTasks(lab, 'apply', [credential(other), failing])
        assert.equal(wrong.statuses, ['changed', 'failed'], wrong.text)
        assert.match(
          wrong.tasks[1]!.message!,
          /^systemctl restart .*: its seal fails: the PIN is wrong \(CKR_PIN_INCORRECT\)\n/,
          wrong.text,
        )
        assert.match(wrong.tasks[1]!.hint!, /^correct it before anything tries again/)
        settle(lab)
        assert.is(logins(lab), 1)
        const right = runTasks(lab, 'apply', [credential(token.pin), started])
        assert.equal(right.statuses, ['changed', 'changed'], right.text)
        assert.equal(right.tasks[1]!.changes, ['systemctl start openbao.service'])
        await untilHealth(lab, 'h1', `http://${lab.hosts[0]!.address}:8200`, 501)
        assert.is(inConfiguration(lab), '')
        // the same token under a new PIN: the file changes, the service is started anew once
        onHost(
          lab,
          'h1',
          `A='${token.pin}' B='${other}' pkcs11-tool --module ${libraryPath} --token-label lab -l -p env:A --change-pin --new-pin env:B; chmod -R a+rwX /var/lib/softhsm/tokens`,
        )
        const before = pid(lab)
        const changed = runTasks(lab, 'apply', [credential(other), started])
        assert.equal(changed.tasks[1]!.changes, ['systemctl restart openbao.service'], changed.text)
        assert.is.not(pid(lab), before)
        assert.is(onHost(lab, 'h1', 'systemctl show -P NRestarts openbao').trim(), '0')
        assert.equal(runTasks(lab, 'apply', [credential(other), started]).statuses, ['ok', 'ok'])
      },
    ],
    [
      'without the guard systemd tries a wrong PIN again and again',
      async (lab) => {
        logins(lab)
        const wrong = runTasks(lab, 'apply', [credential(token.pin, { once: false }), failing])
        assert.is(wrong.statuses[1], 'failed', wrong.text)
        settle(lab)
        // StartLimitBurst of the unit
        assert.is(logins(lab), 3)
        onHost(lab, 'h1', 'systemctl stop openbao; systemctl reset-failed openbao || :')
      },
    ],
    [
      'encrypted with a key of the host, and as it is for the service alone',
      async (lab) => {
        const probe = `[Service]\nType=oneshot\nExecStart=/bin/sh -c 'cat "$CREDENTIALS_DIRECTORY"/pin >/run/sealed'\n`
        const unit = { systemd_unit: { name: 'sealed', content: probe, state: 'restarted' } }
        const at = '/etc/credstore.encrypted/sealed.pin'
        const given = (value: string, more: object = {}) => ({
          service_credential: { service: 'sealed', name: 'pin', value, encrypted: true, ...more },
        })
        runTasks(lab, 'apply', [given(token.pin, { encrypted: false })])
        const done = runTasks(lab, 'apply', [given(token.pin), unit])
        assert.equal(done.statuses, ['changed', 'changed'], done.text)
        assert.ok(done.tasks[0]!.changes.includes('remove /etc/credstore/sealed.pin'), done.text)
        assert.is(onHost(lab, 'h1', 'cat /run/sealed; rm /run/sealed'), token.pin)
        assert.is(onHost(lab, 'h1', `stat -c '%a %U' ${at}; grep -c '${token.pin}' ${at} || :`), '600 root\n0\n')
        const again = runTasks(lab, 'apply', [given(token.pin)])
        assert.equal([again.statuses, again.trips], [['ok'], 0], again.text)
        // of another name, and damaged: neither decrypts
        onHost(lab, 'h1', `printf %s '${token.pin}' | systemd-creds encrypt --with-key=host --name=other - - >${at}`)
        assert.equal(runTasks(lab, 'check', [given(token.pin)]).statuses, ['changed'])
        onHost(lab, 'h1', `echo nothing >${at}`)
        assert.equal(runTasks(lab, 'apply', [given(other), unit]).statuses, ['changed', 'changed'])
        assert.is(onHost(lab, 'h1', 'cat /run/sealed; rm /run/sealed'), other)
        assert.is(inConfiguration(lab), '')
        const gone = given(other, { state: 'absent' })
        assert.equal(runTasks(lab, 'apply', [gone]).statuses, ['changed'])
        assert.equal(runTasks(lab, 'apply', [gone]).statuses, ['ok'])
      },
    ],
    [
      'in the environment where a program takes it nowhere else; away again',
      async (lab) => {
        const pin = String.raw`a "b" $c \d 'e' #f`
        const probe = `[Service]\nType=oneshot\nExecStart=/bin/sh -c 'printf %%s "$PIN" >/run/probed'\n`
        const unit = { systemd_unit: { name: 'probe', content: probe, state: 'started' } }
        const given = {
          service_credential: { service: 'probe', name: 'pin', value: pin, method: 'environment', environment: 'PIN' },
        }
        const done = runTasks(lab, 'apply', [given, unit])
        assert.equal(done.statuses, ['changed', 'changed'], done.text)
        assert.is(onHost(lab, 'h1', 'cat /run/probed'), pin)
        const gone = { service_credential: { service: 'probe', name: 'pin', state: 'absent' } }
        assert.equal(runTasks(lab, 'apply', [gone]).statuses, ['changed'])
        assert.equal(runTasks(lab, 'apply', [gone]).statuses, ['ok'])
        assert.is(
          onHost(
            lab,
            'h1',
            'ls /etc/credstore /etc/systemd/system/probe.service.d; systemctl show -P NeedDaemonReload probe',
          ).trim(),
          '/etc/credstore:\nopenbao.hsm-pin\n\n/etc/systemd/system/probe.service.d:\nno',
        )
      },
    ],
  ],
  whyNoServers,
  { secrets: () => ({ pin: token.pin, other }) },
)
