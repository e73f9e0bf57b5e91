import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { baoRelease, whyNoServers } from './bao.ts'
import { untilHealth } from './bao-server.ts'
import { onHost } from './hsm.ts'
import type { Lab } from './lab.ts'
import { startRunbook } from './runbook.ts'
import { makeSite } from './site.ts'
import { labSuite } from './suite.ts'
import { lost, startWriting } from './writer.ts'

// playbooks/rolling.yml on a real cluster: restart and upgrade one at a time, under a client that writes all the time.

const names = ['h1', 'h2', 'h3']
const unsealed = [200, 429]
let site = ''

async function run(lab: Lab, status: number, command: string, playbook: string, ...options: string[]): Promise<string> {
  const reach = ['-i', site, '--known-hosts', lab.knownHostsFile]
  const done = await startRunbook([command, `playbooks/${playbook}`, ...reach, ...options]).ended
  const said = done.stdout + done.stderr
  assert.is(done.status, status, said)
  assert.not(said.includes(tokenOf(lab) ?? 'no token yet'))
  return said
}

function tokenOf(lab: Lab): string | undefined {
  try {
    const kept = readFileSync(join(lab.dir, 'vault-keys.json'), 'utf8')
    return (JSON.parse(kept) as { root_token: string }).root_token
  } catch {
    return undefined
  }
}

const url = (lab: Lab, host: string) => `http://${lab.hosts.find((h) => h.name === host)!.address}:8200`

async function ask<T>(lab: Lab, host: string, path: string): Promise<T> {
  const said = await fetch(`${url(lab, host)}/v1/sys/${path}`, { headers: { 'x-vault-token': tokenOf(lab)! } })
  return (await said.json()) as T
}

/** The host that leads, as another sees it. */
async function leader(lab: Lab): Promise<string> {
  const { leader_address } = await ask<{ leader_address: string }>(lab, 'h2', 'leader')
  return names.find((host) => url(lab, host) === leader_address)!
}

const autopilot = 'storage/raft/autopilot/state'

/** Waits until all vote and are well. */
async function untilHealthy(lab: Lab): Promise<void> {
  const at = await leader(lab)
  for (const late = Date.now() + 60_000; Date.now() < late; await new Promise((r) => setTimeout(r, 500))) {
    const { data } = await ask<{ data?: { healthy: boolean; voters: unknown[] } }>(lab, at, autopilot)
    if (data?.healthy && data.voters.length === names.length) return
  }
  throw new Error('the cluster never came to be healthy')
}

/** Waits until a rolling restart would begin. */
async function untilReady(lab: Lab): Promise<void> {
  const isReady = async () => (await run(lab, 2, 'check', 'rolling.yml').catch(() => '')) !== ''
  for (let tries = 0; !(await isReady()); tries++) {
    assert.ok(tries < 15, 'it never gets well')
    await new Promise((r) => setTimeout(r, 1000))
  }
}

const show = (lab: Lab, property: string) =>
  names.map((host) => onHost(lab, host, `systemctl show --value --property=${property} vault`).trim())
/** The hosts in the order in which their servers were started last. */
const order = (lab: Lab) => {
  const at = show(lab, 'ExecMainStartTimestampMonotonic').map(Number)
  return names.toSorted((a, b) => at[names.indexOf(a)]! - at[names.indexOf(b)]!)
}

const older = () => {
  const { zip, sums } = baoRelease('2.7.1')
  const vars = { vault_archive: zip, vault_checksum: readFileSync(sums, 'utf8').split(' ')[0] }
  return ['-e', JSON.stringify(vars)]
}

