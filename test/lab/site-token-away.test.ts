import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { whyNoServers } from './bao.ts'
import { packFxpkcs11 } from './fxpkcs11-archive.ts'
import { putTokensBack } from './hsm.ts'
import { leavesFile, makeLeavingLibrary } from './hsm-that-leaves.ts'
import { OneHost } from './site-rig.ts'
import { labSuite } from './suite.ts'

// The HSM goes away between the look at the seal's key and the call that initialises, in a run of the guide's playbook.

const away = 'mv /var/lib/softhsm/tokens /var/lib/softhsm/tokens.away'
/** With its plugin, which would keep its port. */
const serverGone =
  'p=$(systemctl show --property=MainPID --value vault); kill -KILL $p $(cat /proc/$p/task/*/children); while kill -0 $p; do sleep 0.05; done'
let site: OneHost
let library: readonly string[]

/** @param happens when the key was looked at, as shell text of the service's user */
const arm = (happens: string) => site.on(`printf '%s\\n' '${happens}' >${leavesFile}; chown vault ${leavesFile}`)

labSuite(
  1,
  [
    [
      'its token is taken away: the server is initialised and its keys are lost; that is said, and the way out works',
      async (lab) => {
        site = new OneHost(lab)
        const archive = join(lab.dir, 'leaves.tar.gz')
        makeLeavingLibrary(join(lab.dir, 'leaves.so'))
        packFxpkcs11(archive, join(lab.dir, 'leaves.so'))
        library = ['-e', JSON.stringify({ fxpkcs11_archive: archive, fxpkcs11_checksum: null })]
        // whoever looks may move what is in it
        site.on(`chmod a+rwx /var/lib/softhsm; printf '%s\\n' '${away}' >${leavesFile}; chmod a+r ${leavesFile}`)

        const lost = await site.run(1, 'apply', ...library)
        assert.match(
          lost,
          /failed h1: init : it is initialised and unsealed\n\s+.*is initialised now, and its keys are lost/,
        )
        assert.match(lost, /CKR_/)
        assert.match(lost, /stop it, empty its storage \(file\), start it, and run this again/)
        assert.is(await site.initialised(), true, 'it is the truth')
        assert.not(site.hasStore())
        const still = await site.run(1, 'apply', ...library)
        assert.match(still, /there is no token labelled vault|CKR_|keys are lost/, 'the HSM is still away')

        putTokensBack(lab, 'h1')
        const back = await site.run(1, 'apply', ...library)
        assert.match(back, /never came to keep its keys: they are lost/, 'to put it back heals nothing')
        site.emptyStorage()
        await site.run(0, 'apply', ...library)
        await site.unsealed()
        assert.ok(await site.opens())
        assert.not(existsSync(`${site.store}.intent`))
        assert.match(await site.run(0, 'check', ...library), /changed=0/)
      },
    ],
    [
      'the server goes with it: nothing happened; that is said, and the way out works',
      async (lab) => {
        site.emptyAll()
        site.on('chown vault: /var/lib/softhsm/tokens')
        arm(`${away}; ${serverGone}`)
        const nothing = await site.run(1, 'apply', ...library)
        assert.match(
          nothing,
          /failed h1: init : it is initialised and unsealed\n\s+.*does not say whether it is initialised, nothing was done: .*refused the connection\n\s+at .*\n\s+fix: see that it runs/,
          nothing.slice(-1200),
        )
        assert.not(site.hasStore())
        assert.not(existsSync(`${site.store}.intent`), 'nothing bars the next run')
        putTokensBack(lab, 'h1')
        await site.run(0, 'apply', ...library)
        await site.unsealed()
        assert.ok(await site.opens())
      },
    ],
  ],
  whyNoServers,
  { secrets: () => site.secrets() },
)
