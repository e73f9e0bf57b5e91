import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as door from '../../src/module.ts'
import { blocks, codes, section } from './markdown.ts'

// The example of docs/modules.md, as its reader would have it: a module beside a playbook, outside this repository.

const page = 'docs/modules.md'
const [module, playbook, ownTest] = blocks(page).map((b) => b.text)
const dir = mkdtempSync(join(tmpdir(), 'docs-modules-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const name of ['modules', 'test', 'node_modules', 'home']) mkdirSync(join(dir, name))
writeFileSync(join(dir, 'modules/properties.mjs'), module!)
writeFileSync(join(dir, 'test/properties.test.mjs'), ownTest!)
// the example names the home of whoever runs it
writeFileSync(join(dir, 'site.yml'), playbook!.replace('~/', `${dir}/home/`))
symlinkSync(process.cwd(), join(dir, 'node_modules/runbook'))

function run(...args: string[]) {
  const done = spawnSync(process.execPath, args, { cwd: dir, encoding: 'utf8', timeout: 60_000 })
  return { status: done.status, text: `${done.stdout}${done.stderr}` }
}
const runbook = (...args: string[]) => run(join(process.cwd(), 'dist/main.js'), ...args)

test('it is short', () => assert.ok(module!.split('\n').length < 60))

test('it does what it says, once', () => {
  const checked = runbook('check', 'site.yml', '--diff')
  assert.is(checked.status, 2, checked.text)
  assert.match(checked.text, '+port=8080')
  assert.is(runbook('apply', 'site.yml').status, 0)
  const file = join(dir, 'home/app.properties')
  assert.match(readFileSync(file, 'latin1'), /^port=8080\ngreeting=hello \S+\n$/)
  assert.is(runbook('check', 'site.yml').status, 0)
  writeFileSync(file, Buffer.from('# \xe9\nport = 1 \nother=x', 'latin1'))
  assert.is(runbook('apply', 'site.yml').status, 0)
  assert.match(readFileSync(file, 'latin1'), /^# \xe9\nport = 8080\nother=x\ngreeting=hello \S+\n$/)
})

test('its documentation is shown, and a wrong parameter is found', () => {
  assert.match(runbook('modules', 'properties').text, /^properties: Sets keys/)
  writeFileSync(join(dir, 'wrong.yml'), '- hosts: localhost\n  tasks: [{ properties: { path: /a, sett: {} } }]\n')
  const wrong = runbook('validate', 'wrong.yml')
  assert.is(wrong.status, 4)
  assert.match(wrong.text, 'did you mean `set`?')
})

test('its own test passes, and would not if it did something else', () => {
  const passed = run('--test')
  assert.is(passed.status, 0, passed.text)
  writeFileSync(join(dir, 'modules/properties.mjs'), module!.replace('wanted === undefined', 'true'))
  assert.is(run('--test').status, 1)
})

test('all that the door has is named', () => {
  const told = codes(section(page, 'The door')).map((c) => c.replace(/\(.*/, ''))
  const names = new Set(told)
  for (const name of Object.keys(door)) assert.ok(names.has(name), name)
  for (const name of told.filter((n) => /^[a-z]+[A-Z]\w*$/.test(n)))
    assert.ok(Object.hasOwn(door, name) || name === 'fxpkcs11', name)
})

test.run()
