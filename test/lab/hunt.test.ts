import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { hunted, startHunt } from './hunt.ts'
import { labOwn } from './lab.ts'
import { watchProcesses } from './process-watch.ts'
import { runbook } from './runbook.ts'
import { secretsIn } from './secret-forms.ts'
import { labSuite } from './suite.ts'

// What looks for secrets finds those that are let out, wherever that is.

const text = `planted"'$&/?+~ÿ ${randomBytes(4).toString('hex')}`
const secret = { planted: text }
const late = randomBytes(12).toString('hex')
/** The name is in the environment of what the lab does itself: this is somebody else's. */
const foreign = ['env', '-u', labOwn.split('=')[0]!]

labSuite(2, [
  [
    'a secret is found in any form, and nothing is that is none',
    async () => {
      for (const before of ['', 'a', 'ab'])
        for (const behind of ['', 'c', 'cd']) {
          const encoded = Buffer.from(before + text + behind)
          for (const as of ['base64', 'base64url'] as const)
            assert.is.not(secretsIn(encoded.toString(as), secret).length, 0, `${before} ${behind} ${as}`)
        }
      const inAddress = encodeURIComponent(text)
      const inForm = new URLSearchParams({ a: text }).toString().replaceAll('%7E', '~').replaceAll('%27', "'")
      const quoted = `'${text.replaceAll("'", `'\\''`)}'`
      const lower = inAddress.replace(/%../g, (c) => c.toLowerCase())
      for (const said of [inAddress, inForm, quoted, lower, JSON.stringify({ a: text }), `x ${text} y`])
        assert.is.not(secretsIn(said, secret).length, 0, said)
      assert.equal(secretsIn(`planted ${late} ${text.slice(0, -2)}`, secret), [])
    },
  ],
  [
    'it is found where it was let out, on any host and here, by whoever did it; what is meant to have it is not told',
    async (lab) => {
      let known: Record<string, string> = secret
      const prey = { labs: [lab], secrets: () => known, environments: { planted: ['sleep 0.3'] } }
      const hunt = await startHunt(prey)
      const inBase64 = Buffer.from(`x${text}`).toString('base64')
      const inAddress = encodeURIComponent(text)
      lab.run('h2', [...foreign, `PLANTED=${text}`, 'sleep', '0.1'])
      lab.run('h2', [...foreign, `MEANT=${text}`, 'sleep', '0.3'])
      lab.run('h1', [...foreign, 'sh', '-c', 'sleep 0.1; : argument', inAddress])
      lab.run('h1', ['sh', '-c', ': own', text])
      lab.run('h2', ['logger', inBase64])
      lab.run('h1', ['logger', `a quote of ${JSON.stringify(text)}`])
      const write =
        'cd /run; umask 022; echo "$1" >open; umask 077; echo "$1" >own; mkdir in; echo "$1" >in/group; chmod 640 in/group'
      lab.run('h2', ['sh', '-c', write, 'sh', inBase64])
      lab.run('h1', ['sh', '-c', 'umask 022; echo "$1" >/var/tmp/open', 'sh', text])
      mkdirSync(join(lab.dir, 'here'))
      for (const [name, mode] of [
        ['own', 0o600],
        ['open', 0o644],
        ['group', 0o640],
      ] as const)
        writeFileSync(join(lab.dir, 'here', name), inAddress, { mode })
      const play = join(lab.dir, 'play.yml')
      writeFileSync(play, JSON.stringify([{ hosts: 'h1', tasks: [{ debug: { msg: `it is ${late}` } }] }]), {
        mode: 0o600,
      })
      runbook(['apply', play, '--output', 'ndjson'], lab)
      known = { late }
      const hits = await hunt.end()
      rmSync(join(lab.dir, 'here'), { recursive: true })
      const found = (pattern: RegExp) =>
        assert.is.not(hits.filter((h) => pattern.test(h)).length, 0, `${pattern}\n${hits.join('\n')}`)
      found(/^the environment of sleep 0\.1: 0 planted .*PLANTED=/)
      found(/^an argument: 0 planted \(planted%22.* sleep 0\.1; : argument/)
      found(/^h2: the journal: MESSAGE=/)
      found(/^h1: the journal: MESSAGE=a quote of /)
      const files = hits.flatMap((h) => /^(.*): a file that others may read: (.*)$/.exec(h)?.slice(1).join() ?? [])
      assert.equal(files.toSorted(), ['h1,/var/tmp/open', 'h2,/run/in/group', 'h2,/run/open'])
      const here = hits.flatMap((h) => /^a file here that others may read: .*\/here\/(.*)$/.exec(h)?.[1] ?? [])
      assert.equal(here.toSorted(), ['group', 'open'])
      found(/^said: 1 late \(.*"task":"debug".*"output":"it is /)
      assert.equal(
        hits.filter((h) => /MEANT|sleep 0\.3|: own/.test(h)),
        [],
      )
    },
  ],
  [
    'it is told also where what was looked at fails, and nothing is where there is nothing',
    async (lab) => {
      const prey = { labs: [lab], secrets: () => ({ late: `${late}-other` }) }
      assert.is(await hunted(prey, async () => 'done'), 'done')
      const fails = async () => {
        throw new Error('it failed')
      }
      const why = await hunted(prey, fails).catch((e) => e.message)
      assert.is(why, 'it failed')
      const leaks = async () => {
        lab.run('h2', ['logger', `${late}-other`])
        return fails()
      }
      assert.match(
        await hunted(prey, leaks).catch((e) => e.message),
        /h2: the journal: .*-other[\s\S]*and it failed: Error: it failed/,
      )
      assert.match(
        await hunted({ labs: [lab], secrets: () => ({}) }, async () => {}).catch((e) => e.message),
        /no secret to look for/,
      )
      assert.match(
        await hunted({ labs: [lab], secrets: () => ({ pin: '4711' }) }, async () => {}).catch((e) => e.message),
        /pin is too short/,
      )
    },
  ],
  [
    'programs are seen that run for 3 ms',
    async () => {
      const watch = await watchProcesses()
      for (let i = 0; i < 100; i++) spawnSync('sleep', ['0.003'], { env: { BRIEF: `brief-${i}-` } })
      const { processes, pace, told } = await watch.end()
      const seen = new Set(processes.flatMap((p) => p.environment.filter((e) => /^BRIEF=/.test(e))))
      console.log(`${seen.size} of 100 seen, one look in ${pace.toFixed(1)} ms, told of starts: ${told}`)
      assert.ok(seen.size >= (told ? 40 : 5), `${seen.size}`)
      assert.ok(pace < 30, `one look in ${pace} ms`)
    },
  ],
])
