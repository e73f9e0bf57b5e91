import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readStore } from '../../src/secrets/stored.ts'
import { parseKeys } from '../../src/vault/kept-keys.ts'
import { type Ran, run } from '../engine/scratch.ts'
import { whyNoServers } from '../lab/bao.ts'
import { answers, type BareBao, bareBao } from './bare-bao.ts'

// What tests of vault_init on real servers share.

export const root = mkdtempSync(join(tmpdir(), 'init-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true }))
export const identity = await generateIdentity()
export const identityFile = join(root, 'identity')
writeFileSync(identityFile, identity, { mode: 0o600 })
export const recipients = [await identityToRecipient(identity)]

let stores = 0
export const newStore = () => {
  const dir = mkdtempSync(join(root, 'store-'))
  return join(dir, `keys-${++stores}.age`)
}

export const play = (...tasks: object[]) => JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }])
export const init = (address: string, store: string, more: object = {}) => ({
  vault_init: { address, store, recipients, identity: identityFile, timeout: 60, config: '/none', ...more },
})
export const lines = (ran: Ran) =>
  ran.tasks.map(
    (t) => `${t.status} ${t.changes.join('; ')}${t.message ? `: ${t.message}` : ''}${t.hint ? ` (${t.hint})` : ''}`,
  )
export const apply = async (task: object) => {
  const ran = await run('apply', play(task))
  return { line: lines(ran).join(), ran }
}
export const keysIn = async (store: string) => parseKeys((await readStore(store, identityFile)).content!)!

/** Nothing that a server handed out is in what was told. */
export async function isSilent(store: string, ...runs: Ran[]): Promise<void> {
  const { root_token, keys } = await keysIn(store)
  const told = JSON.stringify(runs.map((r) => r.events))
  for (const secret of [root_token, ...keys]) {
    assert.ok(secret.length > 10)
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/.=*$/, '')])
      assert.not(told.includes(form))
  }
}

export async function bare(seal: string | undefined): Promise<BareBao> {
  const bao = await bareBao({ seal })
  await bao.start()
  await answers(bao.address, bao.log)
  return bao
}

const reason = whyNoServers()
if (reason !== undefined) console.log(`SKIP servers that are initialised: ${reason}`)
export const check = (name: string, body: () => Promise<void>) => (reason === undefined ? test(name, body) : void 0)
if (reason !== undefined) test.skip('servers that are initialised')
