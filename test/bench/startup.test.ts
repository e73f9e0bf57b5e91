import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { measureStartupCpu } from './startup.ts'

// Wide limits of processor time, in times of what bare node takes beside it: `npm run bench` measures against the real
// targets.

test('starting stays quick', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'startup-'))
  try {
    const { node, help, validate, hosts } = await measureStartupCpu(dir, 3)
    const times = (ms: number) => `${(ms / node).toFixed(1)} times bare node's ${node.toFixed(0)} ms`
    assert.ok(help < 6 * node, `--help takes ${times(help)}`)
    assert.ok(validate < 16 * node, `50 tasks on 50 hosts take ${times(validate)}`)
    assert.ok(hosts < 60 * node, `5,000 hosts take ${times(hosts)}`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test.run()
