// The one command that shows all of it: `npm run demo` boots three hosts, brings them into the state of a playbook, breaks
// something, finds it and repairs it. Where no lab can be booted, or with --embedded, the hosts are three SSH servers in
// another process, each with a home directory of its own. It needs nothing but Node and npm.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const color = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code, text) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
const say = (text = '') => console.log(text)
const runbook = ['node', 'dist/main.js']
const packs = ['node_modules/esbuild/package.json', 'node_modules/ssh2/package.json']

class Stopped extends Error {}
let child
let interrupted = false
let step = 0

const heading = (text) => say(`\n${paint('1;36', `${++step}. ${text}`)}`)

/** Words as a shell would take them. */
const shown = (words) =>
  words.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", `'\\''`)}'`)).join(' ')

/** Shows a command line and runs it; what it says goes to the terminal.
 * @param allowed the exit codes that are as they should be; null for any.
 * @param captured gives back what it prints instead of showing it. */
async function run(words, { allowed = [0], captured = false } = {}) {
  say(paint('2', `$ ${shown(words)}`))
  const program = words[0] === 'node' ? process.execPath : words[0]
  child = spawn(program, words.slice(1), { stdio: ['inherit', captured ? 'pipe' : 'inherit', 'inherit'] })
  let text = ''
  child.stdout?.on('data', (data) => (text += data))
  const code = await new Promise((resolve) => {
    child.on('error', (e) => {
      console.error(`${program}: ${e.message}`)
      resolve(127)
    })
    child.on('close', (n, signal) => resolve(n ?? signal))
  })
  child = undefined
  if (interrupted) throw new Stopped('interrupted')
  if (allowed && !allowed.includes(code))
    throw new Stopped(`this ended with ${code}; it should have been ${allowed.join(' or ')}`)
  return { code, text: text.trim() }
}

/** Whether dist/ is newer than what it is made of. */
function isBuilt() {
  if (!existsSync('dist/main.js')) return false
  const built = statSync('dist/main.js').mtimeMs
  const sources = ['src', 'modules'].flatMap((dir) => readdirSync(dir, { recursive: true }).map((f) => join(dir, f)))
  return sources.every((f) => statSync(f).mtimeMs <= built)
}

/** @returns hosts of the lab, or why there are none. */
async function bootLab() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return `the lab needs ${process.platform === 'linux' ? 'root' : 'Linux'}`
  await run(['scripts/system-packages.sh', 'lab'], { allowed: null })
  await run(['npm', 'run', '--silent', 'lab', '--', 'prepare'], { allowed: null })
  const why = await run(['npm', 'run', '--silent', 'lab', '--', 'why'], { captured: true })
  if (why.text !== '') return why.text
  await run(['npm', 'run', '--silent', 'lab', '--', 'down', 'demo'], { allowed: null })
  const up = await run(['npm', 'run', '--silent', 'lab', '--', 'up', '3', 'demo'], {
    captured: true,
    allowed: null,
  })
  const dir = up.text.split('\n').at(-1)
  if (up.code !== 0 || !existsSync(dir)) return 'the lab did not boot (see above)'
  return {
    name: 'the lab: three hosts, h1 to h3, each with a systemd and an sshd of its own, and the tokens of SoftHSM2 for an HSM',
    playbook: 'playbooks/site.yml',
    reach: ['-i', join(dir, 'site'), '--known-hosts', join(dir, 'known_hosts')],
    host: 'h2',
    fault: "sed -i 's/^ui .*/ui = false/' /etc/vault.d/vault.hcl; chmod 0644 /etc/fxpkcs11.cfg; systemctl stop vault",
    farewell: () => labFarewell(dir),
    stop: async (shownAll) => {
      if (!shownAll) say('\nThe lab stays up; to take it down: npm run lab -- down demo')
    },
  }
}

function labFarewell(dir) {
  const address = /h2: \{ ansible_host: (\S+) \}/.exec(readFileSync(join(dir, 'site/hosts.yml'), 'utf8'))[1]
  const reach = ['-i', join(dir, 'site')]
  const known = ['--known-hosts', join(dir, 'known_hosts')]
  heading('The hosts stay up: a cluster of OpenBao, unsealed by its HSM')
  say(`Its UI, for a browser on this machine: http://${address}:8200/ui/`)
  say(`The root token to log in with is the root_token in ${join(dir, 'vault-keys.json')}`)
  say('\nLook around:')
  for (const words of [
    [...runbook, 'apply', 'playbooks/verify.yml', ...reach, ...known],
    ['curl', `http://${address}:8200/v1/sys/seal-status`],
    ['ssh', '-i', join(dir, 'key'), '-o', `UserKnownHostsFile=${join(dir, 'known_hosts')}`, `root@${address}`],
    [...runbook, 'hosts', '--graph', ...reach],
    [...runbook, 'run', 'shell', 'systemctl status vault', '-l', 'h2', '-v', ...reach, ...known],
    [...runbook, 'modules', 'vault_init'],
  ])
    say(`  ${shown(words)}`)
  say('and take them down:')
  say('  npm run lab -- down demo')
}

