import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { untilHealth } from './bao-server.ts'
import { older, ThreeHosts } from './cluster-rig.ts'
import { onHost } from './hsm.ts'
import { until } from './runbook.ts'
import { labSuite } from './suite.ts'

// playbooks/site.yml over a cluster that serves: what changes is taken over by one member after the other, by itself.

let site: ThreeHosts

const hcl = '/etc/vault.d/vault.hcl'
const changed = ['-e', 'vault_ui=false']
const restarts = (said: string) =>
  [...said.matchAll(/(\w+): restart : the service\n +systemctl restart vault/g)].map((m) => m[1])

/** The run restarts each of the three once, the leader last; a second one does nothing. */
async function rolls(...options: string[]): Promise<void> {
  const [before, first] = [site.starts(), await site.leader()]
  const foreseen = await site.run(2, 'check', 'site.yml', ...options)
  assert.equal(restarts(foreseen).toSorted(), site.names, foreseen)
  assert.match(foreseen, new RegExp(`would change ${first}: restart : another one leads\\n.*step down`))
  assert.not.match(foreseen, /: Vault : the service/)
  assert.equal(site.starts(), before, 'check restarts nothing')
  await site.written(() => site.run(0, 'apply', 'site.yml', ...options))
  assert.equal(
    site.starts(),
    before.map((n) => n + 1),
  )
  assert.is(site.order().at(-1), first, 'the leader was the last')
  const again = await site.run(0, 'apply', 'site.yml', ...options)
  assert.equal(again.match(/^changed /gm), null, again)
}

labSuite(
  3,
  [
    [
      'an upgrade is taken over by one member after the other, and an older release is refused before anything is stopped',
      async (lab) => {
        site = new ThreeHosts(lab)
        await site.run(0, 'apply', 'site.yml', ...older())
        await site.untilHealthy()
        await rolls()
        for (const host of site.names)
          assert.is((await site.ask<{ version: string }>(host, 'seal-status')).version, '2.7.2')
        const pids = site.pids()
        const said = await site.run(1, 'apply', 'site.yml', ...older())
        assert.match(said, /Vault : the program\n.*would be replaced: 2\.7\.1 is older than 2\.7\.2/)
        assert.equal(site.pids(), pids)
      },
    ],
    [
      'runs that are killed before a restart and after the first: the next makes up for the rest; one that does not run is started with the change',
      async (lab) => {
        const [before, pids, first] = [site.starts(), site.pids(), await site.leader()]
        const once = before.map((n) => n + 1)
        const texts = () => lab.hosts.map(({ root }) => readFileSync(join(root, hcl), 'utf8'))
        const killed = async (what: string, isSo: () => boolean) => {
          const { child, ended } = site.start('apply', 'site.yml', ...changed)
          await until(what, isSo, 60, ended)
          child.kill('SIGKILL')
          const end = await ended
          assert.is(end.signal, 'SIGKILL', end.stdout)
        }
        await killed('all are written', () => texts().every((t) => /ui *= *false/.test(t)))
        await killed('one is restarted', () => site.pids().some((pid, i) => pid !== '0' && pid !== pids[i]))
        const left = site.names.filter((_, i) => site.starts()[i] === before[i])
        assert.is(left.length, 2, 'others were left for the next run')
        await site.untilHealthy()
        const stopped = left.find((host) => host !== first)!
        onHost(lab, stopped, 'systemctl stop vault')
        const foreseen = await site.run(2, 'check', 'site.yml', ...changed)
        assert.match(foreseen, new RegExp(`would change ${stopped}: Vault : the service\\n +systemctl start vault`))
        assert.match(foreseen, new RegExp(`unknown ${first}: restart : .*\\n.*wait until the others can do without`))
        await site.written(() => site.run(0, 'apply', 'site.yml', ...changed))
        assert.equal(site.starts(), once)
        assert.is(site.order().at(-1), first, 'the leader was the last')
        await site.run(0, 'check', 'site.yml', ...changed)
      },
    ],
    [
      'with one that is ill none is restarted, and the ways out are said: they leave all, or restart all at once',
      async (lab) => {
        const first = await site.leader()
        const ill = site.names.find((host) => host !== first)!
        // the others do not reach it any more
        onHost(lab, ill, `sed -i '/cluster_addr/s/:8201/:8299/' ${hcl}; systemctl restart vault`)
        await untilHealth(lab, ill, site.url(ill), 429)
        const pids = site.pids()
        const said = await site.run(1, 'apply', 'site.yml', '-e', 'vault_join_timeout=2')
        assert.match(
          said,
          /failed h\d: the cluster\n.*(knows no leader|does not report|not healthy|no voter).*, after 2 s/,
        )
        assert.match(said, /nothing was stopped; .*-e vault_restart=now/)
        assert.equal(site.pids(), pids)
        const never = await site.run(0, 'apply', 'site.yml', '-e', 'vault_restart=never')
        assert.match(never, /still runs what was there before/)
        assert.equal(site.pids(), pids)
        await site.run(0, 'apply', 'site.yml', '-e', 'vault_restart=now')
        assert.ok(site.pids().every((pid, i) => pid !== pids[i]))
        await site.untilHealthy()
        await site.run(0, 'check', 'site.yml')
      },
    ],
  ],
  whyNoServers,
  { secrets: () => site.secrets() },
)
