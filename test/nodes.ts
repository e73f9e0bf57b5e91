import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

// npm carries the Nodes that others have as packages.

const cache = join(process.getuid?.() === 0 ? '/var/cache/runbook-lab' : join(homedir(), '.cache/runbook-lab'), 'node')
const unit = ['formats/', 'language/', 'inventory/connection', 'host/', 'modules/', 'report/plain', 'engine/passes']

/** The program of that version; a reason where it can't be had. */
function nodeOf(version: string): { path: string } | { reason: string } {
  const name = `node-${process.platform}-${process.arch}`
  const at = join(cache, version)
  const path = join(at, 'node_modules', name, 'bin/node')
  if (!existsSync(path)) {
    mkdirSync(at, { recursive: true })
    const options = ['--prefix', at, '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
    const done = spawnSync('npm', ['install', ...options, `${name}@${version}`], { encoding: 'utf8' })
    if (done.status !== 0) return { reason: `npm has no ${name}@${version}: ${done.stderr.split('\n')[0]}` }
  }
  return { path }
}

/** Runs the unit tests on that Node, unless they run on it anyway. */
export function testsOnNode(version: string): void {
  const name = `the unit tests on Node ${version}`
  const node = process.version.startsWith(`v${version}.`) ? { reason: 'all tests run on it' } : nodeOf(version)
  if ('reason' in node) {
    console.log(`SKIP ${name}: ${node.reason}`)
    test.skip(name)
    return
  }
  test(name, () => {
    assert.match(spawnSync(node.path, ['--version'], { encoding: 'utf8' }).stdout, `v${version}.`)
    const done = spawnSync(node.path, ['scripts/test.mjs', '--no-build', ...unit], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      timeout: 580_000,
    })
    const last = done.stdout.trimEnd().split('\n').at(-1)
    assert.is(done.status, 0, `${done.stdout.slice(-4000)}${done.stderr.slice(-2000)}`)
    assert.match(last!, /^[1-9]\d* passed, 0 failed/)
  })
}