/** Embedded hosts, in a process that ends with this one. It is no part of this terminal: an interrupt is for what runs on
 * the hosts, and they end behind it. */
async function startEmbedded() {
  const words = ['node', 'scripts/run.mjs', 'test/embedded/cli.ts', '3']
  say(paint('2', `$ ${shown(words)}`))
  const server = spawn(process.execPath, words.slice(1), { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const ended = new Promise((resolve) => server.on('close', resolve))
  const stop = async () => {
    server.stdin.end()
    await ended
  }
  const line = await Promise.race([new Promise((r) => server.stdout.once('data', (d) => r(String(d)))), ended])
  if (interrupted) await stop()
  if (interrupted || typeof line !== 'string') throw new Stopped('the embedded hosts did not start')
  const dir = line.trim()
  return {
    name: `three embedded hosts, e1 to e3, each a home directory below ${dir}/homes`,
    playbook: 'playbooks/quickstart.yml',
    reach: ['-i', join(dir, 'hosts.yml'), '--known-hosts', join(dir, 'known_hosts')],
    host: 'e2',
    fault: "cd quickstart && sed -i 's/blue/red/' etc/settings && chmod 0644 etc/fxpkcs11.cfg && rm current",
    farewell: embeddedFarewell,
    stop,
  }
}

function embeddedFarewell() {
  heading('The embedded hosts end with this demo. To have some for yourself')
  say(`  ${shown(['node', 'scripts/run.mjs', 'test/embedded/cli.ts', '3'])}`)
  say('prints their directory, and keeps them until Ctrl-C; then, in another terminal:')
  for (const words of [
    [...runbook, 'hosts', '-i', 'DIRECTORY/hosts.yml'],
    [
      ...runbook,
      'apply',
      'playbooks/quickstart.yml',
      '-i',
      'DIRECTORY/hosts.yml',
      '--known-hosts',
      'DIRECTORY/known_hosts',
    ],
    [...runbook, 'modules', 'copy'],
  ])
    say(`  ${shown(words)}`)
}

async function show({ playbook, reach, host, fault }) {
  heading(`Apply ${playbook}: all there is to do, on three hosts at once`)
  await run([...runbook, 'apply', playbook, ...reach])
  heading('Apply again: nothing changes')
  await run([...runbook, 'apply', playbook, ...reach])
  heading(`Somebody changes something on ${host} by hand`)
  await run([...runbook, 'run', 'shell', fault, '-l', host, ...reach])
  heading('Check finds it, and changes nothing (exit code 2)')
  await run([...runbook, 'check', playbook, '--diff', ...reach], { allowed: [2] })
  heading('Apply repairs it')
  await run([...runbook, 'apply', playbook, ...reach])
  heading('Check: all is as the playbook says (exit code 0)')
  await run([...runbook, 'check', playbook, ...reach])
}

async function main() {
  heading('What is needed')
  if (!packs.every(existsSync)) await run(['npm', 'ci', '--no-audit', '--no-fund'])
  if (!isBuilt()) await run(['npm', 'run', '--silent', 'build'])

  heading('Hosts')
  let hosts = process.argv.includes('--embedded') ? 'it was asked for with --embedded' : await bootLab()
  if (typeof hosts === 'string') {
    say(`Embedded hosts, not the lab: ${hosts}.`)
    hosts = await startEmbedded()
  }
  let shownAll = false
  try {
    say(`These are ${hosts.name}.`)
    await show(hosts)
    hosts.farewell()
    shownAll = true
  } finally {
    await hosts.stop(shownAll)
  }
}

// on a terminal what runs gets an interrupt too, and ends in order
process.on('SIGINT', () => {
  interrupted = true
  if (!process.stdin.isTTY) child?.kill('SIGINT')
})
for (const signal of ['SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    interrupted = true
    child?.kill(signal)
  })

try {
  await main()
} catch (e) {
  if (!(e instanceof Stopped)) throw e
  console.error(`\ndemo: ${e.message}`)
  process.exitCode = interrupted ? 130 : 1
}
