import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { onTerminal } from '../lab/terminal.ts'
import { type Bao, baoSuite } from './bao.ts'

/** The token is typed; it comes before the environment's, and is shown nowhere. */
async function typed(bao: Bao): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'runbook-prompt-'))
  try {
    const playbook = join(dir, 'play.yml')
    const policy = { name: 'typed', policy: 'path "x/*" { capabilities = ["list"] }', address: bao.address }
    writeFileSync(playbook, JSON.stringify([{ hosts: 'localhost', tasks: [{ vault_policy: policy }] }]))
    const argv = [process.execPath, 'dist/main.js', 'apply', playbook, '--ask-vault-token', '--output', 'plain', '-v']
    const run = (token: string) =>
      onTerminal(argv, [['token of Vault or OpenBao: ', `${token}\r`]], { VAULT_TOKEN: 'canary-of-the-environment' })
    const wrong = await run('wrong-canary')
    assert.is(wrong.status, 1, wrong.screen)
    assert.match(wrong.screen, /does not know the token/)
    const right = await run(bao.rootToken)
    assert.is(right.status, 0, right.screen)
    assert.match(right.screen, /changed localhost: vault_policy/)
    for (const { screen } of [wrong, right]) assert.not.match(screen, new RegExp(`canary|${bao.rootToken}`))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

baoSuite(['2.7.2'], [['a token that is asked for', typed]])
