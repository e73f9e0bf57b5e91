import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import * as assert from 'uvu/assert'
import type { TaskEvent } from '../../src/report/events.ts'
import { readStore } from '../../src/secrets/stored.ts'
import { parseKeys } from '../../src/vault/kept-keys.ts'
import { standIn } from '../vault/bare-bao.ts'
import { whyNoServers } from './bao.ts'
import { healthOf, startServer, untilHealth } from './bao-server.ts'
import {
  libraryPath,
  makeKey,
  makeToken,
  onHost,
  placeLibrary,
  putTokensBack,
  shareTokens,
  takeTokensAway,
} from './hsm.ts'
import type { Secrets } from './hunt.ts'
import type { Lab } from './lab.ts'
import { startProxy } from './proxy.ts'
import { startRunbook } from './runbook.ts'
import { labSuite } from './suite.ts'

// Servers whose seal is a PKCS #11 token, initialised through ssh.

const dir = mkdtempSync(join(tmpdir(), 'vault-init-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const token = { label: 'lab', pin: `canary-pin-${randomBytes(6).toString('hex')}`, soPin: 'canary-so-4711' }
const identity = await generateIdentity()
const recipient = await identityToRecipient(identity)
const identityFile = join(dir, 'identity')
writeFileSync(identityFile, identity, { mode: 0o600 })

let stores = 0
const newStore = () => join(mkdtempSync(join(dir, 'store-')), `h${++stores}.age`)
const hsm = { library: libraryPath, token_label: 'lab', pin_file: '/etc/openbao/hsm-pin', key_label: 'hsm_demo' }
const init = (address: string, store: string, more: object = {}) => ({
  vault_init: { address, store, recipients: [recipient], hsm, config: '/etc/openbao/server.hcl', timeout: 30, ...more },
})

/** What came of the last task, and all that was printed. Whoever acts meanwhile must not be blocked. */
async function told(lab: Lab, mode: 'apply' | 'check', tasks: readonly object[], reach: readonly string[] = []) {
  const file = join(dir, 'play.yml')
  writeFileSync(file, JSON.stringify([{ hosts: 'h1', gather_facts: false, tasks }]), { mode: 0o600 })
  const args = [mode, file, '--output', 'ndjson', ...reach]
  const env = { RUNBOOK_AGE_IDENTITY: identity }
  const end = await startRunbook(args, reach.length > 0 ? undefined : lab, env).ended
  const text = end.stdout + end.stderr
  const events = end.stdout
    .split('\n')
    .filter((l) => l.startsWith('{'))
    .map((l) => JSON.parse(l))
  const ran = events.filter((e): e is TaskEvent => e.event === 'task')
  const line = (t: TaskEvent | undefined) =>
    `${t?.status} ${t?.changes.join('; ')}${t?.message ? `: ${t.message}` : ''}${t?.hint ? ` (${t.hint})` : ''}`
  const lost = events.find((e) => e.event === 'host')?.message ?? ''
  return { line: ran.length > 0 ? line(ran.at(-1)) : `none: ${lost}${text}`, lines: ran.map(line), text }
}

const keysIn = async (store: string) => parseKeys((await readStore(store, identityFile)).content!)!

/** What must be found nowhere but where it belongs: all that is in any store, too. */
async function secrets(): Promise<Secrets> {
  const stores = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.age'))
  const kept = await Promise.all(
    stores.map(async (store) => {
      const { root_token, keys } = await keysIn(join(dir, store))
      return [root_token, ...keys].map((value, i) => [`${i === 0 ? 'root token' : `key ${i}`} of ${store}`, value])
    }),
  )
  return { pin: token.pin, identity, ...Object.fromEntries(kept.flat()) }
}

async function worksAs(api: string, rootToken: string): Promise<boolean> {
  return (await fetch(`${api}/v1/auth/token/lookup-self`, { headers: { 'x-vault-token': rootToken } })).status === 200
}

const isInitialised = async (api: string) =>
  ((await (await fetch(`${api}/v1/sys/init`)).json()) as { initialized: boolean }).initialized

const emptied = `systemctl stop openbao; systemctl reset-failed openbao 2>/dev/null; rm -rf /opt/openbao/data; mkdir -m 700 /opt/openbao/data; chown openbao: /opt/openbao/data`

/** As new. */
async function anew(lab: Lab, api: string): Promise<void> {
  onHost(lab, 'h1', `${emptied}; systemctl start openbao`)
  await untilHealth(lab, 'h1', api, 501)
}

const api = (lab: Lab) => `http://${lab.hosts[0]!.address}:8200`

labSuite(
  1,
  [
    [
      'the key of the seal is looked at before: a server that would be lost is not initialised',
      async (lab) => {
        placeLibrary(lab, 'h1')
        makeToken(lab, 'h1', token)
        startServer(lab, 'h1', { token, keyLabel: 'hsm_demo' })
        await untilHealth(lab, 'h1', api(lab), 501)
        const store = newStore()
        const line = async (more: object = {}) => (await told(lab, 'apply', [init(api(lab), store, more)])).line
        assert.match(await line(), /the server would be lost: there is no key hsm_demo on the token/)
        assert.match(await line({ hsm: undefined }), /its key was not looked at.*unchecked_seal/)
        assert.match(await line({ hsm: { ...hsm, token_label: 'none' } }), /there is no token labelled none/)
        assert.match(await line({ hsm: { ...hsm, library: '/none.so' } }), /there is no \/none\.so/)
        const gone = await line({ hsm: { ...hsm, pin_file: '/none' } })
        assert.match(gone, /there is no \/none \(the PIN/, gone)
        assert.match(
          await line({ hsm: { ...hsm, pin_file: undefined, pin: 'canary-wrong-1' } }),
          /the login failed: .*PIN/,
        )
        assert.match(await line(), /counts wrong PINs since the last login: it was not tried/)
        makeKey(lab, 'h1', token, 'hsm_demo')
        makeKey(lab, 'h1', token, 'hsm_demo', '02')
        assert.match(await line(), /there are 2 keys hsm_demo on the token/)
        onHost(
          lab,
          'h1',
          `P='${token.pin}' pkcs11-tool --module ${libraryPath} --token-label lab -l --pin env:P --delete-object --type secrkey --id 02`,
        )
        // encrypts and cannot decrypt
        onHost(
          lab,
          'h1',
          `P='${token.pin}' pkcs11-tool --module ${libraryPath} --token-label lab -l --pin env:P --keypairgen --key-type RSA:2048 --label rsa --id 03`,
        )
        shareTokens(lab, 'h1')
        const rsa = { ...hsm, key_label: 'rsa', mechanism: '0x0009' }
        assert.match(await line({ hsm: rsa }), /would be lost: the key rsa does not work: .*CKR_ARGUMENTS_BAD/)
        onHost(lab, 'h1', 'mv /usr/bin/openssl /usr/bin/openssl.away')
        const untried = await line({ hsm: { ...rsa, rsa_oaep_hash: 'sha1' } })
        onHost(lab, 'h1', 'mv /usr/bin/openssl.away /usr/bin/openssl')
        assert.match(untried, /whether the seal’s key works is not known, .*no openssl.*or `unchecked_seal: true`/)
        assert.is(await isInitialised(api(lab)), false)
        assert.equal(readdirSync(join(store, '..')), [])
      },
    ],
    [
      'initialised once, unsealed by its HSM, what it hands out in the store; a second run does nothing',
      async (lab) => {
        const store = newStore()
        const tasks = [init(api(lab), store, { shares: 2, threshold: 2 })]
        const predicted = await told(lab, 'check', tasks)
        assert.is(await isInitialised(api(lab)), false)
        const done = await told(lab, 'apply', tasks)
        assert.match(done.line, /^changed initialise .* \(2 of 2 recovery keys\) and keep them in/)
        assert.equal(done.lines, predicted.lines)
        assert.is((await healthOf(api(lab)))!.status, 200)
        const kept = await keysIn(store)
        assert.ok(await worksAs(api(lab), kept.root_token))
        assert.is((await told(lab, 'apply', tasks)).line, 'ok ')
        const hidden = [kept.root_token, kept.keys[0], token.pin].map((s) => `-e '${s}'`).join(' ')
        // not even where its owner alone could read it
        assert.is(onHost(lab, 'h1', `grep -rlF ${hidden} /etc/systemd /root /tmp /var/log /opt 2>/dev/null || :`), '')
        // a store that is read by the next task
        const mount = { vault_mount: { address: api(lab), store, path: 'kv', type: 'kv' } }
        assert.match((await told(lab, 'apply', [...tasks, mount])).line, /^changed/)
        await lab.reboot('h1')
        const rebooted = await told(lab, 'apply', tasks)
        assert.match(rebooted.line, /^ok/, rebooted.text)
        await untilHealth(lab, 'h1', api(lab), 200)
      },
    ],
    [
      'from a server that is stopped to one that works, in one run',
      async (lab) => {
        onHost(lab, 'h1', emptied)
        const store = newStore()
        const mount = { vault_mount: { address: api(lab), store, path: 'kv', type: 'kv' } }
        const tasks = [{ systemd_unit: { name: 'openbao', state: 'started' } }, init(api(lab), store), mount]
        const predicted = await told(lab, 'check', tasks)
        assert.match(predicted.lines[1]!, /^unknown /)
        const done = await told(lab, 'apply', tasks)
        assert.equal(
          done.lines.map((l) => l.split(' ')[0]),
          ['changed', 'changed', 'changed'],
          done.text,
        )
        assert.equal((await told(lab, 'apply', tasks)).lines, ['ok ', 'ok ', 'ok '])
      },
    ],
    [
      'the token goes away between the look and the call: the truth, and the way out works',
      async (lab) => {
        await anew(lab, api(lab))
        const front = await standIn(api(lab), (what) => {
          if (what === 'PUT /v1/sys/init') takeTokensAway(lab, 'h1')
          return 'pass'
        })
        const store = newStore()
        const lost = await told(lab, 'apply', [init(front.address, store)])
        assert.match(lost.line, /^failed .*is initialised now, and its keys are lost.*CKR_/)
        assert.match(
          lost.line,
          /stop it and those that have joined it, empty the storage of each \(raft\), start them, and run this again/,
        )
        assert.ok(existsSync(`${store}.intent`))
        putTokensBack(lab, 'h1')
        assert.match(
          (await told(lab, 'apply', [init(api(lab), store)])).line,
          /never came to keep its keys: they are lost/,
        )
        await anew(lab, api(lab))
        assert.match((await told(lab, 'apply', [init(api(lab), store)])).line, /^changed/)
        assert.ok(await worksAs(api(lab), (await keysIn(store)).root_token))
        assert.equal(readdirSync(join(store, '..')).length, 1)
        front.close()
      },
    ],
    [
      'the connection to the host is cut between the call and its answer: the next run says what that means',
      async (lab) => {
        await anew(lab, api(lab))
        const proxy = await startProxy(lab.hosts[0]!)
        const front = await standIn(api(lab), (what) => {
          if (what === 'PUT /v1/sys/init') setTimeout(() => proxy.cut(), 300)
          return 'pass'
        })
        const known = join(dir, 'known_hosts')
        const key = readFileSync(lab.knownHostsFile, 'utf8').split('\n')[0]!.split(' ').slice(1).join(' ')
        writeFileSync(known, `[127.0.0.1]:${proxy.port} ${key}\n`)
        const reach = [
          '-i',
          lab.inventoryFile,
          '--known-hosts',
          known,
          '-e',
          `ansible_host=127.0.0.1 ansible_port=${proxy.port}`,
        ]
        const store = newStore()
        const cut = await told(lab, 'apply', [init(front.address, store)], reach)
        assert.match(cut.line, /^unreachable .*what it did is not known; the next run finds out/)
        await untilHealth(lab, 'h1', api(lab), 200)
        assert.match(
          (await told(lab, 'apply', [init(api(lab), store)])).line,
          /never came to keep its keys: they are lost/,
        )
        await proxy.close()
        front.close()
      },
    ],
  ],
  whyNoServers,
  // the identity is given in the environment, as itself
  { secrets, environments: { identity: ['dist/main.js'] } },
)
