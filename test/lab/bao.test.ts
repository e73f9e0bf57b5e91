import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as assert from 'uvu/assert'
import { baoRelease, whyNoServers } from './bao.ts'
import { healthOf, initServer, startServer, untilHealth } from './bao-server.ts'
import { makeKey, makeToken, onHost, placeLibrary, putTokensBack, takeTokensAway } from './hsm.ts'
import type { Lab } from './lab.ts'
import { until } from './runbook.ts'
import { labSuite } from './suite.ts'

const token = { label: 'lab', pin: 'canary-pin-4711', soPin: 'canary-so-4711' }

function withToken(lab: Lab, host: string): void {
  placeLibrary(lab, host)
  makeToken(lab, host, token)
  makeKey(lab, host, token, 'hsm_demo')
}

async function tells(api: string, rootToken: string, path: string, body?: object): Promise<Response> {
  const options = body ? { method: 'POST', body: JSON.stringify(body) } : {}
  return fetch(`${api}/v1/${path}`, { ...options, headers: { 'X-Vault-Token': rootToken } })
}

labSuite(
  2,
  [
    [
      'a server on raft unseals by itself through PKCS #11: after init, a restart, a reboot',
      async (lab) => {
        withToken(lab, 'h1')
        const api = startServer(lab, 'h1', { token, keyLabel: 'hsm_demo' })
        await untilHealth(lab, 'h1', api, 501)
        const { rootToken, recoveryKeys } = await initServer(api)
        assert.is(recoveryKeys.length, 1)
        await untilHealth(lab, 'h1', api, 200)
        assert.is((await tells(api, rootToken, 'sys/mounts/kv', { type: 'kv' })).status, 204)
        assert.is((await tells(api, rootToken, 'kv/a', { word: 'kept' })).status, 204)
        const kept = async () => (await (await tells(api, rootToken, 'kv/a')).json()) as { data: { word: string } }

        onHost(lab, 'h1', 'systemctl restart openbao')
        await untilHealth(lab, 'h1', api, 200)
        assert.is((await kept()).data.word, 'kept')

        await lab.reboot('h1')
        await untilHealth(lab, 'h1', api, 200)
        assert.is((await kept()).data.word, 'kept')

        takeTokensAway(lab, 'h1')
        onHost(lab, 'h1', 'systemctl restart openbao')
        await until(
          'without its token it ends',
          () => lab.run('h1', ['systemctl', 'is-failed', 'openbao']).status === 0,
        )
        assert.is(await healthOf(api), undefined, 'without its token it does not start')
        putTokensBack(lab, 'h1')
        onHost(lab, 'h1', 'systemctl reset-failed openbao; systemctl restart openbao')
        await untilHealth(lab, 'h1', api, 200)

        const environment = onHost(lab, 'h1', "cat /proc/$(systemctl show -P MainPID openbao)/environ | tr '\\0' '\\n'")
        assert.not.match(environment, token.pin)
      },
    ],
    [
      'a server with file storage does too',
      async (lab) => {
        withToken(lab, 'h2')
        const options = { version: '2.6.2', storage: 'file', token, keyLabel: 'hsm_demo' } as const
        const api = startServer(lab, 'h2', options)
        await untilHealth(lab, 'h2', api, 501)
        await initServer(api)
        onHost(lab, 'h2', 'systemctl restart openbao')
        await untilHealth(lab, 'h2', api, 200)
      },
    ],
    [
      'a release has the layout of a vendor: a zip with one program, and its sum',
      async () => {
        const { zip, sums, program } = baoRelease('2.7.2')
        const inside = spawnSync('unzip', ['-Z1', zip], { encoding: 'utf8' }).stdout
        assert.is(inside, 'bao\n')
        const checked = spawnSync('sha256sum', ['--check', '--quiet', sums], { cwd: dirname(zip), encoding: 'utf8' })
        assert.is(checked.status, 0, checked.stdout + checked.stderr)
        const unpacked = spawnSync('unzip', ['-p', zip], { maxBuffer: 1 << 28 }).stdout
        assert.ok(unpacked.equals(readFileSync(program)))
      },
    ],
  ],
  whyNoServers,
)