labSuite(
  3,
  [
    [
      'an upgrade of the three, leader last, one away at a time; what was acknowledged is there, and is all the time again soon',
      async (lab) => {
        site = makeSite(lab)
        await run(lab, 0, 'apply', 'site.yml', ...older())
        await untilHealthy(lab)
        await untilReady(lab)
        const [pids, first] = [show(lab, 'MainPID'), await leader(lab)]

        const foreseen = await run(lab, 2, 'check', 'rolling.yml')
        for (const host of names)
          assert.match(foreseen, new RegExp(`would change ${host}: restart : the service\\n +systemctl restart vault`))
        assert.match(foreseen, new RegExp(`would change ${first}: restart : another one leads\\n.*step down`))
        assert.is(foreseen.match(/step down/g)!.length, 1)
        assert.equal(show(lab, 'MainPID'), pids, 'check restarts nothing')

        const token = tokenOf(lab)!
        const servers = names.map((host) => url(lab, host))
        const stop = startWriting(servers, 'kv-unwrapped', token)
        const rolled = run(lab, 0, 'apply', 'rolling.yml')
        await rolled.catch(() => {})
        const { acknowledged, longestGap, mostAway } = await stop()
        await rolled
        console.log(`${acknowledged.length} writes, at most ${longestGap} s without one, ${mostAway} away at a time`)

        assert.ok(acknowledged.length > 200, `${acknowledged.length} writes`)
        for (const server of servers) assert.equal(await lost(server, 'kv-unwrapped', token, acknowledged), [])
        assert.ok(longestGap < 5, `${longestGap} s without an acknowledged write`)
        assert.is(mostAway, 1)
        const now = show(lab, 'MainPID')
        assert.ok(
          now.every((pid, i) => pid !== '0' && pid !== pids[i]),
          `${pids} ${now}`,
        )
        assert.is(order(lab).at(-1), first, 'the leader was the last')
        assert.is.not(await leader(lab), first, 'another one leads')
        for (const host of names) assert.is((await ask<{ version: string }>(lab, host, 'seal-status')).version, '2.7.2')
        assert.match(await run(lab, 0, 'check', 'site.yml'), /nothing to change|changed=0/)
      },
    ],
    [
      'an older release is refused before anything is stopped',
      async (lab) => {
        const pids = show(lab, 'MainPID')
        const said = await run(lab, 1, 'apply', 'rolling.yml', ...older())
        assert.match(said, /restart : the program\n.*would be replaced: 2\.7\.1 is older than 2\.7\.2/)
        assert.equal(show(lab, 'MainPID'), pids)
      },
    ],
    [
      'one that does not come back ends the run, and with one away nothing is restarted',
      async (lab) => {
        const first = await leader(lab)
        const [broken, other] = names.filter((host) => host !== first) as [string, string]
        const at = (host: string, list: readonly string[]) => list[names.indexOf(host)]
        const before = show(lab, 'MainPID')
        // the others do not reach it any more: their leader's autopilot calls it healthy, and a voter, all the same
        const hcl = '/etc/vault.d/vault.hcl'
        onHost(lab, broken, `cp -p ${hcl} /root/hcl; sed -i '/cluster_addr/s/:8201/:8299/' ${hcl}`)
        const ended = await run(lab, 1, 'apply', 'rolling.yml', '-e', 'vault_restart_timeout=8')
        assert.match(ended, new RegExp(`failed ${broken}: restart : it votes again\\n.*knows no leader.*, after 8 s`))
        assert.match(ended, new RegExp(`all hosts of a batch failed: ${broken}`))
        const now = show(lab, 'MainPID')
        assert.is.not(at(broken, now), at(broken, before))
        for (const host of [first, other]) assert.is(at(host, now), at(host, before), `${host} was left alone`)

        for (const only of [[], ['-l', first], ['-l', other]]) {
          const refused = await run(lab, 1, 'apply', 'rolling.yml', ...only)
          assert.match(refused, /failed h\d: the cluster\n.*(knows no leader|does not report to the leader)/)
        }
        onHost(lab, broken, 'systemctl stop vault')
        const without = await run(lab, 1, 'apply', 'rolling.yml', '-l', other)
        assert.match(without, new RegExp(`failed ${other}: the cluster\\n.*${broken} of the cluster`))
        for (const host of [first, other]) assert.is(at(host, show(lab, 'MainPID')), at(host, before))

        onHost(lab, broken, `cp -p /root/hcl ${hcl}; systemctl restart vault`)
        await untilHealth(lab, broken, url(lab, broken), unsealed)
        await untilReady(lab)
      },
    ],
  ],
  whyNoServers,
)
