import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import { pluginName, whyNoServers } from './bao.ts'
import { putTokensBack, takeTokensAway } from './hsm.ts'
import { startHunt } from './hunt.ts'
import { labOwn } from './lab.ts'
import { secretsIn } from './secret-forms.ts'
import { OneHost } from './site-rig.ts'
import { labSuite } from './suite.ts'

// What must be found nowhere but where it belongs is looked for everywhere, while and after the guide's playbooks run, each
// with all that it can be made to say.

const salt = randomBytes(4).toString('hex')
const own = { pin: `canary"$PIN\`4711\\${salt}`, keyPassword: `canary-key'pass$&4711/${salt}` }

labSuite(
  1,
  [
    [
      'the PIN, the password, the root token and the keys are nowhere but where they belong',
      async (lab) => {
        const site = new OneHost(lab, own)
        const hunt = await startHunt({ labs: [lab], secrets: () => site.secrets() })
        await site.run(2, 'check', '--diff', '-vv', '--output', 'plain')
        await site.run(0, 'apply', '--diff', '-vv', '--output', 'ndjson')
        await site.run(0, 'apply', '-vv', '--output', 'pretty')
        await site.run(0, 'check', '--diff', '--output', 'ndjson')
        await site.run(0, 'apply', 'playbooks/verify.yml', '-vv', '--diff')
        // what fails says more
        takeTokensAway(lab, 'h1')
        await site.run(1, 'apply', 'playbooks/verify.yml', '-vv', '--diff')
        putTokensBack(lab, 'h1')
        lab.run('h1', ['sh', '-c', 'echo broken >>/etc/fxpkcs11.cfg; systemctl stop vault'])
        await site.run(0, 'apply', '--diff', '-vv')
        await site.unsealed()
        await site.run(1, 'apply', '--diff', '-vv', '-e', 'vault_enterprise=true')
        assert.equal(Object.keys(site.secrets()), ['pin', 'keyPassword', 'root_token', 'key 0'])
        assert.equal(await hunt.end(), [])
        const seen = hunt.watched()
        assert.is(seen.said, 8)
        assert.ok(seen.pace < 30, `it looked every ${seen.pace} ms`)
        for (const part of ['pkcs11-tool', 'bao server', 'dist/main.js'])
          assert.ok(
            seen.processes.some(({ args }) => args.join(' ').includes(part)),
            `it saw ${part}`,
          )
      },
    ],
    [
      'a PIN that a service gets in its environment is in that of its own processes alone',
      async (lab) => {
        const site = new OneHost(lab, own, { keep: true })
        const programs = ['/usr/local/bin/bao', `/usr/local/lib/vault/plugins/${pluginName}`]
        const environments = { pin: programs }
        const hunt = await startHunt({ labs: [lab], secrets: () => site.secrets(), environments })
        await site.run(0, 'apply', '--diff', '-vv', '-e', 'vault_pin_by=environment')
        await site.unsealed()
        assert.equal(await hunt.end(), [])
        const has = hunt
          .watched()
          .processes.filter(({ environment }) => !environment.includes(labOwn))
          .filter(({ environment }) => environment.some((e) => secretsIn(e, { pin: own.pin }).length > 0))
        assert.equal([...new Set(has.map(({ args }) => args[0]))].sort(), programs)
      },
    ],
  ],
  whyNoServers,
)
