import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

// The package as npm would publish it, installed into an empty folder: its command, and a module of one's own.

const root = mkdtempSync(join(tmpdir(), 'package-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true }))
const home = join(root, 'sömewhere else')
const env = {
  ...process.env,
  HOME: root,
  npm_config_cache: process.env.npm_config_cache ?? join(process.env.HOME ?? root, '.npm'),
}

function run(program: string, args: readonly string[], cwd = home) {
  const done = spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: 300_000, maxBuffer: 1 << 27 })
  return { status: done.status, stdout: done.stdout, stderr: done.stderr }
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true })
  writeFileSync(join(home, path), text)
}

/** Why it can't be installed here, if so. */
function install(): string | undefined {
  mkdirSync(home)
  const types = run(process.execPath, ['scripts/types.mjs'], process.cwd())
  if (types.status !== 0) throw new Error(`${types.stdout}${types.stderr}`)
  // its own script would build dist/ anew, under the feet of other tests
  const packed = run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', root], process.cwd())
  if (packed.status !== 0) throw new Error(packed.stderr)
  const tarball = join(root, packed.stdout.trim().split('\n').at(-1)!)
  write('package.json', '{ "name": "site", "private": true, "type": "module" }')
  const installed = run('npm', [
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
    tarball,
  ])
  if (installed.status === 0) return undefined
  if (/ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ENOTCACHED|ECONNRESET/.test(installed.stderr))
    return 'no registry gives the dependencies of the package'
  throw new Error(installed.stderr)
}

const reason = install()
const check = reason === undefined ? test : test.skip
const names = [
  'the command',
  'compiled ahead',
  'an own module',
  'one in TypeScript',
  'types',
  'schemas',
  'wrong modules',
].length
if (reason !== undefined) for (let i = 0; i < names; i++) console.log(`SKIP ${reason}`)

const runbook = (...args: string[]) => run(join(home, 'node_modules/.bin/runbook'), args)

const module = `
import { content, defineModule, entry, placeFile } from 'runbook/module'

export default defineModule({
  name: 'greeting',
  summary: 'Writes a greeting.',
  params: {
    type: 'object',
    properties: {
      path: { type: 'string', hostPath: true, description: 'The file.' },
      whom: { type: 'string', default: 'world', description: 'Who is greeted.' },
    },
    required: ['path'],
  },
})({
  reads: (p) => ({ at: entry(p.path), now: content(p.path) }),
  plan: (p, { at, now }, { facts }) => {
    const bytes = Buffer.from(\`hello \${p.whom}\\n\`)
    const steps = placeFile({ at, now, bytes, want: {}, umask: facts.umask })
    return 'failed' in steps ? steps : { steps, result: { whom: p.whom } }
  },
})
`

check('the installed command runs, wherever it is', () => {
  assert.match(runbook('--version').stdout, /^\d+\.\d+\.\d+\n$/)
  write('hosts.yml', 'all: { hosts: { here: { ansible_connection: local } } }\n')
  assert.match(runbook('run', 'ping', '-l', 'all').stdout, /ok=1/)
  assert.match(runbook('modules').stdout, /^vault_hcl /m)
})

check('what was compiled ahead may be damaged, cut off, another program’s, or not there', () => {
  const at = join(home, 'node_modules/runbook/dist/program.cjs')
  const [program, compiled] = [readFileSync(at), readFileSync(`${at}.compiled`)]
  const works = (what: string, bytes: Buffer) => {
    writeFileSync(`${at}.compiled`, bytes)
    const { status, stdout, stderr } = runbook('modules', 'copy')
    assert.is(status, 0, `${what}: ${stderr}`)
    assert.match(stdout, /^copy/m, what)
  }
  try {
    for (let part = 1; part < 12; part++) {
      const damaged = Buffer.from(compiled)
      const from = Math.floor((damaged.length * part) / 12)
      for (let i = from; i < from + 64; i++) damaged[i]! ^= 0x5a
      works(`damaged at ${from}`, damaged)
    }
    works('cut off', compiled.subarray(0, compiled.length >> 1))
    works('empty', Buffer.alloc(0))
    rmSync(`${at}.compiled`)
    assert.is(runbook('modules').status, 0)
    // of the same length, which is all that V8 compares
    writeFileSync(at, program.toString('latin1').replaceAll('no parameter ', 'no PARAMETER '), 'latin1')
    writeFileSync(`${at}.compiled`, compiled)
    write('other.yml', '- hosts: all\n  tasks: [{ ping: { dat: x } }]\n')
    assert.match(runbook('validate', 'other.yml').stderr, /no PARAMETER `dat`/)
  } finally {
    writeFileSync(at, program)
    writeFileSync(`${at}.compiled`, compiled)
  }
})

check('a module beside a playbook imports runbook/module', () => {
  write('plays/modules/greeting.mjs', module)
  write(
    'plays/site.yml',
    `- hosts: here\n  tasks:\n    - greeting: { path: "${root}/greeting", whom: you }\n      register: g\n    - debug: { msg: "<%= g.whom %>" }\n`,
  )
  assert.is(runbook('check', 'plays/site.yml').status, 2)
  const applied = runbook('apply', 'plays/site.yml')
  assert.is(applied.status, 0, applied.stderr)
  assert.is(readFileSync(join(root, 'greeting'), 'utf8'), 'hello you\n')
  assert.is(runbook('check', 'plays/site.yml').status, 0)
  write('plays/wrong.yml', `- hosts: here\n  tasks:\n    - greeting: { pth: x, whom: [a] }\n`)
  const wrong = runbook('validate', 'plays/wrong.yml')
  assert.is(wrong.status, 4)
  assert.match(wrong.stderr, /no parameter `pth`[\s\S]*did you mean `path`/)
})

