import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

// Every NAME.yml is a wrong playbook, NAME.out what `runbook validate` says of it on standard error, to the letter.
// A first line `# args: …` adds arguments. UPDATE=1 writes the .out files anew: read what they say then.

const dir = join(process.cwd(), 'test/language/diagnostics')
const main = join(process.cwd(), 'dist/main.js')
const names = readdirSync(dir)
  .filter((f) => f.endsWith('.yml'))
  .map((f) => f.slice(0, -4))

for (const name of names)
  test(name, () => {
    const text = readFileSync(join(dir, `${name}.yml`), 'utf8')
    const args = /^# args: (.*)/.exec(text)?.[1]?.split(' ') ?? []
    const done = spawnSync(process.execPath, [main, 'validate', `${name}.yml`, ...args], { cwd: dir, encoding: 'utf8' })
    const out = join(dir, `${name}.out`)
    if (process.env.UPDATE) writeFileSync(out, done.stderr)
    assert.is(done.stderr, readFileSync(out, 'utf8'))
    assert.is(done.status, done.stderr.includes('error[') ? 4 : 0)
    assert.is(done.stdout !== '', done.status === 0)
  })

test('no frame shows what is secret', () => {
  const told = readFileSync(join(dir, 'secrets.out'), 'utf8')
  assert.match(told, /passwords: \*{11} \*{10}/)
  assert.not.match(told, /CANARY|90210/)
})

test('every code of a diagnostic has a case', () => {
  const told = new Set(
    names.flatMap((n) =>
      [...readFileSync(join(dir, `${n}.out`), 'utf8').matchAll(/^(?:\S+: )?(?:error|warning)\[([\w-]+)\]/gm)].map(
        (m) => m[1]!,
      ),
    ),
  )
  const sources = ['language', 'inventory', 'engine', 'commands']
    .flatMap((d) => readdirSync(join('src', d)).map((f) => join('src', d, f)))
    .map((f) => readFileSync(f, 'utf8'))
  const known = sources.flatMap((text) => [
    ...[...text.matchAll(/code: '([\w-]+)'/g)].map((m) => m[1]!),
    ...[...text.matchAll(/\b(?:f\.|this\.)?(?:error|report)\(\s*'([\w-]+)',/g)].map((m) => m[1]!),
  ])
  const missing = [...new Set(known)].filter((code) => !told.has(code) && !atRunTime.has(code))
  assert.equal(missing.sort(), [])
})

/** Told of a run, not of a file. */
const atRunTime = new Set(['module', 'never-converges', 'play-ended', 'loop', 'variable-cycle'])

test.run()
