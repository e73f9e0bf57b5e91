import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { anchors, blocks, codes, links, pages, prose, section, textOf } from './markdown.ts'

// What the documents say is tried: their playbooks are validated, their links and commands are there.

const main = join(process.cwd(), 'dist/main.js')
const dir = mkdtempSync(join(tmpdir(), 'docs-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
mkdirSync(join(dir, 'modules'))
writeFileSync(join(dir, 'modules/properties.mjs'), blocks('docs/modules.md')[0]!.text)
writeFileSync(
  join(dir, 'hosts.yml'),
  'all: { children: { web: { hosts: { "h[1:3]": } }, staging: , workers: { children: { web: } } } }\n',
)

mkdirSync(join(dir, 'tasks'))
mkdirSync(join(dir, 'group_vars'))
writeFileSync(join(dir, 'group_vars/all.yml'), 'web_key: abc\n')

const runbook = (...args: string[]) =>
  spawnSync(process.execPath, [main, ...args], { cwd: dir, encoding: 'utf8', timeout: 60_000 })

const ajv = new Ajv({ strict: false, allErrors: true })
const schemaOf = (name: string) => {
  const file = `${name}.schema.json`
  ajv.addSchema(JSON.parse(readFileSync(`schemas/${file}`, 'utf8')), file)
  return ajv.getSchema(file)!
}
const schemas = { playbook: schemaOf('playbook'), tasks: schemaOf('tasks'), inventory: schemaOf('inventory') }

function flagged(schema: keyof typeof schemas, data: unknown): string[] {
  const validate = schemas[schema]
  return validate(data) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`)
}

const isPlaybook = (data: unknown[]) => data.every((p) => p !== null && typeof p === 'object' && 'hosts' in p)

// the examples of modules are tried with the schemas
const yaml = pages
  .filter((p) => !p.startsWith('docs/reference/'))
  .flatMap(blocks)
  .filter((b) => b.language === 'yaml')

const isTaskFile = (data: unknown): data is { name: string } =>
  data !== null && typeof data === 'object' && 'tasks' in data
// what includes them finds them
for (const { text } of yaml) {
  const data: unknown = parse(text)
  if (isTaskFile(data)) writeFileSync(join(dir, `tasks/${data.name.replaceAll(' ', '-')}.yml`), text)
}

test('there are examples to try', () => assert.ok(yaml.length >= 5))

for (const [i, { page, text }] of yaml.entries()) {
  test(`${page}: ${text.split('\n')[0]}`, () => {
    const data: unknown = parse(text)
    if (isTaskFile(data)) return assert.equal(flagged('tasks', data), [])
    if (!Array.isArray(data)) {
      assert.equal(flagged('inventory', data), [])
      writeFileSync(join(dir, `inventory-${i}.yml`), text)
      const done = runbook('hosts', '-i', `inventory-${i}.yml`)
      assert.is(done.stderr, '')
      assert.is(done.status, 0)
      return
    }
    const whole = isPlaybook(data)
    const play = `- hosts: web\n  tasks:\n${text.replace(/^/gm, '    ')}`
    // an editor knows the modules of this package only
    if (!/^\s+- properties:/m.test(text)) assert.equal(flagged('playbook', parse(whole ? text : play)), [])
    writeFileSync(join(dir, `play-${i}.yml`), whole ? text : play)
    const done = runbook('validate', `play-${i}.yml`)
    assert.is(done.stderr, '')
    assert.is(done.status, 0)
  })
}

test('links lead to files and headings that are there', () => {
  const all = pages.flatMap((page) => links(page).map((link) => ({ page, ...link })))
  assert.ok(all.length > 20)
  for (const { page, path, anchor } of all) {
    assert.ok(existsSync(path), `${page}: there is no ${path}`)
    if (anchor !== undefined) assert.ok(anchors(path).includes(anchor), `${page}: ${path} has no heading #${anchor}`)
  }
})

test('files that are named are there', () => {
  for (const page of ['README.md', 'docs/architecture.md', 'docs/modules.md', 'docs/language.md'])
    for (const path of codes(prose(page)).filter((c) =>
      /^(src|modules|test|scripts|schemas|playbooks|docs)\/[\w./-]*$/.test(c),
    ))
      if (path !== 'modules/properties.mjs' && path !== 'test/properties.test.mjs')
        assert.ok(existsSync(path), `${page}: there is no ${path}`)
})

