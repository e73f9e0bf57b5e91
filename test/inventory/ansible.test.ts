import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadInventory } from '../../src/inventory/load.ts'
import { matchPattern } from '../../src/inventory/pattern.ts'
import { withoutSecrets } from '../../src/secrets/secret-name.ts'
import { ansibleCore, pythonTool } from '../lab/python-tools.ts'
import { inventories, patterns } from './inventories.ts'

// The same inventories, read by ansible-core and by runbook: hosts, groups, variables and patterns have to be the same.

const ansible = pythonTool('ansible', [ansibleCore], 'ansible')
const check = ansible === undefined ? test.skip : test
if (ansible === undefined)
  for (let i = 0; i < inventories.length * 3; i++) console.log('SKIP ansible-core could not be installed')

const root = mkdtempSync(join(tmpdir(), 'inventories-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true }))

const env = {
  PATH: process.env.PATH,
  HOME: root,
  LC_ALL: 'C.UTF-8',
  ANSIBLE_LOCALHOST_WARNING: '0',
  ANSIBLE_INVENTORY_UNPARSED_WARNING: '0',
  ANSIBLE_DEPRECATION_WARNINGS: '0',
  NO_COLOR: '1',
  // groups of one level come out of a set
  PYTHONHASHSEED: '0',
}

/** The exit status is the caller's to judge: a pattern that means no host is none for Ansible. */
function run(program: string, args: readonly string[], cwd: string): string {
  const done = spawnSync(program, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 27 })
  if (done.status !== 0) throw new Error(`${args.join(' ')}: ${done.stderr}`)
  return done.stdout
}

const runbook = (args: readonly string[], cwd: string) =>
  run(process.execPath, [join(process.cwd(), 'dist/main.js'), ...args], cwd)

type Listed = Record<string, { hosts?: string[]; children?: string[] }> & {
  _meta: { hostvars: Record<string, Record<string, unknown>> }
}

/** Order means nothing in a listing, nor does a group that holds nothing. */
function normal(text: string): unknown {
  const { _meta, ...groups } = JSON.parse(text) as Listed
  const kept = Object.entries(groups)
    .map(
      ([name, g]) => [name, { hosts: [...(g.hosts ?? [])].sort(), children: [...(g.children ?? [])].sort() }] as const,
    )
    .filter(([, g]) => g.hosts.length + g.children.length > 0)
  // only ours masks secrets
  const hostvars = Object.fromEntries(
    Object.entries(_meta.hostvars)
      .filter(([, v]) => Object.keys(v).length > 0)
      .map(([h, v]) => [h, withoutSecrets(v)]),
  )
  return { groups: sorted(Object.fromEntries(kept)), hostvars: sorted(hostvars) }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  )
}

for (const [i, inventory] of inventories.entries()) {
  const dir = join(root, String(i))
  for (const [path, text] of Object.entries(inventory.files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
  const paths = inventory.inventory.flatMap((p) => ['-i', p])

  check(`${inventory.name}: hosts, groups and variables`, () => {
    const theirs = run(join(dirname(ansible!), 'ansible-inventory'), ['--list', ...paths, '--playbook-dir', '.'], dir)
    assert.equal(normal(runbook(['hosts', '--json', ...paths], dir)), normal(theirs))
  })

  check(`${inventory.name}: the graph`, () => {
    const theirs = run(join(dirname(ansible!), 'ansible-inventory'), ['--graph', ...paths], dir)
    assert.is(runbook(['hosts', '--graph', ...paths], dir), theirs)
  })

  check(`${inventory.name}: patterns`, () => {
    const theirs = new Map(patternsByAnsible(inventory.patterns ?? patterns, paths, dir))
    const { inventory: ours } = loadInventory(inventory.inventory.map((p) => join(dir, p)))
    for (const [pattern, hosts] of theirs) {
      const implicit = hosts.length === 1 && hosts[0] === 'localhost'
      // an empty pattern is all for Ansible, and an accident for us
      const wanted = implicit || /^[,\s]*$/.test(pattern) ? [] : hosts
      assert.equal(matchPattern(ours, pattern).hosts, wanted, pattern)
    }
    for (const pattern of ['web:&prod:!h3', 'h[12]', '~.*b', 'all']) {
      const hosts = theirs.get(pattern)
      if (hosts && hosts.length > 0) assert.equal(byRunbook(pattern, paths, dir), hosts, pattern)
    }
  })
}

function byRunbook(pattern: string, paths: readonly string[], dir: string): string[] {
  const args = [join(process.cwd(), 'dist/main.js'), 'hosts', ...paths, '--', pattern]
  const done = spawnSync(process.execPath, args, { cwd: dir, env, encoding: 'utf8' })
  return done.stdout.split('\n').filter((l) => l !== '')
}

/** In one process: a hundred of them would take minutes. */
function patternsByAnsible(all: readonly string[], paths: readonly string[], dir: string): [string, string[]][] {
  const program = `
import json, sys
from ansible.parsing.dataloader import DataLoader
from ansible.inventory.manager import InventoryManager
patterns, sources = json.loads(sys.argv[1]), json.loads(sys.argv[2])
inventory = InventoryManager(loader=DataLoader(), sources=sources)
def hosts(pattern):
    try: return [h.name for h in inventory.get_hosts(pattern)]
    except Exception as e: return []
print(json.dumps([[p, hosts(p)] for p in patterns]))`
  const sources = paths.filter((p) => p !== '-i').map((p) => join(dir, p))
  const python = join(dirname(ansible!), 'python')
  return JSON.parse(run(python, ['-c', program, JSON.stringify(all), JSON.stringify(sources)], dir))
}

test('enough is compared', () => {
  assert.ok(patterns.length >= 60)
  assert.ok(inventories.length >= 6)
})

test.run()
