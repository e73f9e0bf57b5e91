import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { pluginName, whyNoServers } from './bao.ts'
import { putTokensBack, takeTokensAway } from './hsm.ts'
import type { Lab } from './lab.ts'
import { type Watched, watchProcesses } from './process-watch.ts'
import { secretForms, secretsIn } from './secret-forms.ts'
import { OneHost } from './site-rig.ts'
import { labSuite } from './suite.ts'

// What must be found nowhere but where it belongs is looked for everywhere, while and after the guide's playbooks run.

const salt = randomBytes(4).toString('hex')
const own = { pin: `canary"$PIN\`4711\\${salt}`, keyPassword: `canary-key'pass$&4711/${salt}` }

/** Files that anybody but their owner may read, changed since the mark was made, that hold one of the secrets. */
function readableOnHost(lab: Lab, secrets: Readonly<Record<string, string>>): string[] {
  const { root } = lab.hosts[0]!
  writeFileSync(join(root, 'root/forms'), patterns(secrets), { mode: 0o600 })
  const places = '/ /run /tmp /dev/shm /var/tmp'
  const find = `find ${places} -xdev -type f -perm /044 -cnewer /root/mark -exec grep -laFf /root/forms {} + 2>/dev/null`
  const found = lab.run('h1', ['sh', '-c', find]).stdout
  return found.split('\n').filter((f) => f !== '')
}

function readableHere(dirs: readonly string[], mark: string, secrets: Readonly<Record<string, string>>): string[] {
  const forms = `${mark}.forms`
  writeFileSync(forms, patterns(secrets), { mode: 0o600 })
  const script = `find "$@" \\( -path '*/node_modules' -o -path '*/root' -o -path '*/upper' -o -path '*/work' \\) -prune -o -type f -perm /044 -cnewer '${mark}' -exec grep -laFf '${forms}' {} + 2>/dev/null`
  const found = spawnSync('sh', ['-c', script, 'sh', ...dirs], { encoding: 'utf8' }).stdout
  return found.split('\n').filter((f) => f !== '')
}

const patterns = (secrets: Readonly<Record<string, string>>) =>
  `${Object.values(secrets).flatMap(secretForms).join('\n')}\n`

const inProcesses = ({ processes }: Watched, secrets: Readonly<Record<string, string>>) =>
  processes.flatMap((p) => secretsIn(p, secrets))

const journal = (lab: Lab) => lab.run('h1', ['journalctl', '--no-pager', '--all', '--output=export']).stdout

labSuite(
  1,
  [
    [
      'what looks for secrets finds those that are let out',
      async (lab) => {
        const secret = { planted: `planted"'$&/?+~ÿ${salt}` }
        const text = secret.planted
        for (const before of ['', 'a', 'ab'])
          for (const behind of ['', 'c', 'cd']) {
            const encoded = Buffer.from(before + text + behind)
            for (const as of ['base64', 'base64url'] as const)
              assert.is.not(secretsIn(encoded.toString(as), secret).length, 0, `${before} ${behind} ${as}`)
          }
        const encodings = [encodeURIComponent(text), JSON.stringify({ a: text }), `x ${text} y`]
        for (const said of encodings) assert.is.not(secretsIn(said, secret).length, 0, said)
        assert.equal(secretsIn(`planted ${salt} ${text.slice(0, -2)}`, secret), [])

        const mark = join(lab.dir, 'mark')
        writeFileSync(mark, '')
        lab.run('h1', ['sh', '-c', ': >/root/mark; sleep 0.05'])
        const watch = await watchProcesses()
        const value = encodeURIComponent(text)
        lab.run('h1', ['env', `PLANTED=${value}`, 'sleep', '0.1'])
        lab.run('h1', ['sh', '-c', 'sleep 0.1', value])
        const seen = await watch.end()
        assert.ok(
          inProcesses(seen, secret).some((f) => /PLANTED/.test(f)),
          'in an environment',
        )
        assert.ok(
          inProcesses(seen, secret).some((f) => /sleep 0\.1\0/.test(f)),
          'in an argument',
        )
        lab.run('h1', ['sh', '-c', 'cd /run; umask 022; echo "$1" >open; umask 077; echo "$1" >own', 'sh', value])
        assert.equal(readableOnHost(lab, secret), ['/run/open'])
        for (const [name, mode] of [
          ['own', 0o600],
          ['open', 0o640],
        ] as const)
          writeFileSync(join(lab.dir, name), Buffer.from(`x${text}`).toString('base64'), { mode })
        assert.equal(readableHere([lab.dir], mark, secret), [join(lab.dir, 'open')])
        lab.run('h1', ['logger', value])
        lab.run('h1', ['journalctl', '--sync'])
        assert.is.not(secretsIn(journal(lab), secret).length, 0, 'in the journal')
      },
    ],
    [
      'the PIN, the password, the root token and the keys are nowhere but where they belong',
      async (lab) => {
        const site = new OneHost(lab, own)
        const mark = join(lab.dir, 'mark')
        writeFileSync(mark, '')
        lab.run('h1', ['sh', '-c', ': >/root/mark; sleep 0.05'])
        const watch = await watchProcesses()
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
        const seen = await watch.end()

        const { root_token, keys, keys_base64 = [] } = site.kept()
        const all = {
          ...own,
          root_token,
          ...Object.fromEntries([...keys, ...keys_base64].map((k, i) => [`key ${i}`, k])),
        }
        assert.equal(
          site.said.flatMap((text) => secretsIn(text, all)),
          [],
          'output',
        )
        assert.equal(secretsIn(journal(lab), all), [], 'journal')
        assert.ok(seen.pace < 30, `it looked every ${seen.pace} ms`)
        for (const part of ['pkcs11-tool', 'bao\0server', 'dist/main.js'])
          assert.ok(
            seen.processes.some((p) => p.includes(part)),
            `it saw ${part}`,
          )
        assert.equal(inProcesses(seen, all), [], 'processes')
        assert.equal(readableOnHost(lab, all), [], 'files of the host')
        assert.equal(readableHere([lab.dir, tmpdir(), process.cwd()], mark, all), [], 'files here')
      },
    ],
    [
      'a PIN that a service gets in its environment is in that of its own processes alone',
      async (lab) => {
        const site = new OneHost(lab, own, { keep: true })
        const watch = await watchProcesses()
        await site.run(0, 'apply', '--diff', '-vv', '-e', 'vault_pin_by=environment')
        await site.unsealed()
        const seen = await watch.end()
        const has = seen.processes.filter((p) => secretsIn(p, own).length > 0).map((p) => p.split('\0')[0])
        assert.equal([...new Set(has)].sort(), ['/usr/local/bin/bao', `/usr/local/lib/vault/plugins/${pluginName}`])
        const all = { ...own, root_token: site.kept().root_token }
        assert.equal(secretsIn(site.said.join(), all), [])
        assert.equal(secretsIn(journal(lab), all), [])
        assert.equal(readableOnHost(lab, all), [])
      },
    ],
  ],
  whyNoServers,
)
