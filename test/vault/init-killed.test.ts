import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readStore } from '../../src/secrets/stored.ts'
import { parseKeys } from '../../src/vault/kept-keys.ts'
import { whyNoServers } from '../lab/bao.ts'
import { bareBao, ownSeal, standIn } from './bare-bao.ts'

// The controller is killed at any moment of a first run.

const dir = mkdtempSync(join(tmpdir(), 'init-killed-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const identity = join(dir, 'identity')
writeFileSync(identity, await generateIdentity(), { mode: 0o600 })

/** Runs the built command line against this machine.
 * @param kill when it is killed. */
async function runbook(play: string, kill?: Promise<void>): Promise<{ status: number | null; text: string }> {
  const main = join(process.cwd(), 'dist/main.js')
  const child = spawn(process.execPath, [main, 'apply', play, '-i', join(dir, 'hosts.yml'), '--output', 'ndjson'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const from of [child.stdout, child.stderr]) from.on('data', (d) => (text += d))
  void kill?.then(() => child.kill('SIGKILL'))
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, text })))
}

const reason = whyNoServers()
if (reason !== undefined) console.log(`SKIP a controller that is killed: ${reason}`)
const check = reason === undefined ? test : test.skip
check(
  'a controller that is killed at twenty moments: initialised exactly once, and nothing untrue is said',
  async () => {
    const recipient = await identityToRecipient(readFileSync(identity, 'utf8').trim())
    writeFileSync(join(dir, 'hosts.yml'), JSON.stringify({ all: { hosts: { here: { ansible_connection: 'local' } } } }))
    const bao = await bareBao({ seal: ownSeal })
    const seen = { done: 0, lost: 0, before: 0 }
    const [early, late] = [6, 14]
    for (let i = 0; i < early + late; i++) {
      await bao.empty()
      let called: () => void = () => {}
      const atCall = new Promise<void>((resolve) => {
        called = resolve
      })
      let calls = 0
      const front = await standIn(bao.address, (what) => {
        if (what === 'PUT /v1/sys/init') {
          calls++
          called()
        }
        return 'pass'
      })
      const store = join(dir, `keys-${i}.age`)
      const play = join(dir, 'play.yml')
      const params = { address: front.address, store, recipients: [recipient], identity, config: '/none' }
      writeFileSync(play, JSON.stringify([{ hosts: 'all', gather_facts: false, tasks: [{ vault_init: params }] }]))
      const pause = (ms: number) => new Promise<void>((r) => setTimeout(r, ms))
      // some before the call, most from it on: an init takes a second or two
      const killed = i < early ? pause(100 + i * 80) : atCall.then(() => pause((i - early) * 170))
      const first = await runbook(play, killed)
      const second = await runbook(play)
      const { initialized } = (await bao.ask('sys/init')).data
      assert.is(initialized, true, second.text)
      if (second.status === 0) {
        const token = parseKeys((await readStore(store, identity)).content!)!.root_token
        assert.is((await bao.ask('auth/token/lookup-self', token)).status, 200, second.text)
        if (first.text.includes('"recap"')) seen.done++
        else seen.before++
      } else {
        assert.match(
          second.text,
          /never came to keep its keys: they are lost|is initialised now, and its keys are lost|initialised by somebody else/,
        )
        assert.not(existsSync(store))
        assert.is(calls, 1, 'what is initialised is not initialised again')
        seen.lost++
      }
      front.close()
    }
    await bao.kill()
    assert.ok(seen.lost > 0 && seen.before + seen.done > 0, JSON.stringify(seen))
  },
)

test.run()
