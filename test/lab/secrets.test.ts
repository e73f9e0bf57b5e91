import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Lab } from './lab.ts'
import { runbook, startRunbook, until } from './runbook.ts'
import { labSuite } from './suite.ts'

// No secret is an argument or in the environment of any process, here or on a host, nor in anything that is shown, nor in a
// file that others may read. And what a host says never reaches the screen as a terminal's command.

const dir = mkdtempSync(join(tmpdir(), 'secrets-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

writeFileSync(join(dir, 'secret.ejs'), 'token=<%= token %>\n')

/** In all of them, and in nothing else on this machine. */
const mark = randomBytes(6).toString('hex')
/** What must come up nowhere; with what shells, JSON and regular expressions mind. */
const canary = {
  login: `canary-${mark}-login-'"$(id)\\n|*`,
  content: `canary-${mark}-content-1f3c`,
  hash: `$6$${mark}$hashhashhashhashhash`,
  tls: `canary-${mark}-tls-%s-pass`,
  pin: `canary-${mark}-pin-4711`,
  oldPin: `canary-${mark}-old-pin-4711`,
  stdin: `canary-${mark}-stdin-77`,
  item: `canary-${mark}-item-31`,
  loop: `canary-${mark}-output-98`,
}
const needles = Object.values(canary).flatMap((c) => [c, c.replaceAll("'", `'\\''`), JSON.stringify(c).slice(1, -1)])

/** Whoever shows a secret meanwhile: the hosts' processes are processes of this machine too. */
function watchProcesses(): { stop: () => void; found: Set<string> } {
  const found = new Set<string>()
  const look = () => {
    for (const pid of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
      for (const part of ['cmdline', 'environ'])
        try {
          const text = readFileSync(`/proc/${pid}/${part}`, 'latin1')
          const at = text.indexOf(mark)
          if (at !== -1) found.add(`${part} of ${pid}: …${text.slice(Math.max(0, at - 60), at + 30)}`)
        } catch {
          // it ended meanwhile, or is the kernel's
        }
  }
  const timer = setInterval(look, 5)
  return { found, stop: () => clearInterval(timer) }
}

const text = (value: unknown) => JSON.stringify(value)

function playbook(name: string, tasks: readonly object[]): string {
  const file = join(dir, `${name}.yml`)
  writeFileSync(file, JSON.stringify([{ hosts: 'all', become: true, tasks }]))
  return file
}

/** Tasks that hold secrets, in every place that has one. `n` makes them change again. */
function tasks(n: number): object[] {
  const content = `key = ${canary.content}\nnumber = ${n}\n`
  return [
    { name: 'a file', copy: { content, dest: '/srv/secret', mode: '0600' }, no_log: true },
    {
      name: 'a template',
      template: { src: join(dir, 'secret.ejs'), dest: '/srv/token', mode: '0600' },
      no_log: true,
      vars: { token: `${canary.content}${n}` },
    },
    { name: 'a line', lineinfile: { path: '/srv/secret', line: `line ${canary.content} ${n}` }, no_log: true },
    { name: 'a block', blockinfile: { path: '/srv/secret', block: `block ${canary.content} ${n}` }, no_log: true },
    { name: 'a user', user: { name: 'canny', password: `${canary.hash}${n}` } },
    {
      name: 'vault',
      vault_hcl: {
        path: '/srv/vault.hcl',
        seal: { pkcs11: { lib: '/x', slot: '0', pin: `${canary.pin}${n}` } },
        storage: { file: { path: '/x' } },
      },
    },
    {
      name: 'cfg',
      fxpkcs11_cfg: {
        path: '/srv/fxpkcs11.cfg',
        address: '127.0.0.1',
        tls_anonymous: false,
        tls_ca: ['/ca'],
        tls_cert: '/c',
        tls_key: '/k',
        tls_key_pass: `${canary.tls}${n}`,
      },
    },
    { name: 'stdin', command: { argv: ['cat'], stdin: `${canary.stdin} ${n}` }, no_log: true, register: 'said' },
    {
      name: 'items',
      shell: 'cat >/dev/null',
      args: { stdin: '<%= item.secret %>' },
      loop: [{ name: 'one', secret: canary.item }],
      no_log: true,
    },
    // the password of the connection is known as one, whoever says it
    { name: 'echoed', debug: { msg: `<%= ansible_password %> and <%= ansible_become_password %>` } },
    {
      name: 'thrown',
      shell: 'cat /srv/nothing-there; cat >&2; exit 3',
      args: { stdin: '<%= ansible_password %>' },
      ignore_errors: true,
    },
    { name: 'hidden failure', shell: `cat; exit 3`, args: { stdin: canary.stdin }, no_log: true, ignore_errors: true },
  ]
}

function nowhere(what: string, shown: string): void {
  for (const needle of [...needles, mark])
    if (shown.includes(needle)) {
      const at = shown.indexOf(needle)
      throw new Error(`${what} shows a secret: …${shown.slice(Math.max(0, at - 200), at + 60)}…`)
    }
}

async function secretsTest(lab: Lab): Promise<void> {
  const passwords = `admin:${canary.login}\n`
  lab.run('h1', ['sh', '-c', 'f=$1; printf %s "$f" | chpasswd', 'sh', passwords])
  lab.run('h1', [
    'sh',
    '-c',
    `mkdir -p /srv; printf 'seal "pkcs11" {\\n  pin = "${canary.oldPin}"\\n}\\n' >/srv/vault.hcl`,
  ])
  const inventory = join(dir, 'hosts.json.yml')
  const login = { ansible_user: 'admin', ansible_password: canary.login, ansible_become_password: canary.login }
  const host = { ansible_host: lab.hosts[0]!.address, ansible_ssh_private_key_file: join(dir, 'key'), ...login }
  // a key that the host does not know, so that the password is what lets us in
  const strange = { ...host, ansible_ssh_private_key_file: undefined }
  writeFileSync(inventory, text({ all: { hosts: { h1: strange } } }), { mode: 0o600 })
  const env = { HOME: dir, SSH_AUTH_SOCK: '' }
  const reach = ['-i', inventory, '--known-hosts', lab.knownHostsFile]
  const watch = watchProcesses()
  let n = 0
  try {
    for (const [mode, output] of [
      ['check', 'plain'],
      ['apply', 'plain'],
      ['apply', 'ndjson'],
      ['check', 'ndjson'],
      ['apply', 'pretty'],
    ] as const) {
      const file = playbook('secrets', tasks(++n))
      const end = await startRunbook([mode, file, ...reach, '--output', output, '-D', '-v', '-v', '-v'], undefined, env)
        .ended
      nowhere(`${mode} ${output}`, end.stdout + end.stderr)
      assert.is(end.status, mode === 'check' ? 2 : 0, end.stdout + end.stderr)
      assert.match(end.stdout, /\*{8} and \*{8}/)
    }
    // without no_log, what is marked is still hidden: the diffs of files with a PIN, now and before
    const bare = playbook('bare', [{ vault_hcl: { path: '/srv/vault.hcl', storage: { file: { path: '/y' } } } }])
    const taken = playbook('taken', [
      { fxpkcs11_cfg: { path: '/srv/fxpkcs11.cfg', tags: { HSM: { 'PROD-TLS-KEY-PASS': '' } } } },
    ])
    for (const file of [bare, taken]) {
      const shown = await startRunbook(['apply', file, ...reach, '-D', '-v'], undefined, env).ended
      nowhere('a diff', shown.stdout + shown.stderr)
      assert.match(shown.stdout, /changed=1/)
    }
    // every way that a connection fails with a password in hand
    writeFileSync(
      inventory,
      text({
        all: {
          hosts: {
            h1: { ...strange, ansible_password: `${canary.login}no` },
            h2: { ...strange, ansible_become_password: `${canary.login}no` },
          },
        },
      }),
    )
    const refused = await startRunbook(['apply', bare, ...reach, '--output', 'ndjson', '-v'], undefined, env).ended
    assert.is(refused.status, 3, refused.stdout + refused.stderr)
    nowhere('a refusal', refused.stdout + refused.stderr)
    assert.equal([...watch.found], [], 'in a process')
    const control = spawn('sleep', ['20'], { env: { ...process.env, CONTROL: mark } })
    await until('the watch sees what is there', () => watch.found.size > 0)
    control.kill()
  } finally {
    watch.stop()
  }
  for (const path of ['secret', 'token', 'fxpkcs11.cfg'])
    assert.is(lab.run('h1', ['stat', '-c', '%a', `/srv/${path}`]).stdout, '600\n', path)
  assert.is(lab.run('h1', ['sh', '-c', `grep -rl ${mark} /tmp /var/log /run /home /root 2>/dev/null`]).stdout, '')
}

/** While a file is written, what is beside it and what the session holds is for its owner only. */
async function modesTest(lab: Lab): Promise<void> {
  const file = playbook('modes', [
    {
      name: 'wait',
      template: {
        src: join(dir, 'secret.ejs'),
        dest: '/srv/private',
        mode: '0600',
        validate: "sh -c 'sleep 6101; test -s %s'",
      },
      vars: { token: canary.content },
      timeout: 60,
    },
  ])
  const run = startRunbook(['apply', file, '-l', 'h1'], lab)
  await until('it is being written', () => lab.run('h1', ['pgrep', '-f', 'sleep 6101']).status === 0).catch((e) => {
    throw new Error(`${e.message}: ${run.stdout()}${run.stderr()}`)
  })
  const look = 'stat -c "%a %n" /srv/.runbook.* /tmp/runbook.*; find /tmp/runbook.*/ -type f -perm /077'
  const modes = lab.run('h1', ['sh', '-c', look]).stdout.trim().split('\n')
  lab.run('h1', ['pkill', '-f', '^sleep 6101'])
  assert.is((await run.ended).status, 0, run.stdout())
  assert.equal(
    modes.map((m) => m.split(' ')[0]),
    ['600', '700'],
    modes.join('\n'),
  )
  for (const name of readdirSync(dir)) assert.is(statSync(join(dir, name)).isFile(), true)
}

/** A host that writes commands for a terminal wherever it can: names, contents, output, errors, its banner. */
async function escapesTest(lab: Lab): Promise<void> {
  const evil = '\u001b]0;title\u0007\u001b[2J\u009b31m\u001bP+q\u001b\\\u202eevil\r\u0008'
  lab.run('h1', ['sh', '-c', 'mkdir -p "/srv/e/$1"; printf "%s\\n" "$1" >/srv/e/file', 'sh', evil])
  lab.run('h1', [
    'sh',
    '-c',
    'useradd -m -s /bin/bash loud; printf "printf %%s \\"\\$(cat /srv/e/file)\\"; exit 9\\n" >/home/loud/.bashrc',
  ])
  const file = playbook('escapes', [
    { name: 'says', command: { argv: ['cat', '/srv/e/file'] }, register: 'said', changed_when: false },
    { name: 'shows', debug: { msg: '<%= said.stdout %>' } },
    { name: 'diff', copy: { content: 'plain\n', dest: '/srv/e/file' } },
    { name: 'path', file: { path: `/srv/e/${evil}/x`, state: 'directory' } },
    { name: 'fails', shell: 'printf "\\033[31mred\\033]52;c;AAAA\\007" >&2; exit 1', ignore_errors: true },
    { name: 'asserts', assert: { that: ['false'], fail_msg: '<%= said.stdout %>' } },
  ])
  const inventory = join(dir, 'loud.yml')
  const vars = { ansible_host: lab.hosts[0]!.address, ansible_ssh_private_key_file: lab.keyFile }
  writeFileSync(
    inventory,
    text({ all: { hosts: { h1: { ...vars, ansible_user: 'root' }, loud: { ...vars, ansible_user: 'loud' } } } }),
  )
  const reach = ['-i', inventory, '--known-hosts', lab.knownHostsFile]
  for (const output of ['plain', 'pretty', 'ndjson']) {
    lab.run('h1', ['sh', '-c', 'printf "%s\\n" "$1" >/srv/e/file', 'sh', evil])
    const done = runbook(['apply', file, ...reach, '--output', output, '-D', '-v', '-v'])
    assert.is(done.status, 1, done.stdout + done.stderr)
    assert.match(done.stdout, /evil/)
    // listr2's own cursor commands are the only ones
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const own = done.stdout.replace(/\u001b\[\?25[lh]|\u001b\[\d*[AGJK]/g, '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const bad = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.exec(output === 'pretty' ? own : done.stdout)
    assert.is(
      bad,
      null,
      `${output}: ${JSON.stringify(done.stdout.slice((bad?.index ?? 0) - 60, (bad?.index ?? 0) + 60))}`,
    )
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.not.match(done.stderr, /\u001b/, `${output}: ${JSON.stringify(done.stderr.slice(0, 3000))}`)
  }
}

labSuite(1, [
  ['no secret in any process, output or file', secretsTest],
  ['what is under way is private', modesTest],
  ['what a host says is no command for a terminal', escapesTest],
])