test('commands that are named are there', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  const named = pages.flatMap((page) =>
    [...textOf(page).matchAll(/npm (?:run (\w+)|(test))/g)].map(([, run, other]) => [page, run ?? other!] as const),
  )
  assert.ok(named.length > 5)
  for (const [page, name] of named) assert.ok(Object.hasOwn(scripts, name), `${page}: npm run ${name}`)
})

test('options that are named are there', () => {
  const help = ['apply', 'hosts', 'run'].map((c) => runbook(c, '--help').stdout).join('')
  for (const page of ['README.md', 'docs/language.md', 'docs/modules.md', 'docs/output.md'])
    for (const option of codes(prose(page)).flatMap((c) => c.match(/(?<![\w-])--[a-z][a-z-]+/g) ?? []))
      assert.ok(help.includes(option) || npmOptions.has(option), `${page}: there is no option ${option}`)
})

const npmOptions = new Set(['--embedded', '--test'])

test('what differs from Ansible on purpose is documented, each difference with its reason', () => {
  const source = readFileSync('test/lab/differential.test.ts', 'utf8')
  const map = /const onPurpose: Record<string, string> = \{([\s\S]*?)\}\n/.exec(source)
  assert.ok(map, 'the map of differences is where it is looked for')
  const docs = pages
    .filter((p) => p.startsWith('docs/'))
    .map(textOf)
    .join('\n')
  for (const [, quote, reason] of map![1]!.matchAll(/:\s*(['"])(.*?)\1,?\n/g))
    assert.ok(docs.includes(reason!), `documented nowhere (${quote}): ${reason}`)
})

test('each rule of dependency has its reason in the linter and in docs/architecture.md, and is kept', () => {
  const { overrides } = JSON.parse(readFileSync('biome.json', 'utf8')) as {
    overrides: {
      linter: { rules: { style: { noRestrictedImports: { options: { patterns: { message: string }[] } } } } }
    }[]
  }
  const messages = overrides.flatMap((o) =>
    o.linter.rules.style.noRestrictedImports.options.patterns.map((p) => p.message),
  )
  const told = section('docs/architecture.md', 'The rules of dependency')
    .split('\n')
    .filter((l) => l.startsWith('- '))
    .map((l) => l.slice(2))
  assert.equal(told, [...new Set(messages)])
  const lint = (cwd: string) => {
    const done = spawnSync(
      process.execPath,
      [biome, 'lint', '--only=style/noRestrictedImports', '--max-diagnostics=none', '.'],
      { cwd, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } },
    )
    return { status: done.status, text: `${done.stdout}${done.stderr}` }
  }
  const ours = lint('.')
  assert.is(ours.status, 0, ours.text)
  const copy = join(dir, 'rules')
  mkdirSync(copy)
  writeFileSync(join(copy, 'biome.json'), readFileSync('biome.json', 'utf8').replace(/^.*"\$schema".*\n/m, ''))
  for (const [file, imported] of forbidden) {
    mkdirSync(join(copy, dirname(file)), { recursive: true })
    writeFileSync(join(copy, file), `import '${imported}'\n`)
  }
  const { text } = lint(copy)
  for (const [file] of forbidden) assert.match(text, `${file}:1:8 lint/style/noRestrictedImports`)
})

const biome = join(process.cwd(), 'node_modules/@biomejs/biome/bin/biome')
const forbidden = [
  ['modules/x.ts', '../src/host/read.ts'],
  ['src/x.ts', './vault/server.ts'],
  ['src/commands/x.ts', '../vault/server.ts'],
  ['src/secrets/x.ts', '../vault/server.ts'],
  ['src/host/y.ts', '../vault/server.ts'],
  ['src/language/y.ts', '../vault/server.ts'],
  ['src/engine/y.ts', '../vault/server.ts'],
  ['src/transport/x.ts', '../host/read.ts'],
  ['src/host/x.ts', '../engine/run.ts'],
  ['src/host/reads/x.ts', '../../transport/ssh.ts'],
  ['src/formats/x.ts', '../language/values.ts'],
  ['src/language/x.ts', '../host/read.ts'],
  ['src/inventory/x.ts', '../host/read.ts'],
  ['src/report/x.ts', '../engine/run.ts'],
  ['src/engine/x.ts', '../report/plain.ts'],
] as const

test.run()