check('a module in TypeScript runs where Node does, and is refused in words where not', () => {
  write('typed/modules/greeting.ts', module.replace('plan: (p,', 'plan: (p: any,'))
  write('typed/site.yml', `- hosts: here\n  tasks: [{ greeting: { path: "${root}/typed" } }]\n`)
  const { status, stderr } = runbook('apply', 'typed/site.yml')
  if ('typescript' in process.features && process.features.typescript) assert.is(status, 0, stderr)
  else {
    assert.is(status, 4)
    assert.match(stderr, /this Node \(v[\d.]+\) runs no TypeScript\n {2}fix: use Node 22\.18/)
  }
})

check('a TypeScript author gets types', () => {
  const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'NodeNext',
    '--target',
    'ES2022',
    '--types',
    'node',
    '--typeRoots',
    join(process.cwd(), 'node_modules/@types'),
    '--ignoreConfig',
  ]
  const typed = (name: string, text: string) => {
    write(`types/${name}.ts`, text)
    return run(process.execPath, [tsc, ...options, join(home, `types/${name}.ts`)])
  }
  const right = typed('right', module)
  assert.is(right.stdout, '')
  assert.is(right.status, 0)
  const wrong = typed('wrong', module.replace('p.whom}', 'p.whmo}').replace('umask: facts.umask', 'umask: facts.umsk'))
  assert.match(wrong.stdout, "Property 'whmo' does not exist")
  assert.match(wrong.stdout, "Property 'umsk' does not exist")
})

check('the schemas are there for an editor', () => {
  for (const name of ['playbook', 'inventory', 'events'])
    assert.ok(existsSync(join(home, `node_modules/runbook/schemas/${name}.schema.json`)))
  assert.not.ok(existsSync(join(home, 'node_modules/runbook/test')))
  assert.not.ok(existsSync(join(home, 'node_modules/runbook/src')))
})

const faults: readonly [name: string, text: string, message: RegExp][] = [
  ['syntax', 'export default {', /syntax\.mjs cannot be loaded: /],
  ['throws', 'throw new Error("no luck")', /throws\.mjs cannot be loaded: no luck/],
  ['missing', "import 'not-there'", /cannot be loaded: Cannot find package 'not-there'/],
  [
    'nothing',
    'export const x = 1',
    /nothing\.mjs is no module: its default export is not what defineModule gives\n {2}fix: export default defineModule/,
  ],
  [
    'half',
    "import { defineModule } from 'runbook/module'\nexport default defineModule({ name: 'half', summary: 's', params: { type: 'object', properties: {} } })",
    /defineModule\(…\) has to be called once more/,
  ],
  [
    'name',
    "export default { name: 'A B', summary: 's', params: { type: 'object', properties: {} }, body: { plan: () => ({ steps: [] }) } }",
    /`name` is a word/,
  ],
  [
    'keyword',
    "export default { name: 'when', summary: 's', params: { type: 'object', properties: {} }, body: { plan: () => ({ steps: [] }) } }",
    /`when` is a word of the language/,
  ],
  [
    'params',
    "export default { name: 'x', summary: 's', params: {}, body: { plan: () => ({ steps: [] }) } }",
    /`params` is a JSON Schema/,
  ],
  [
    'plan',
    "export default { name: 'x', summary: 's', params: { type: 'object', properties: {} }, body: {} }",
    /`plan` is a function/,
  ],
  [
    'schema',
    "export default { name: 'x', summary: 's', params: { type: 'object', properties: { a: { type: 'strng' } } }, body: { plan: () => ({ steps: [] }) } }",
    /the schema of its params is wrong/,
  ],
]

check('a module that is wrong is said to be', () => {
  for (const [name, text, message] of faults) {
    write(`${name}/modules/${name}.mjs`, text)
    write(`${name}/site.yml`, '- hosts: here\n  tasks: [{ ping: }]\n')
    const { status, stderr } = runbook('validate', `${name}/site.yml`)
    assert.match(stderr, message, name)
    assert.is(status, 4, name)
  }
  const body = (plan: string) =>
    `export default { name: 'faulty', summary: 's', params: { type: 'object', properties: {} }, body: { plan: ${plan} } }`
  for (const [plan, message] of [
    ['() => { throw new TypeError("oops") }', /failed here: faulty\n.*the module faulty is broken: TypeError: oops/],
    ['() => undefined', /the module faulty is broken/],
    ['() => ({})', /`plan` gave neither steps nor a failure/],
  ] as const) {
    write('faulty/modules/faulty.mjs', body(plan))
    write('faulty/site.yml', '- hosts: here\n  tasks: [{ faulty: }]\n')
    const { status, stdout } = runbook('apply', 'faulty/site.yml')
    assert.match(stdout, message)
    assert.is(status, 1)
  }
})

test('the manifest is ready to be published', () => {
  const { bin, exports, engines, files, license, private: hidden } = JSON.parse(readFileSync('package.json', 'utf8'))
  assert.equal(bin, { runbook: 'dist/main.js' })
  assert.ok(exports['./module'].types)
  assert.match(engines.node, '>=20')
  assert.ok(files.includes('dist'))
  assert.is(license, 'Apache-2.0')
  assert.is(hidden, undefined)
  assert.match(readFileSync('dist/main.js', 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

test.run()
