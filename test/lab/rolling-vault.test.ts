import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { untilHealth } from './bao-server.ts'
import { older, ThreeHosts } from './cluster-rig.ts'
import { onHost } from './hsm.ts'
import { labSuite } from './suite.ts'

// playbooks/rolling.yml on a real cluster: restart and upgrade one at a time, under a client that writes all the time.

const unsealed = [200, 429]
let site: ThreeHosts

labSuite(
  3,
  [
    [
      'an upgrade of the three, leader last, one away at a time; what was acknowledged is there, and is all the time again soon',
      async (lab) => {
        site = new ThreeHosts(lab)
        const { names } = site
        await site.run(0, 'apply', 'site.yml', ...older())
        await site.untilHealthy()
        await site.untilReady()
        const [pids, first] = [site.pids(), await site.leader()]

        const foreseen = await site.run(2, 'check', 'rolling.yml')
        for (const host of names)
          assert.match(foreseen, new RegExp(`would change ${host}: restart : the service\\n +systemctl restart vault`))
        assert.match(foreseen, new RegExp(`would change ${first}: restart : another one leads\\n.*step down`))
        assert.is(foreseen.match(/step down/g)!.length, 1)
        assert.equal(site.pids(), pids, 'check restarts nothing')

        await site.written(() => site.run(0, 'apply', 'rolling.yml'))
        const now = site.pids()
        assert.ok(
          now.every((pid, i) => pid !== '0' && pid !== pids[i]),
          `${pids} ${now}`,
        )
        assert.is(site.order().at(-1), first, 'the leader was the last')
        assert.is.not(await site.leader(), first, 'another one leads')
        for (const host of names) assert.is((await site.ask<{ version: string }>(host, 'seal-status')).version, '2.7.2')
        assert.match(await site.run(0, 'check', 'site.yml'), /nothing to change|changed=0/)
      },
    ],
    [
      'an older release is refused before anything is stopped',
      async () => {
        const pids = site.pids()
        const said = await site.run(1, 'apply', 'rolling.yml', ...older())
        assert.match(said, /restart : the program\n.*would be replaced: 2\.7\.1 is older than 2\.7\.2/)
        assert.equal(site.pids(), pids)
      },
    ],
    [
      'one that does not come back ends the run, and with one away nothing is restarted',
      async (lab) => {
        const first = await site.leader()
        const [broken, other] = site.names.filter((host) => host !== first) as [string, string]
        const at = (host: string, list: readonly string[]) => list[site.names.indexOf(host)]
        const before = site.pids()
        // the others do not reach it any more: their leader's autopilot calls it healthy, and a voter, all the same
        const hcl = '/etc/vault.d/vault.hcl'
        onHost(lab, broken, `cp -p ${hcl} /root/hcl; sed -i '/cluster_addr/s/:8201/:8299/' ${hcl}`)
        const ended = await site.run(1, 'apply', 'rolling.yml', '-e', 'vault_restart_timeout=20')
        assert.match(ended, new RegExp(`failed ${broken}: restart : it votes again\\n.*knows no leader.*, after 20 s`))
        assert.match(ended, new RegExp(`all hosts of a batch failed: ${broken}`))
        const now = site.pids()
        assert.is.not(at(broken, now), at(broken, before))
        for (const host of [first, other]) assert.is(at(host, now), at(host, before), `${host} was left alone`)

        for (const only of [[], ['-l', first], ['-l', other]]) {
          const refused = await site.run(1, 'apply', 'rolling.yml', ...only)
          assert.match(refused, /failed h\d: the cluster\n.*(knows no leader|does not report to the leader)/)
        }
        // no host is green, as check and as apply
        for (const command of ['check', 'apply']) {
          const verified = await site.run(1, command, 'verify.yml')
          for (const host of site.names)
            assert.match(
              verified,
              new RegExp(
                `failed ${host}: it takes part in its cluster, and so do all others\n.*(knows no|report to the)`,
              ),
            )
        }
        onHost(lab, broken, 'systemctl stop vault')
        const gone = await site.run(1, 'apply', 'verify.yml', '-l', broken)
        assert.match(gone, new RegExp(`failed ${broken}: Vault is unsealed\n.*(refused|nobody listens)`))
        const without = await site.run(1, 'apply', 'rolling.yml', '-l', other)
        assert.match(without, new RegExp(`failed ${other}: the cluster\\n.*${broken} of the cluster`))
        for (const host of [first, other]) assert.is(at(host, site.pids()), at(host, before))

        onHost(lab, broken, `cp -p /root/hcl ${hcl}; systemctl restart vault`)
        await untilHealth(lab, broken, site.url(broken), unsealed)
        await site.untilReady()
        await site.run(0, 'apply', 'verify.yml')
      },
    ],
  ],
  whyNoServers,
  { secrets: () => site.secrets() },
)
